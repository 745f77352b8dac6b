"""How severe a vulnerability is, from what its OSV record says of it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any


class Severity(IntEnum):
    """Levels as CVSS has them (section 5, qualitative severity rating scale)."""

    NONE = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """In a word."""
        return self.name.lower()

    @classmethod
    def of(cls, word: object) -> Severity | None:
        """The level that a word of a database means, None for what tells nothing."""
        return _WORDS.get(str(word).lower())


_WORDS = {level.name.lower(): level for level in Severity} | {
    "moderate": Severity.MEDIUM,  # GitHub
    "important": Severity.HIGH,  # Red Hat
    "unimportant": Severity.LOW,  # Debian's urgency
}


def severity_of(record: Mapping[str, Any], affected: Mapping[str, Any]) -> Severity | None:
    """The highest level that a record, or one of its affected packages, has by a CVSS vector or a word; else None."""
    return max(_told(record, affected), default=None)


def _told(record: Mapping[str, Any], affected: Mapping[str, Any]) -> Iterator[Severity]:
    for place in (record, affected):
        for entry in _list(place.get("severity")):
            if isinstance(entry, dict) and (level := _of_vector(str(entry.get("score", "")))) is not None:
                yield level
        for name, key in (("database_specific", "severity"), ("ecosystem_specific", "urgency")):
            specific = place.get(name)
            if isinstance(specific, dict) and (level := Severity.of(specific.get(key))) is not None:
                yield level


def _of_vector(vector: str) -> Severity | None:
    """The base severity of a CVSS vector of version 2, 3.x or 4.0; None if it is none."""
    from cvss import CVSS2, CVSS3, CVSS4
    from cvss.exceptions import CVSSError

    if len(vector) > 500:
        return None
    try:
        if vector.startswith("CVSS:4"):
            return Severity.of(CVSS4(vector).severity)
        if vector.startswith("CVSS:3"):
            return Severity.of(CVSS3(vector).severities()[0])
        return Severity.of(CVSS2(vector).severities()[0])
    except CVSSError:
        return None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
