"""How one run is told: lines of everything that its record has."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from builder.cli.output import count, size_text
from builder.cli.runs.opened import duration_text, line_of, number_text
from builder.history.leaves import leaves
from builder.history.record import LARGEST

if TYPE_CHECKING:
    from builder.history.content import Content
    from builder.history.folder import KeptRun
    from builder.history.record import RunRecord

_MOST = 200
"""Lines of one group."""


def run_lines(kept: KeptRun, tags: tuple[str, ...]) -> Iterator[str]:
    """Lines for a terminal; groups without anything are left out."""
    record = kept.record
    facts = [(name, line_of(str(value))) for name, value in _facts(record, tags) if value not in (None, "")]
    width = max(len(name) for name, _ in facts)
    yield from (f"{name:{width}}  {value}" for name, value in facts)
    yield from _group("parameters", {name: number_text(value) for name, value in leaves(record.params)})
    yield from _group("data", {name: content_text(one) for name, one in record.data.items()})
    yield from _group("metrics", {name: number_text(value) for name, value in record.metrics.items()})
    yield from _group("outputs", {name: content_text(one) for name, one in record.outputs.items()})
    yield from _group("host", {name: host_text(name, value) for name, value in record.host.items() if value})
    notes = [note for note in record.notes if note != LARGEST]
    if kept.changed:
        notes.insert(0, f"the record was changed by hand: {kept.changed}")
    yield from ([""] if notes else [])
    yield from (f"note: {line_of(note)}" for note in notes)


def _facts(record: RunRecord, tags: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    yield "run", record.id
    yield record.kind, record.command
    yield "outcome", _outcome(record)
    yield "project", " ".join(filter(None, (record.project, record.version)))
    yield "tags", " ".join(tags)
    yield "runs", shlex.join((*record.run, *record.arguments))
    yield "start", record.start
    yield "end", record.end
    yield "time", None if record.duration is None else duration_text(record.duration)
    yield (
        "memory",
        None if record.peak_memory is None else f"{size_text(record.peak_memory)} at most{_of_process(record)}",
    )
    yield "who", " ".join(str(record.who[name]) for name in ("name", "email") if record.who.get(name))
    yield "owner", record.owner
    yield "why", record.why
    yield "part of", record.parent
    yield "seed", record.seed
    yield "commit", _commit(record)
    yield "code", _code(record)
    yield "environment", record.environment
    yield "lock", record.lock
    yield "image", " ".join(filter(None, (record.image, record.platform)))
    yield "contracts", f"checks were {record.checks}" if record.checks else None
    yield (
        "log",
        None
        if record.log is None
        else f"{record.log.file}, {size_text(record.log.size)}"
        + (", of which a part is kept" if record.log.cut else ""),
    )


def _of_process(record: RunRecord) -> str:
    return ", of its largest process" if LARGEST in record.notes else ""


def _outcome(record: RunRecord) -> str:
    if record.outcome == "failed":
        return f"failed with exit code {record.exit_code}" + (f", {record.signal}" if record.signal else "")
    return record.outcome


def _commit(record: RunRecord) -> str | None:
    if record.commit is None:
        return None
    patch = f": {record.commit.patch}" if record.commit.patch else ", which are not kept"
    return record.commit.id + (f", with changes{patch}" if record.commit.dirty else "")


def _code(record: RunRecord) -> str | None:
    known = record.code.files
    files = f"{count(len(known), 'file')}, {record.code.found}" if known is not None else record.code.found
    return f"{record.code.digest} ({files})" if record.code.digest else None


def _group(title: str, values: Mapping[str, str]) -> Iterator[str]:
    if not values:
        return
    yield ""
    yield f"{title}:"
    width = min(40, max(len(line_of(name)) for name in values))
    for name, value in list(values.items())[:_MOST]:
        yield f"  {line_of(name):{width}}  {line_of(value)}"
    if len(values) > _MOST:
        yield f"  and {len(values) - _MOST} more; `--json` has all"


def content_text(content: Content) -> str:
    """What a file or a folder holds, in a few words."""
    files = f", {count(len(content.files), 'file')}" if content.kind == "folder" and content.files is not None else ""
    return f"sha256:{content.sha256[:12]}  {size_text(content.size)}{files}"


def host_text(name: str, value: Any) -> str:
    """A fact of the machine."""
    return size_text(value) if name == "memory" and type(value) is int else number_text(value)
