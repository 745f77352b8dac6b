"""The record of a run, `run.json`: what was run, with what, and what came of it. Pure.

It has the keys of the record that the launcher leaves (`out/run.json`) and more, so that what reads the one reads the
other. A run that was made goes on as `running` until it is finished or found dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.layout import RUN_ID

RUN_FORMAT = 1
LARGEST = "the peak of memory is that of the largest process"
"""A note, where an engine does not tell more."""

State = Literal["running", "finished", "killed"]
Outcome = Literal["running", "ok", "failed", "killed"]


@dataclass(frozen=True, slots=True)
class Code:
    """The code that a run had."""

    digest: str | None = None
    """`sha256:…`, of all files; None where it is not known."""
    files: Mapping[str, str] | None = None
    """The hexadecimal SHA-256 of each file that what was run depends on, by path; None where that is not known."""
    found: Literal["declared", "imports", "packed", "mounted"] = "packed"
    """How they were chosen: by globs of the stage, by what the command imports, all of the bundle's, or the tree's."""


@dataclass(frozen=True, slots=True)
class Commit:
    """Where in its history the project was."""

    id: str
    """The full name of the commit."""
    dirty: bool = False
    """Whether files differed from it."""
    patch: str | None = None
    """The file in the run's folder that makes the commit what was run; None where it was clean, or is withheld."""


@dataclass(frozen=True, slots=True)
class Log:
    """What was printed."""

    file: str
    """In the run's folder."""
    size: int
    """Bytes that were printed; fewer are in the file where it was `cut`."""
    cut: bool = False


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run of a command or a stage. Times are UTC, `2026-01-31T23:59:59.123Z`; digests are `sha256:…`."""

    id: str
    kind: Literal["command", "stage"]
    command: str
    """The name of the command or the stage."""
    state: State
    start: str
    project: str = ""
    version: str = ""
    run: tuple[str, ...] = ()
    """The program and its arguments, as declared."""
    arguments: tuple[str, ...] = ()
    """What was given besides."""
    params: Mapping[str, Any] = field(default_factory=dict)
    """As they were in force; nested as in their files."""
    seed: int | None = None
    data: Mapping[str, Content] = field(default_factory=dict)
    """What was read: by the name of data, or by path."""
    code: Code = Code()
    commit: Commit | None = None
    """None outside of git."""
    environment: str = ""
    """The name of the environment."""
    lock: str | None = None
    """The digest of its lock."""
    image: str | None = None
    """The digest of the image's manifest."""
    platform: str = ""
    """`linux/amd64`."""
    stage_key: str | None = None
    """Of a stage, what all that it depends on comes to; equal keys, equal promises."""
    owner: str = ""
    why: str = ""
    who: Mapping[str, str] = field(default_factory=dict)
    """`name` and `email` of whoever started it."""
    parent: str | None = None
    """What it is a part of: the name of a sweep or of a `repro`."""
    checks: str | None = None
    """`skipped`, where data were not held to their contracts."""
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    """The last value of each, dotted inside a group; what is no finite number is a word (`NaN`) or a text."""
    steps: str | None = None
    """The file in the run's folder with metrics by step, one JSON object a line: `{"step", "name": value}`."""
    outputs: Mapping[str, Content] = field(default_factory=dict)
    """What was written: by the name of an output, or by path."""
    log: Log | None = None
    end: str | None = None
    duration: float | None = None
    """Seconds, by a clock that does not go back."""
    peak_memory: int | None = None
    """Bytes at a time, of its container, or of its largest process where that is all that can be measured."""
    exit_code: int | None = None
    signal: str | None = None
    host: Mapping[str, Any] = field(default_factory=dict)
    """`cpu`, `cpus`, `memory`, `gpus`, `kernel`, `engine`."""
    notes: tuple[str, ...] = ()
    """What was odd: a clock that went back, a metric that is no number."""

    @property
    def outcome(self) -> Outcome:
        """What became of it."""
        return outcome_of(self.state, self.exit_code)

    def to_dict(self) -> dict[str, Any]:
        """The document."""
        plain = {one.name: getattr(self, one.name) for one in fields(self)}
        return {
            "format": RUN_FORMAT,
            **plain,
            "run": list(self.run),
            "arguments": list(self.arguments),
            "notes": list(self.notes),
            "data": {name: one.to_dict() for name, one in self.data.items()},
            "outputs": {name: one.to_dict() for name, one in self.outputs.items()},
            "code": _plain(self.code),
            "commit": _plain(self.commit) if self.commit else None,
            "log": _plain(self.log) if self.log else None,
        }

    @classmethod
    def from_dict(cls, value: Any, what: str = "the record") -> RunRecord:
        """A document from anywhere. Raises: EnvbuildError, naming `what`, if it is no record of a run."""
        try:
            return _read(cls, value)
        except (KeyError, TypeError, ValueError, AttributeError, EnvbuildError) as error:
            raise EnvbuildError(f"{what} is no record of a run", str(error)) from error


