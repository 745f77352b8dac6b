"""Things and how one comes from another, as pictures, Mermaid and trees draw them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["data", "command", "result", "image", "other"]
"""How it is coloured: what is read, what is run (a stage, a command), what was made, an image or a bundle, the rest."""


@dataclass(frozen=True, slots=True)
class Node:
    """Something that is drawn."""

    id: str
    """Unlike all others; not shown."""
    kind: Kind
    label: str
    note: str = ""
    owner: str = ""
    """Who answers for it."""
    marked: bool = False
    """Whether it is drawn as doubtful: stale, or changed by hand."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one node to another, by their ids."""

    start: str
    end: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """What is drawn. Edges of unknown nodes, of a node to itself and further ones between the same two are not."""

    title: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]

    def known_edges(self) -> tuple[Edge, ...]:
        """The edges that are drawn, each once, in order."""
        known = {node.id for node in self.nodes}
        first: dict[tuple[str, str], Edge] = {}
        for edge in self.edges:
            if edge.start in known and edge.end in known and edge.start != edge.end:
                first.setdefault((edge.start, edge.end), edge)
        return tuple(first.values())


def neighbours(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Sequence[str]]:
    """The second ones of each first one, in order."""
    result: dict[str, list[str]] = defaultdict(list)
    for first, second in pairs:
        result[first].append(second)
    return result


def without_cycles(nodes: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The pairs but those that lead back to where a walk from the first nodes came from: none is in a cycle."""
    after, state, back = neighbours(pairs), dict.fromkeys(nodes, 0), set()
    for root in nodes:
        if state[root]:
            continue
        state[root] = 1
        walk = [(root, iter(after.get(root, ())))]
        while walk:
            here, rest = walk[-1]
            for end in rest:
                if state[end] == 1:
                    back.add((here, end))
                elif state[end] == 0:
                    state[end] = 1
                    walk.append((end, iter(after.get(end, ()))))
                    break
            else:
                state[here] = 2
                walk.pop()
    return [pair for pair in pairs if pair not in back]


def layers(nodes: Sequence[str], pairs: Sequence[tuple[str, str]]) -> dict[str, int]:
    """How many steps the longest way to each node has; `pairs` have no cycle."""
    after = neighbours(pairs)
    waiting = dict.fromkeys(nodes, 0)
    for _, end in pairs:
        waiting[end] += 1
    result = dict.fromkeys(nodes, 0)
    ready = [node for node in nodes if not waiting[node]]
    for node in ready:  # grows while it is gone through
        for end in after.get(node, ()):
            result[end] = max(result[end], result[node] + 1)
            waiting[end] -= 1
            if not waiting[end]:
                ready.append(end)
    return result
