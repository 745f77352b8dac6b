"""A graph as text: as Mermaid, which GitHub and others draw, and as a tree for a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from builder.records.graph import Graph, Node, neighbours
from builder.records.markdown import mermaid

_SHAPES = {"data": ('[("', '")]'), "command": ('(["', '"])'), "image": ('[["', '"]]')}
_COLOURS = {
    "data": "fill:#ddf4ff,stroke:#54aeff,color:#1f2328",
    "command": "fill:#fff8c5,stroke:#d4a72c,color:#1f2328",
    "result": "fill:#dafbe1,stroke:#4ac26b,color:#1f2328",
    "image": "fill:#fbefff,stroke:#c297ff,color:#1f2328",
    "other": "fill:#f6f8fa,stroke:#8c959f,color:#1f2328",
    "marked": "stroke-dasharray:5 3",
}
_DEEPEST = 200
"""Steps that a tree goes down at most."""


def graph_mermaid(graph: Graph) -> str:
    """The graph as a flow chart, from left to right."""
    number = {node.id: f"n{index}" for index, node in enumerate(graph.nodes, 1)}
    lines = ["flowchart LR"]
    for node in graph.nodes:
        begin, end = _SHAPES.get(node.kind, ('["', '"]'))
        text = "<br>".join(mermaid(part[:200]) for part in (node.label, node.note, node.owner) if part)
        marked = "marked" if node.marked else ""
        lines.append(f"  {number[node.id]}{begin}{text}{end}:::{node.kind}{marked}")
    for edge in graph.known_edges():
        label = f'-- "{mermaid(edge.label[:200])}" ' if edge.label else ""
        lines.append(f"  {number[edge.start]} {label}--> {number[edge.end]}")
    for kind in sorted({(node.kind, node.marked) for node in graph.nodes}):
        dashed = f",{_COLOURS['marked']}" if kind[1] else ""
        lines.append(f"  classDef {kind[0]}{'marked' if kind[1] else ''} {_COLOURS[kind[0]]}{dashed}")
    return "\n".join(lines) + "\n"


def graph_tree(graph: Graph, roots: Sequence[str] | None = None, *, backward: bool = False) -> Iterator[str]:
    """Lines of a tree from the roots along the ways, or back along them; what was shown before is only named.

    Without `roots`, from every node that no way leads to, and from one of each cycle.
    """
    edges = graph.known_edges()
    pairs = [(edge.end, edge.start) if backward else (edge.start, edge.end) for edge in edges]
    below, nodes = neighbours(pairs), {node.id: node for node in graph.nodes}
    led_to = {end for _, end in pairs}
    begin = [node.id for node in graph.nodes if node.id not in led_to] if roots is None else list(roots)
    shown: set[str] = set()
    for root in [*begin, *(nodes if roots is None else ())]:
        if root not in shown:
            yield from _branch(root, nodes, below, shown)


def _branch(root: str, nodes: Mapping[str, Node], below: Mapping[str, Sequence[str]], shown: set[str]) -> Iterator[str]:
    """A node and all below it, each with what leads to it; without recursion, for ways may be long."""
    waiting: list[tuple[str, str, str]] = [(root, "", "")]
    while waiting:
        one, lead, indent = waiting.pop()
        children = below.get(one, ())
        again = one in shown and bool(children)
        deep = len(indent) >= 3 * _DEEPEST and bool(children)
        yield f"{lead}{line_of(nodes[one])}{' (see above)' if again else ' …' if deep else ''}"
        if one in shown or deep:
            continue
        shown.add(one)
        for index in range(len(children) - 1, -1, -1):
            last = index == len(children) - 1
            lead_of, indent_of = ("└─ ", "   ") if last else ("├─ ", "│  ")
            waiting.append((children[index], indent + lead_of, indent + indent_of))


def line_of(node: Node) -> str:
    """A node in one line."""
    notes = ", ".join(part for part in (node.note, node.owner) if part)
    return " ".join(f"{node.label}{f' ({notes})' if notes else ''}".split())
