"""What a file of the corpus is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Planted:
    kind: str
    """`secrets`, `notebooks`, `files`, `pickles`, `personal data`."""
    path: str
    data: bytes
    rule: str = ""
    """The one that must find it; empty where nothing may be found."""
    role: str = "code"
    secret: str = ""
    """What no output may have."""
