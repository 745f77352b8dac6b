"""A graph as SVG, from left to right: in columns by the longest way to a node, with few crossings. Pure.

The method is that of Sugiyama: layers, then the order in each by the mean place of the neighbours, then places. Ways
over several columns are led between the boxes there.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder.records import svg
from builder.records.graph import Edge, Graph, layers, neighbours, without_cycles

_COLUMN = svg.WIDTH + 80
_LANE = 10
"""The height of a way that is led past boxes."""
_SWEEPS = 6
_MOST_LANES = 4000
"""More ways past boxes than these are drawn straight, beneath the boxes."""
_TOP = svg.MARGIN + 36
GRAPH_STYLE = """
  .image rect { fill: #fbefff; stroke: #c297ff }
  .marked rect { stroke-dasharray: 5 3; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) { .image rect { fill: #3c1e70; stroke: #8957e5 } }
"""

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A graph with the places of its boxes."""

    elements: tuple[str, ...]
    width: int
    height: int


def graph_svg(graph: Graph) -> bytes:
    """The picture as a file."""
    drawn = draw(graph, _TOP)
    title = f'<text class="head" x="{svg.MARGIN}" y="{svg.MARGIN + 12}">{svg.text_of(graph.title, svg.LETTERS)}</text>'
    return svg.picture(graph.title, drawn.width, drawn.height, iter((title, *drawn.elements)), svg.STYLE + GRAPH_STYLE)


def draw(graph: Graph, top: int) -> Drawn:
    """The graph as elements of a picture, below `top`. `height` is from the picture's top to below the graph."""
    layout = _Layout(graph)
    tall = svg.HEIGHT + 16 if any(node.owner for node in graph.nodes) else svg.HEIGHT
    middles = layout.middles(tall)
    lowest = min(middles.values(), default=0) - tall // 2
    places = {one: middle - lowest + top for one, middle in middles.items()}
    boxes = {
        node.id: svg.Box(
            f"{node.kind} marked" if node.marked else node.kind, node.label, (node.note, node.owner),
            svg.MARGIN + layout.column[node.id] * _COLUMN, places[node.id] - tall // 2, tall,
        )
        for node in graph.nodes
    }  # fmt: skip
    ways = [line for edge in graph.known_edges() for line in _way(edge, layout, boxes, places)]
    width = (max(layout.column.values(), default=0) * _COLUMN) + svg.WIDTH + 2 * svg.MARGIN
    height = max(places.values(), default=top) + tall // 2 + svg.MARGIN
    return Drawn((*ways, *(line for box in boxes.values() for line in box.drawn())), width, height)


def _way(edge: Edge, layout: _Layout, boxes: Mapping[str, svg.Box], places: Mapping[str, int]) -> Iterator[str]:
    """An arrow, past the boxes of the columns between; the ones of a node share their beginning."""
    start, end = boxes[edge.start], boxes[edge.end]
    here = start.left + svg.WIDTH, start.middle
    parts = []
    for lane in layout.lanes_of(edge):
        left = svg.MARGIN + layout.column[lane] * _COLUMN
        parts.append(f"{_curve(here, (left, places[lane]))}H{left + svg.WIDTH}")
        here = left + svg.WIDTH, places[lane]
    parts.append(_curve(here, (end.left - 2, end.middle)))
    yield f'<path d="M{start.left + svg.WIDTH} {start.middle}{"".join(parts)}" marker-end="url(#end)"/>'
    if edge.label:
        text = svg.text_of(edge.label, 12)
        yield f'<text class="note" x="{end.left - 6}" y="{end.middle - 6}" text-anchor="end">{text}</text>'


def _curve(here: tuple[int, int], there: tuple[int, int]) -> str:
    bend = (here[0] + there[0]) // 2
    return f"C{bend} {here[1]} {bend} {there[1]} {there[0]} {there[1]}"


class _Layout:
    """In which column each node is, and in which order there; ways past boxes are lanes, which have places too."""

    def __init__(self, graph: Graph) -> None:
        nodes = [node.id for node in graph.nodes]
        every = [(edge.start, edge.end) for edge in graph.known_edges()]
        onward = without_cycles(nodes, every)
        self.column = layers(nodes, onward)
        self._boxes = frozenset(nodes)
        self._lanes: dict[str, dict[int, str]] = {}
        self._links = list(self._laid(nodes, onward))
        self._order = _ordered(self.column, self._links)

    def _laid(self, nodes: Sequence[str], onward: Sequence[Pair]) -> Iterator[Pair]:
        """The ways as links from one column to the next; the ways of one node share their lanes."""
        ends = neighbours(onward)
        last = {one: max(self.column[end] for end in ends[one]) for one in nodes if one in ends}
        count = sum(last[one] - self.column[one] - 1 for one in last)
        for start in last:
            here = start
            lanes: dict[int, str] = {}
            for column in range(self.column[start] + 1, last[start] if count <= _MOST_LANES else 0):
                lanes[column] = f"{start}\0{column}"
                self.column[lanes[column]] = column
                yield here, lanes[column]
                here = lanes[column]
            self._lanes[start] = lanes
            for end in ends[start]:
                yield lanes.get(self.column[end] - 1, start), end

    def lanes_of(self, edge: Edge) -> list[str]:
        """The lanes that a way is led by."""
        lanes = self._lanes.get(edge.start, {})
        return [lanes[column] for column in sorted(lanes) if column < self.column[edge.end]]

    def middles(self, tall: int) -> dict[str, int]:
        """How far down the middle of each is: near its neighbours, in order, none above another."""
        result: dict[str, int] = {}
        for column in self._order:
            place = 0
            for one in column:
                height = self._height(one, tall)
                result[one] = place + height // 2
                place += height + svg.GAP
            shift = place // 2
            for one in column:
                result[one] -= shift
        before, after = neighbours((end, start) for start, end in self._links), neighbours(self._links)
        for near, columns in ((before, self._order), (after, self._order[::-1]), (before, self._order)):
            for column in columns:
                self._settle(column, near, result, tall)
        return result

    def _settle(
        self, column: Sequence[str], near: Mapping[str, Sequence[str]], result: dict[str, int], tall: int
    ) -> None:
        """Move what is in a column towards its neighbours: as far down as they are, then back up as a whole."""
        wished = [_mean([result[each] for each in near.get(one, ())], result[one]) for one in column]
        floor, placed = None, []
        for one, wish in zip(column, wished, strict=True):
            half = self._height(one, tall) // 2
            middle = wish if floor is None else max(wish, floor + half)
            placed.append(middle)
            floor = middle + half + svg.GAP
        excess = sum(middle - wish for middle, wish in zip(placed, wished, strict=True)) // max(1, len(column))
        for one, middle in zip(column, placed, strict=True):
            result[one] = middle - excess

    def _height(self, one: str, tall: int) -> int:
        return tall if one in self._boxes else _LANE


def _ordered(columns: Mapping[str, int], links: Sequence[Pair]) -> list[list[str]]:
    """What is in each column, in the order with the fewest crossings of those that were tried."""
    order: list[list[str]] = [[] for _ in range(max(columns.values(), default=-1) + 1)]
    for one, number in columns.items():
        order[number].append(one)
    before, after = neighbours((end, start) for start, end in links), neighbours(links)
    best, fewest = [*map(list, order)], _crossings(order, after)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        near, walk = (after, order[::-1]) if sweep % 2 else (before, order)
        place: dict[str, float] = {one: index for each in order for index, one in enumerate(each)}
        for column in walk:
            means = {one: _barycenter([place[each] for each in near.get(one, ())], place[one]) for one in column}
            column.sort(key=means.__getitem__)
            place.update({one: index for index, one in enumerate(column)})
        found = _crossings(order, after)
        if found < fewest:
            best, fewest = [*map(list, order)], found
    return best


def _barycenter(places: Sequence[float], otherwise: float) -> float:
    return sum(places) / len(places) if places else otherwise


def _mean(places: Sequence[int], otherwise: int) -> int:
    return sum(places) // len(places) if places else otherwise


def _crossings(order: Sequence[Sequence[str]], after: Mapping[str, Sequence[str]]) -> int:
    """How many pairs of links cross: inversions, counted by a tree of sums."""
    total = 0
    for left, right in itertools.pairwise(order):
        place = {one: index for index, one in enumerate(right)}
        ends = [each for one in left for each in sorted(place[end] for end in after.get(one, ()) if end in place)]
        sums = [0] * (len(right) + 1)
        for seen, end in enumerate(ends):
            total += seen - _below(sums, end + 1)
            index = end + 1
            while index <= len(right):
                sums[index] += 1
                index += index & -index
    return total


def _below(sums: Sequence[int], index: int) -> int:
    count = 0
    while index:
        count += sums[index]
        index -= index & -index
    return count
