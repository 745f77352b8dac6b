"""A picture of a bundle as SVG: data, commands and what comes of them, and the layers of the image. Pure.

One file without scripts, fonts or links, readable on light and dark; equal bundles have equal pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from builder.records.graph import Graph
from builder.records.graph_drawing import GRAPH_STYLE, draw
from builder.records.record import Record
from builder.records.svg import GAP, HEIGHT, MARGIN, MEDIA_TYPE, STYLE, WIDTH, Box, arrow, picture, text_of

DIAGRAM_FILE = "diagram.svg"
_COLUMNS = (MARGIN, MARGIN + 300, MARGIN + 600)
_TOTAL = _COLUMNS[2] + WIDTH + MARGIN
_LETTERS = 108
"""That fit into a layer."""


@dataclass(frozen=True, slots=True)
class Step:
    """A command."""

    name: str
    note: str
    """What it runs."""
    reads: tuple[str, ...] = ()
    """Names of sources."""
    gives: tuple[str, ...] = ()
    """What comes of it: an output's path, a port."""


@dataclass(frozen=True, slots=True)
class Flow:
    """What is drawn."""

    title: str
    sources: tuple[tuple[str, str], ...]
    """Data and model: a name and a note."""
    steps: tuple[Step, ...]
    layers: tuple[tuple[str, str], ...]
    """What the image is made of, the lowest first: a name and a note."""
    made: Graph | None = None
    """How the model was made."""


def diagram(flow: Flow) -> Record:
    """The picture as a record."""
    top = MARGIN + 36
    sources = _column("data", flow.sources, 0, top)
    steps = _column("command", [(step.name, step.note) for step in flow.steps], 1, top)
    given = list(dict.fromkeys(name for step in flow.steps for name in step.gives))
    results = _column("result", [(name, "") for name in given], 2, top)
    below = top + max(1, len(sources), len(steps), len(results)) * (HEIGHT + GAP) + GAP
    drawn = draw(flow.made, below + MARGIN) if flow.made else None
    stack = drawn.height + GAP if drawn else below
    height = stack + len(flow.layers) * (HEIGHT - 12) + MARGIN
    width = max(_TOTAL, drawn.width) if drawn else _TOTAL

    def elements() -> Iterator[str]:
        yield f'<text class="head" x="{MARGIN}" y="{MARGIN + 12}">{text_of(flow.title, _LETTERS)}</text>'
        yield from _arrows(flow, sources, steps, results)
        for box in (*sources, *steps, *results):
            yield from box.drawn()
        if flow.made and drawn:
            yield f'<text class="head" x="{MARGIN}" y="{below}">{text_of(flow.made.title, _LETTERS)}</text>'
            yield from drawn.elements
        yield from _stack(flow.layers, stack)

    style = STYLE + GRAPH_STYLE if drawn else STYLE
    return Record(DIAGRAM_FILE, "diagram", MEDIA_TYPE, picture(flow.title, width, height, elements(), style))


def _column(kind: str, named: Sequence[tuple[str, str]], column: int, top: int) -> list[Box]:
    return [
        Box(kind, name, (note,), _COLUMNS[column], top + number * (HEIGHT + GAP))
        for number, (name, note) in enumerate(named)
    ]


def _arrows(flow: Flow, sources: Sequence[Box], steps: Sequence[Box], results: Sequence[Box]) -> Iterator[str]:
    from_name = {box.name: box for box in sources}
    to_name = {box.name: box for box in results}
    for step, box in zip(flow.steps, steps, strict=True):
        yield from (arrow(from_name[name], box) for name in step.reads if name in from_name)
        yield from (arrow(box, to_name[name]) for name in step.gives)


def _stack(layers: Sequence[tuple[str, str]], top: int) -> Iterator[str]:
    """The layers, the highest first, as they lie on each other."""
    height = HEIGHT - 14
    for number, (name, note) in enumerate(reversed(layers)):
        line = top + number * (HEIGHT - 12)
        yield f'<rect x="{MARGIN}" y="{line}" width="{_TOTAL - 2 * MARGIN}" height="{height}"/>'
        yield f'<text class="head" x="{MARGIN + 10}" y="{line + 20}">{text_of(name, 14)}</text>'
        yield f'<text class="note" x="{MARGIN + 120}" y="{line + 20}">{text_of(note, _LETTERS)}</text>'
