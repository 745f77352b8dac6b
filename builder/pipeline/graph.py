"""Which stage must wait for which: by paths alone, in whatever order stages are declared. Pure.

A stage waits for those that write what it reads: the same path, a folder that is above it, or something below it.
"""

from __future__ import annotations

import bisect
import heapq
import posixpath
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

Needs = Mapping[str, Sequence[str]]
"""For each stage those that it waits for, sorted."""


@dataclass(frozen=True, slots=True)
class Node:
    """A stage, seen from the graph."""

    name: str
    inputs: tuple[str, ...]
    """Normal paths in the project."""
    outputs: tuple[str, ...]


class Places:
    """Paths with what they belong to, found by a path that they are equal to, above or below."""

    def __init__(self, owners: Iterable[tuple[str, str]]) -> None:
        """`owners` are pairs of a normal path and its owner. Of equal paths the first counts."""
        self._owners: dict[str, str] = {}
        for path, owner in owners:
            self._owners.setdefault(path, owner)
        self._sorted = sorted(f"{path}/" for path in self._owners)

    def __contains__(self, path: str) -> bool:
        return path in self._owners

    def __iter__(self) -> Iterator[str]:
        return iter(self._owners)

    def at_or_above(self, path: str) -> Iterator[tuple[str, str]]:
        """What is at the path, then what is above it, the nearest first."""
        for place in (path, *parents(path)):
            if place in self._owners:
                yield place, self._owners[place]

    def below(self, path: str) -> Iterator[tuple[str, str]]:
        """What is below the path, sorted."""
        prefix = "" if path == "." else f"{path}/"
        for place in self._sorted[bisect.bisect_left(self._sorted, prefix) :]:
            if not place.startswith(prefix):
                return
            if place != prefix:
                yield place[:-1], self._owners[place[:-1]]

    def touching(self, path: str) -> Iterator[tuple[str, str]]:
        """What is at the path, above or below it."""
        yield from self.at_or_above(path)
        yield from self.below(path)


def normal(path: str) -> str:
    """A path without empty and `.` parts, and without a slash at its end."""
    return posixpath.normpath(path)


def parents(path: str) -> Iterator[str]:
    """The folders above a normal path, the nearest first; the project's own is no part of it."""
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def find_needs(nodes: Sequence[Node]) -> dict[str, tuple[str, ...]]:
    """What each stage waits for; itself among them, where it reads what it writes."""
    outputs = Places((path, node.name) for node in nodes for path in node.outputs)
    return {
        node.name: tuple(sorted({owner for path in node.inputs for _, owner in outputs.touching(path)}))
        for node in sorted(nodes, key=lambda node: node.name)
    }


def order_of(needs: Needs) -> tuple[str, ...]:
    """The stages, each behind those that it waits for; of those that may come next, the first by name does.

    Raises: ValueError, if they wait for each other.
    """
    waiting = {name: len(set(needed)) for name, needed in needs.items()}
    followers: dict[str, list[str]] = {name: [] for name in needs}
    for name, needed in needs.items():
        for one in set(needed):
            followers[one].append(name)
    ready = sorted(name for name, count in waiting.items() if not count)
    ordered = []
    while ready:
        name = heapq.heappop(ready)
        ordered.append(name)
        for follower in followers[name]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, follower)
    if len(ordered) < len(needs):
        raise ValueError("they wait for each other")
    return tuple(ordered)


def find_cycle(needs: Needs) -> tuple[str, ...] | None:
    """A way round, such that each waits for the next and the last for the first; None where there is none."""
    done: set[str] = set()
    for start in sorted(needs):
        way: list[str] = []
        turns = [iter((start,))]
        while turns:
            name = next(turns[-1], None)
            if name is None:
                turns.pop()
                if way:
                    done.add(way.pop())
            elif name in way:
                return tuple(way[way.index(name) :])
            elif name not in done:
                way.append(name)
                turns.append(iter(needs[name]))
    return None


def with_needed(names: Collection[str], needs: Needs) -> frozenset[str]:
    """These stages and all that they wait for, also by way of others."""
    found: set[str] = set()
    left = list(names)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += needs[name]
    return frozenset(found)
