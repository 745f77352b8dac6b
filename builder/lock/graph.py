"""Which package is there for which other: walks over the edges that a lock keeps. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping


def reach(roots: Iterable[str], edges: Mapping[str, Iterable[str]]) -> set[str]:
    """All that the roots lead to, and themselves."""
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += edges.get(name, ())
    return reached
