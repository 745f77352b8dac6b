"""What is told of a run in a list, and reading it from its folder with its tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.history.search.facts import Fact, facts_of

if TYPE_CHECKING:
    from builder.history.record import RunRecord

_NOT_TOLD = frozenset(("format", "host", "log", "notes", "steps"))


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a list of runs."""

    id: str
    kind: str
    command: str
    outcome: str
    start: str
    end: str | None
    duration: float | None
    parent: str | None
    seed: int | None
    metrics: Mapping[str, float | str]
    tags: tuple[str, ...] = ()
    edited: bool = False
    """Whether the record is no longer what was written when the run ended."""

    @classmethod
    def of(cls, record: RunRecord, tags: tuple[str, ...], edited: bool = False) -> Entry:
        """Of a record."""
        return cls(
            record.id, record.kind, record.command, record.outcome, record.start, record.end, record.duration,
            record.parent, record.seed, dict(record.metrics), tags, edited,
        )  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {one.name: getattr(self, one.name) for one in fields(self)} | {"tags": list(self.tags)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Entry:
        """Of the index, which is envbuild's own."""
        return cls(**{**value, "tags": tuple(value["tags"])})


@dataclass(frozen=True, slots=True)
class Read:
    """What was found in a folder: a run, and what cannot be read of it."""

    entry: Entry | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    problem: str | None = None
    told: Mapping[str, Any] | None = None
    """Of the record, what was read and written, by digest, and by whom: keys of its document, and `changed`."""

    @property
    def running(self) -> bool:
        """Whether it has not ended, as far as its record goes."""
        return self.entry is not None and self.entry.outcome == "running"


def read_entry(folder: Path) -> Read:
    """What is in a run's folder; what cannot be read is a problem, and no error."""
    from builder.history.folder import read_run
    from builder.history.tags import read_tags

    try:
        kept = read_run(folder)
    except EnvbuildError as error:
        return Read(problem=_told(error))
    tags: tuple[str, ...] = ()
    problem = None
    try:
        tags = read_tags(folder)
    except EnvbuildError as error:
        problem = _told(error)
    entry = Entry.of(kept.record, tags, kept.changed is not None)
    told = {key: value for key, value in kept.record.to_dict().items() if key not in _NOT_TOLD}
    return Read(entry, facts_of(kept.record, tags), problem, {**told, "changed": kept.changed})


def _told(error: EnvbuildError) -> str:
    return "; ".join([error.what, *error.why[:1]])[:500]
