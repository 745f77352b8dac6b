"""Which run the model of a bundle is of: the one that is named, or the newest good one that wrote just its files.

The model of a named run need not be in the working tree: it is had from what is kept of the run.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.bundle.inside.recorded import (
    OUTPUTS,
    RUN_ROLE,
    file_sha256,
    finished,
    kept,
    rows_below,
)
from builder.bundle.inside.since import Now, changes_since
from builder.errors import EnvbuildError
from builder.history.content import Content, Row, listing_digest
from builder.history.folder import KeptRun, read_run, run_folders
from builder.history.layout import RECORD_FILE
from builder.history.record import RunRecord
from builder.layers.files import FileEntry, Kind
from builder.oci.canonical import readable_json
from builder.oci.store import Store
from builder.records.record import JSON, Record
from builder.spec import LoadedProject

_MOST_RUNS = 1000
"""The latest, of which one is looked for."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The run that a model is of."""

    told: Mapping[str, Any]
    """What of its record goes along."""
    id: str | None = None
    """Of the run in `runs`; None of a record that a launcher left in `out`."""
    model: Path | None = None
    """Where the model's files are, if not at the model's path."""
    files: Mapping[str, str] | None = None
    """The hexadecimal SHA-256 of the code that it is of, by path; None where only that of all code is known."""
    stage_key: str | None = None
    changed: tuple[str, ...] = ()
    """What has changed since, which was let pass."""

    @property
    def is_stage(self) -> bool:
        """Whether it is the run of a stage, and not of a command."""
        return self.told.get("kind") == "stage"

    @property
    def title(self) -> str:
        """`the run ID`, `the run of train`."""
        return f"the run `{self.id}`" if self.id else f"the run of `{self.told['command']}` in `{OUTPUTS}`"

    @property
    def told_now(self) -> dict[str, Any]:
        """What goes along, with what has changed since."""
        return {**self.told, "stale": list(self.changed)} if self.changed else dict(self.told)

    def record(self) -> Record:
        """The document in the bundle."""
        return Record(RECORD_FILE, RUN_ROLE, JSON, readable_json(self.told_now))

    def changes(self, now: Now) -> list[str]:
        """What is no longer as it was when it ran, of what can be told without planning its stage."""
        return changes_since(self.told, self.files, now)


def latest_origin(loaded: LoadedProject, model: Sequence[FileEntry]) -> Origin | None:
    """The newest good run that wrote just these files at the model's path, if there is one."""
    wanted = loaded.project.model.path if loaded.project.model else None
    if not model or wanted is None or any(entry.kind is not Kind.FILE for entry in model):
        return None
    files = _Files(model)
    for run in _good_runs(loaded.folder):
        if any(files.are_of(output, name, wanted) for name, output in _outputs(run.record)):
            return _of_history(run.record)
    for told in finished(loaded.folder / OUTPUTS):
        if any(files.are_of(output, name, wanted) for name, output in told["outputs"].items()):
            return Origin(kept(told))
    return None


def named_origin(loaded: LoadedProject, run: KeptRun, store: Store, scratch: Path) -> Origin:
    """A run that somebody named, with the model that it wrote: in `scratch`, laid out from what is kept of it.

    Raises: EnvbuildError, if it did not end well, was changed by hand, wrote no model, or that is not kept.
    """
    from builder.history.kept import restore

    record = run.record
    path = loaded.project.model.path if loaded.project.model else None
    if path is None:
        raise EnvbuildError(f"`{loaded.file}` names no path of a model", hint="Declare it: `model: {path: …}`")
    if run.changed is not None:
        raise EnvbuildError(f"the record of the run `{record.id}` was changed by hand", run.changed)
    if record.outcome != "ok":
        raise EnvbuildError(f"the run `{record.id}` made no model", f"its outcome is `{record.outcome}`")
    found = _part(record, path)
    if found is None:
        wrote = ", ".join(f"`{name}`" for name in record.outputs) or "nothing that is kept"
        raise EnvbuildError(f"the run `{record.id}` wrote nothing at `{path}`, the model's path", f"it wrote {wrote}")
    content, inner = found
    place = scratch / ("output" if inner else posixpath.basename(posixpath.normpath(path)))
    try:
        restore(store, content, place)
    except EnvbuildError as error:
        hint = "Run it again: `envbuild runs reproduce` says whether that gives the same"
        raise EnvbuildError(
            f"the model of the run `{record.id}` cannot be had", (error.what, *error.why), hint
        ) from error
    return _of_history(record, place / inner if inner else place)


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of a model, hashed once a run may be of them."""

    model: Sequence[FileEntry]

    def are_of(self, output: Mapping[str, Any], name: str, path: str) -> bool:
        """Whether an output holds just these at the model's path."""
        sizes = sorted((entry.path, entry.size) for entry in self.model)
        found = rows_below(output, name, path)
        if found is None:
            rows = tuple(sorted(self._rows(), key=lambda row: row[0].encode()))
            whole = posixpath.normpath(path) in (name, f"{OUTPUTS}/{name}")
            return whole and output.get("digest") == f"sha256:{listing_digest(rows)}"
        return sorted((row[0], row[2]) for row in found) == sizes and sorted(found) == self._rows()

    def _rows(self) -> list[Row]:
        return sorted((entry.path, file_sha256(entry), entry.size) for entry in self.model)


def _good_runs(root: Path) -> Iterator[KeptRun]:
    for number, folder in enumerate(run_folders(root)):
        if number == _MOST_RUNS:
            return
        with suppress(EnvbuildError):
            run = read_run(folder)
            if run.record.outcome == "ok" and run.changed is None and run.record.outputs:
                yield run


def _outputs(record: RunRecord) -> Iterator[tuple[str, dict[str, Any]]]:
    """As the launcher's record has them."""
    for name, content in record.outputs.items():
        rows = content.files
        digest = content.sha256 if content.kind == "folder" or rows is None else listing_digest(rows)
        files = None if rows is None else [list(row) for row in rows]
        yield name, {"digest": f"sha256:{digest}", "size": content.size, "files": files}


def _of_history(record: RunRecord, model: Path | None = None) -> Origin:
    return Origin(told_of(record), record.id, model, record.code.files, record.stage_key)


def told_of(record: RunRecord) -> dict[str, Any]:
    """What of a run goes along, in the form of the launcher's records."""
    told: dict[str, Any] = {
        "format": 1,
        "state": "finished",
        "kind": record.kind,
        "command": record.command,
        "arguments": list(record.arguments),
        "params": dict(record.params),
        "seed": record.seed,
        "lock": record.lock,
        "code": record.code.digest,
        "exit_code": record.exit_code,
        "metrics": dict(record.metrics),
        "outputs": dict(_outputs(record)),
        "data": {name: {"sha256": one.sha256, "size": one.size} for name, one in record.data.items()},
    }
    if record.commit:
        told["commit"] = {"id": record.commit.id, "dirty": record.commit.dirty}
    if record.kind == "stage":
        told |= {"owner": record.owner, "why": record.why}
    return told


def _part(record: RunRecord, path: str) -> tuple[Content, str] | None:
    """The output that is, or holds, what is at the model's path; and where in it."""
    wanted = posixpath.normpath(path)
    for name, content in record.outputs.items():
        for top in (posixpath.normpath(name), f"{OUTPUTS}/{name}"):
            if wanted == top:
                return content, ""
            inner = wanted.removeprefix(f"{top}/")
            if wanted != inner and any(
                row[0] == inner or row[0].startswith(f"{inner}/") for row in content.files or ((inner, "", 0),)
            ):
                return content, inner
    return None
