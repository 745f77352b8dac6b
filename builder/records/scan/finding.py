"""What a scan finds, and what it could not look at. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

Level = Literal["high", "medium", "low"]
LEVELS: tuple[Level, ...] = ("high", "medium", "low")
"""The most serious first."""
STOPS: frozenset[Level] = frozenset(("high", "medium"))
"""Levels of findings that stop a bundle, unless the spec allows them."""

RULES = 1
"""The revision of rules and readers: verdicts of another one are not used again."""

MOST = 100
"""Findings of one file that are told one by one."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be there, and where it is. Never the thing itself."""

    rule: str
    level: Level
    message: str
    """What it is, in a few words."""
    line: int | None = None
    """From 1, where the file has lines."""
    place: str = ""
    """Where it is in what has no lines, or more than those: `cell 3, output 1`, `column email`, `byte 512`."""
    subject: str = ""
    """What it is about, where that is no secret: the import of a pickle."""
    path: str = ""

    @property
    def where(self) -> str:
        """Path, place and line, for people."""
        place = f"{self.path}:{self.line}" if self.line else self.path
        return f"{place} ({self.place})" if self.place else place

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it; what is empty is left out."""
        values = {
            "rule": self.rule, "level": self.level, "path": self.path, "line": self.line, "place": self.place,
            "message": self.message, "subject": self.subject,
        }  # fmt: skip
        return {name: value for name, value in values.items() if value}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Finding:
        """From what `to_dict` gave."""
        return cls(**value)


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """What came of one file. It is a function of its bytes, its name and the rules, so that it can be kept."""

    findings: tuple[Finding, ...] = ()
    not_measured: tuple[str, ...] = ()
    """What was not looked at, and why; a sentence each."""

    def at(self, path: str) -> FileVerdict:
        """The same of a file at `path`."""
        return replace(self, findings=tuple(replace(finding, path=path) for finding in self.findings))

    def __add__(self, other: FileVerdict) -> FileVerdict:
        """Of both."""
        return FileVerdict(self.findings + other.findings, self.not_measured + other.not_measured)

    def to_value(self) -> Any:
        """As JSON data, without the path."""
        findings = [finding.to_dict() for finding in self.at("").findings]
        return {"findings": findings, "not-measured": list(self.not_measured)}

    @classmethod
    def from_value(cls, value: Any) -> FileVerdict:
        """From what `to_value` gave."""
        return cls(tuple(map(Finding.from_dict, value["findings"])), tuple(value["not-measured"]))


def first(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The first of them, each once, and one that says how many more there are."""
    kept: dict[Finding, None] = {}
    more: Finding | None = None
    count = 0
    for finding in findings:
        if finding in kept:
            continue
        if len(kept) < MOST:
            kept[finding] = None
        else:
            count += 1
            serious = more is None or LEVELS.index(finding.level) < LEVELS.index(more.level)
            more = finding if serious else more
    if more:
        kept[replace(more, message=f"{count} more, the first of them: {more.message}")] = None
    return tuple(kept)
