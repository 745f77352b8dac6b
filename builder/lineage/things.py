"""What lineage is of: things by the digest of their bytes, and what was done that made them of others. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from builder.history.content import Content, Row

EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
"""The digest of no bytes: files that are empty have nothing to do with each other."""

PartKind = Literal["file", "folder", "code", "image", "beside"]
"""`code` is all code of an activity by one digest; `beside` a file of it, or of a contract."""
ActivityKind = Literal["command", "stage", "image", "bundle"]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that was read, written or packed."""

    name: str
    """What it was called there: a path, a name of data."""
    sha256: str
    """Hexadecimal."""
    kind: PartKind = "file"
    size: int | None = None
    files: tuple[Row, ...] = ()
    """Of a folder, as far as they are known."""

    @classmethod
    def of(cls, name: str, content: Content) -> Part:
        """A file or a folder by its digest."""
        files = (content.files or ()) if content.kind == "folder" else ()
        return cls(name, content.sha256, content.kind, content.size, files)

    def members(self) -> Iterator[str]:
        """The digests of the files inside of it that are not empty."""
        return (row[1] for row in self.files if row[1] != EMPTY)

    def digests(self) -> Iterable[str]:
        """Its own and those of its members, each once."""
        return dict.fromkeys((self.sha256, *self.members())) if self.files else (self.sha256,)


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that was done: a run of a command or a stage, an image that was built, a bundle that was packed."""

    id: str
    """Unlike all others: `run:ID`, `stage:KEY`, `image:DIGEST`."""
    kind: ActivityKind
    name: str
    project: str = ""
    used: tuple[Part, ...] = ()
    """What it was made of, its code among it."""
    made: tuple[Part, ...] = ()
    beside: Mapping[str, str] = field(default_factory=dict)
    """Files of code and contracts that it depended on: the hexadecimal SHA-256 by path."""
    run: str | None = None
    """The id of the run."""
    image: str | None = None
    """The image that it ran in: `sha256:…`."""
    start: str = ""
    outcome: str = ""
    """`ok`, `failed`, `killed`, `running`; empty where that is not known."""
    who: str = ""
    doubt: str | None = None
    """Why it is not to be trusted: its record was changed by hand."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else is told of it, as JSON data: parameters, seed, lock, commit, owner, why."""

    @property
    def owner(self) -> str:
        """Who answers for it."""
        return str(self.details.get("owner") or "")

    @property
    def signature(self) -> tuple[str, frozenset[str], frozenset[str]]:
        """Equal for two tellings of the same work: one in a lock, one in the record of a run."""
        used = frozenset(part.sha256 for part in self.used if part.kind in ("file", "folder"))
        return self.name, used, frozenset(part.sha256 for part in self.made)


@dataclass(frozen=True, slots=True)
class Reading:
    """That somebody read data through envbuild."""

    sha256: str
    name: str
    who: str
    time: str
    by: str
    """The command or stage that did."""
    project: str = ""
    run: str | None = None
    outcome: str = ""
    doubt: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {
            "digest": f"sha256:{self.sha256}",
            "name": self.name,
            "who": self.who,
            "time": self.time,
            "by": self.by,
            "project": self.project,
            "run": self.run,
            "outcome": self.outcome,
            "doubt": self.doubt,
        }