def outcome_of(state: State, exit_code: int | None) -> Outcome:
    """What became of a run."""
    if state == "finished":
        return "ok" if exit_code == 0 else "failed"
    return state


def _plain(value: Any) -> dict[str, Any]:
    return {one.name: getattr(value, one.name) for one in fields(value)}


def _read(cls: type[RunRecord], value: Any) -> RunRecord:
    if not isinstance(value, Mapping) or value.get("format") != RUN_FORMAT:
        raise ValueError(f"format {RUN_FORMAT} is expected")
    known = {one.name: value[one.name] for one in fields(cls) if one.name in value}
    for name, expected in _TYPES.items():
        if name in known and (not isinstance(known[name], expected) or isinstance(known[name], bool)):
            raise TypeError(f"`{name}` is of another type")
    if not RUN_ID.fullmatch(known["id"]) or known["kind"] not in ("command", "stage"):
        raise ValueError("its `id` or its `kind` is none")
    if known["state"] not in ("running", "finished", "killed"):
        raise ValueError("its `state` is none")
    for name in ("run", "arguments", "notes"):
        known[name] = _texts(known.get(name, ()), name)
    for name in ("data", "outputs"):
        known[name] = {str(key): Content.from_dict(one) for key, one in known.get(name, {}).items()}
    known["code"] = Code(**known["code"]) if known.get("code") else Code()
    known["commit"] = Commit(**known["commit"]) if known.get("commit") else None
    known["log"] = Log(**known["log"]) if known.get("log") else None
    _check_parts(known)
    return cls(**known)


def _check_parts(known: Mapping[str, Any]) -> None:
    for part, types in _PART_TYPES.items():
        for name, expected in types.items():
            if known[part] is not None and not isinstance(getattr(known[part], name), expected):
                raise TypeError(f"`{part}.{name}` is of another type")
    _texts((known["code"].files or {}).values(), "code.files")


def _texts(value: Any, name: str) -> tuple[str, ...]:
    if not all(isinstance(one, str) for one in value):
        raise TypeError(f"`{name}` are no texts")
    return tuple(value)


_NONE = type(None)
_NUMBER = (int, float, _NONE)
_TYPES: Mapping[str, Any] = {
    **dict.fromkeys(("id", "kind", "command", "state", "start", "project", "version"), str),
    **dict.fromkeys(("environment", "platform", "owner", "why"), str),
    **dict.fromkeys(("lock", "image", "stage_key", "parent", "checks", "steps", "end", "signal"), (str, _NONE)),
    **dict.fromkeys(("params", "data", "who", "metrics", "outputs", "host"), Mapping),
    **dict.fromkeys(("run", "arguments", "notes"), (list, tuple)),
    **dict.fromkeys(("code", "commit", "log"), (Mapping, _NONE)),
    **dict.fromkeys(("seed", "peak_memory", "exit_code"), (int, _NONE)),
    "duration": _NUMBER,
}
_PART_TYPES: Mapping[str, Any] = {
    "code": {"digest": (str, _NONE), "files": (Mapping, _NONE), "found": str},
    "commit": {"id": str, "dirty": bool, "patch": (str, _NONE)},
    "log": {"file": str, "size": int, "cut": bool},
}
