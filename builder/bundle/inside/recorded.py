"""The run that made the model of a bundle: what of its record goes along, so that the run can be reproduced.

Only what makes a run goes along and what came of it: no times, no facts of the machine, so that the same run again
gives the same bundle.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.history.content import Row
from builder.history.layout import RECORD_FILE, RECORD_LIMIT
from builder.layers.files import FileEntry
from builder.oci.canonical import parse_json

RUN_ROLE = "run"
OUTPUTS = "out"
"""The project's folder of outputs."""
_MOST_RECORDS = 1000
_MOST_TOLD = 100
"""Metrics, parameters and data that are told, each."""
_LONGEST = 200
_DEEPEST = 20
_KEPT = (
    "format", "state", "command", "arguments", "params", "seed", "lock", "code", "exit_code", "metrics", "outputs",
)  # fmt: skip
_ALSO_KEPT = ("kind", "commit", "owner", "why", "stale")
"""Of a run of `runs`, which was packed with them."""


def kept(run: Mapping[str, Any]) -> dict[str, Any]:
    """What of a record goes along."""
    data = {name: {"sha256": one["sha256"], "size": one["size"]} for name, one in run["data"].items()}
    return {**{key: run.get(key) for key in _KEPT}, **{key: run[key] for key in _ALSO_KEPT if key in run}, "data": data}


def told_run(run: Mapping[str, Any]) -> dict[str, Any]:
    """A run for people: names with values as short texts, in order; not more than a page of each."""
    data = {name: f"sha256:{one['sha256'].removeprefix('sha256:')}" for name, one in run["data"].items()}
    values = {"metrics": run.get("metrics") or {}, "params": run["params"], "data": data}
    lists = {key: [*_leaves(value)][:_MOST_TOLD] if isinstance(value, Mapping) else [] for key, value in values.items()}
    told = {key: run.get(key) for key in ("command", "arguments", "seed", "commit", "kind", "owner", "why", "stale")}
    return told | lists


def metrics_of(run: Mapping[str, Any]) -> dict[str, float]:
    """The metrics of a run that are finite numbers, by their dotted names."""
    found = run.get("metrics")
    leaves = _leaves(found, plain=True) if isinstance(found, Mapping) else ()
    return {name: value for name, value in leaves if isinstance(value, (int, float)) and not isinstance(value, bool)}


def _leaves(group: Mapping[str, Any], prefix: str = "", *, plain: bool = False) -> Iterator[tuple[str, Any]]:
    for key, value in sorted(group.items()):
        if isinstance(value, Mapping) and value and prefix.count(".") < _DEEPEST:
            yield from _leaves(value, f"{prefix}{key}.", plain=plain)
        elif plain:
            yield f"{prefix}{key}", value
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
            yield f"{prefix}{key}", text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def rows_below(output: Mapping[str, Any], name: str, model: str) -> list[Row] | None:
    """The files of the output `name` that are of the model at the path `model`; None where they were not listed."""
    if output.get("files") is None:
        return None
    rows = [(str(path), str(digest), int(size)) for path, digest, size in output["files"]]
    path = posixpath.normpath(model)
    top = name if path == name or path.startswith(f"{name}/") else f"{OUTPUTS}/{name}"
    if not path.startswith(f"{top}/"):
        return rows
    inner = path.removeprefix(f"{top}/")
    if any(row[0] == inner for row in rows):
        return [(posixpath.basename(inner), *row[1:]) for row in rows if row[0] == inner]
    return [(row[0].removeprefix(f"{inner}/"), *row[1:]) for row in rows if row[0].startswith(f"{inner}/")]


def parse_record(data: bytes, what: str) -> dict[str, Any]:
    """The record that the launcher wrote or a bundle keeps of a run, from anywhere; those of `runs` are `RunRecord`s.

    Raises: EnvbuildError, naming `what`, if it is none.
    """
    if len(data) > RECORD_LIMIT:
        raise EnvbuildError(f"{what} is no record of a run", f"it is larger than {RECORD_LIMIT} bytes")
    document = parse_json(data, what)
    try:
        _check(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EnvbuildError(f"{what} is no record of a run", str(error), "It is `out/run.json` after a run") from error
    return dict(document)


def _check(run: Mapping[str, Any]) -> None:
    """Raises: KeyError, TypeError, ValueError, AttributeError."""
    if run["format"] != 1 or run["state"] not in ("running", "finished"):
        raise ValueError("it is of another format")
    expected: dict[str, Any] = {
        "command": str,
        "arguments": list,
        "params": dict,
        "seed": (int, type(None)),
        "data": dict,
    }
    for key, types in expected.items():
        if not isinstance(run[key], types) or isinstance(run[key], bool):
            raise TypeError(f"`{key}` is of another type")
    if not all(isinstance(argument, str) for argument in run["arguments"]):
        raise TypeError("`arguments` are no texts")
    for one in run["data"].values():
        if not isinstance(one["sha256"], str):
            raise TypeError("`data` has no digests")
    if not isinstance(run.get("model"), (dict, type(None))):
        raise TypeError("`model` is of another type")
    for output in (run.get("outputs") or {}).values():
        _check_output(output)
    _check_told(run)


def _check_told(run: Mapping[str, Any]) -> None:
    """What only runs of `runs` have."""
    commit = run.get("commit") or {"id": "", "dirty": False}
    if not isinstance(commit["id"], str) or not isinstance(commit["dirty"], bool):
        raise TypeError("`commit` is of another type")
    told = [run.get(key, "") for key in ("kind", "owner", "why")]
    if not all(isinstance(text, str) for text in (*told, *run.get("stale", ()))):
        raise TypeError("what is told of the run are no texts")


def _check_output(output: Mapping[str, Any]) -> None:
    if not isinstance(output["digest"], (str, type(None))):
        raise TypeError("an output has no digest")
    for path, digest, size in output["files"] or ():
        if not (isinstance(path, str) and isinstance(digest, str) and isinstance(size, int)):
            raise TypeError("an output's list of files is another")


def finished(out: Path) -> Iterator[dict[str, Any]]:
    """The records below a folder of runs that ended well and wrote something: the latest first."""
    runs = out / "runs"
    names = sorted((path for path in runs.glob("*.json") if not path.is_symlink()), reverse=True)
    for path in (out / RECORD_FILE, *names[:_MOST_RECORDS]):
        try:
            with open(path, "rb") as file:
                run = parse_record(file.read(RECORD_LIMIT + 1), str(path))
        except (OSError, EnvbuildError):  # of another tool, or of an older launcher
            continue
        if run["state"] == "finished" and run.get("exit_code") == 0 and run.get("outputs"):
            yield run


def file_sha256(entry: FileEntry) -> str:
    """Of a file of the model, hexadecimal."""
    if entry.digest:
        return entry.digest.hex
    if entry.source is None:
        return hashlib.sha256(entry.data).hexdigest()
    with open(entry.source, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
