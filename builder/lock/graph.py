"""Which package is there for which other: walks over the edges that a lock keeps. Pure.

A graph is its edges: of each name, the names that it needs. No walk recurses, as chains may be longer than the stack.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Literal

Edges = Mapping[str, Iterable[str]]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a tree."""

    name: str
    last: tuple[bool, ...]
    """Whether it, and each of those above it, is the last of its siblings; the topmost first."""
    mark: Literal["", "repeated", "cycle"]
    """`repeated`: what it needs stands further up; `cycle`: it stands above itself."""


@dataclass(frozen=True, slots=True)
class Chains:
    """The shortest ways from one root to a package."""

    shown: tuple[tuple[str, ...], ...]
    """Each from the root to the package, both included; sorted."""
    more: int
    """How many others of this length there are."""


def reach(roots: Iterable[str], edges: Edges) -> set[str]:
    """All that the roots lead to, and themselves."""
    reached: set[str] = set()
    waiting = list(roots)
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += edges.get(name, ())
    return reached


def tops(names: Iterable[str], edges: Edges) -> set[str]:
    """As few of these names as reach all of them: those that no other needs, and one of each circle that is left."""
    wanted = set(names)
    candidates: list[str] = []
    reached: set[str] = set()
    for name in sorted(wanted):
        if name not in reached:
            candidates.append(name)
            reached |= reach([name], edges)
    found: set[str] = set()
    reached.clear()
    for name in reversed(candidates):  # what reaches an earlier candidate is a later one
        if name not in reached:
            found.add(name)
            reached |= reach([name], edges)
    return found


def inverted(edges: Edges) -> dict[str, tuple[str, ...]]:
    """Of each name, the names that need it; sorted."""
    result: dict[str, list[str]] = {name: [] for name in edges}
    for name in sorted(edges):
        for other in edges[name]:
            result.setdefault(other, []).append(name)
    return {name: tuple(others) for name, others in result.items()}


def tree(roots: Iterable[str], edges: Edges, depth: int | None = None) -> Iterator[Row]:
    """The rows of a tree, depth first by name, `depth` levels below the roots; what stood before is not expanded."""
    expanded: dict[str, int] = {}
    path: list[str] = []
    last: list[bool] = []
    levels = [_with_last(roots)]
    while levels:
        step = next(levels[-1], None)
        if step is None:
            levels.pop()
            del path[-1:], last[-1:]
            continue
        name, is_last = step
        level, needs = len(path), {*edges.get(name, ())}
        before = expanded.get(name)
        repeated = before is not None and (depth is None or before <= level)  # else more of it can be shown here
        mark: Literal["", "repeated", "cycle"] = "cycle" if name in path else "repeated" if repeated else ""
        yield Row(name, (*last, is_last), mark)
        if not mark and needs and (depth is None or level < depth):
            expanded[name] = level
            path.append(name)
            last.append(is_last)
            levels.append(_with_last(needs))


def chains(roots: Iterable[str], edges: Edges, target: str, limit: int) -> dict[str, Chains]:
    """Of each root that leads to `target` the shortest chains to it, at most `limit` of them."""
    distances = _distances(inverted(edges), target)
    ways = {target: 1}
    for name in sorted(distances, key=lambda name: distances[name])[1:]:
        ways[name] = sum(ways[other] for other in _nearer(name, edges, distances))
    found = {}
    for root in sorted({*roots} & distances.keys()):
        shown = tuple(islice(_paths(root, edges, distances), limit))
        found[root] = Chains(shown, ways[root] - len(shown))
    return found


def _with_last(names: Iterable[str]) -> Iterator[tuple[str, bool]]:
    ordered = sorted(names)
    return ((name, number == len(ordered) - 1) for number, name in enumerate(ordered))


def _distances(edges: Edges, start: str) -> dict[str, int]:
    distances = {start: 0}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for other in edges.get(name, ()):
            if other not in distances:
                distances[other] = distances[name] + 1
                waiting.append(other)
    return distances


def _nearer(name: str, edges: Edges, distances: Mapping[str, int]) -> list[str]:
    wanted = distances[name] - 1
    return sorted({other for other in edges.get(name, ()) if distances.get(other) == wanted})


def _paths(root: str, edges: Edges, distances: Mapping[str, int]) -> Iterator[tuple[str, ...]]:
    path: list[str] = []
    levels = [iter([root])]
    while levels:
        name = next(levels[-1], None)
        if name is None:
            levels.pop()
            del path[-1:]
        elif distances[name] == 0:
            yield (*path, name)
        else:
            path.append(name)
            levels.append(iter(_nearer(name, edges, distances)))
