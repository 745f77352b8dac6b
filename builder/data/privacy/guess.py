"""Guessing what a column holds about people, by its name and by some of its values. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from builder.data.privacy.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Guess:
    """What a column seems to hold."""

    classification: str
    """`confidential` or `restricted`."""
    reason: str
    """Why, without any value."""
    kind: str
    """One of `kinds.KINDS`: `email`, `national-number` …"""


def guess(name: str, values: Sequence[object]) -> Guess | None:
    """What a column holds about people; None if nothing speaks for it. Some hundred values are enough."""
    evidence = Evidence(name)
    evidence.add(values, range(1, len(values) + 1))
    found = evidence.findings()
    return Guess(found[0].classification, found[0].reason, found[0].kind) if found else None
