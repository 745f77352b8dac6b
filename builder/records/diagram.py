"""A picture of a bundle as SVG: data, commands and what comes of them, and the layers of the image. Pure.

One file without scripts, fonts or links, readable on light and dark; equal bundles have equal pictures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from builder.records.record import Record

DIAGRAM_FILE = "diagram.svg"
_WIDTH, _HEIGHT, _GAP, _MARGIN = 220, 46, 18, 24
"""Of a box, between two of them, and around all, in pixels."""
_COLUMNS = (_MARGIN, _MARGIN + 300, _MARGIN + 600)
_TOTAL = _COLUMNS[2] + _WIDTH + _MARGIN
_LETTERS = 29, 108
"""That fit into a box, and into a layer."""
_STYLE = """
  text { font: 12px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #1f2328 }
  .note { font-size: 11px; fill: #59636e }
  .head { font-weight: 600 }
  rect { fill: #f6f8fa; stroke: #8c959f; rx: 6px }
  .data rect { fill: #ddf4ff; stroke: #54aeff }
  .command rect { fill: #fff8c5; stroke: #d4a72c }
  .result rect { fill: #dafbe1; stroke: #4ac26b }
  path { fill: none; stroke: #59636e; stroke-width: 1.5 }
  marker path { fill: #59636e; stroke: none }
  .ground { fill: #ffffff; stroke: none }
  @media (prefers-color-scheme: dark) {
    text { fill: #f0f6fc }
    .note { fill: #9198a1 }
    rect { fill: #151b23; stroke: #656c76 }
    .data rect { fill: #0c2d6b; stroke: #1f6feb }
    .command rect { fill: #341a00; stroke: #9e6a03 }
    .result rect { fill: #033a16; stroke: #238636 }
    path { stroke: #9198a1 }
    marker path { fill: #9198a1 }
    .ground { fill: #0d1117 }
  }
"""


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


@dataclass(frozen=True, slots=True)
class _Box:
    kind: str
    name: str
    note: str
    left: int
    top: int

    @property
    def middle(self) -> int:
        return self.top + _HEIGHT // 2


def diagram(flow: Flow) -> Record:
    """The picture as a record."""
    top = _MARGIN + 36
    sources = _column("data", flow.sources, 0, top)
    steps = _column("command", [(step.name, step.note) for step in flow.steps], 1, top)
    given = list(dict.fromkeys(name for step in flow.steps for name in step.gives))
    results = _column("result", [(name, "") for name in given], 2, top)
    below = top + max(1, len(sources), len(steps), len(results)) * (_HEIGHT + _GAP) + _GAP
    height = below + len(flow.layers) * (_HEIGHT - 12) + _MARGIN
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_TOTAL} {height}" width="{_TOTAL}" '
            f'height="{height}" role="img" aria-label="{_text(flow.title, 200, quoted=True)}">'
        ),
        f"<title>{_text(flow.title, 200)}</title>",
        f"<style>{_STYLE}</style>",
        (
            '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>'
        ),
        f'<rect class="ground" width="{_TOTAL}" height="{height}"/>',
        f'<text class="head" x="{_MARGIN}" y="{_MARGIN + 12}">{_text(flow.title, _LETTERS[1])}</text>',
        *_arrows(flow, sources, steps, results),
        *(line for box in (*sources, *steps, *results) for line in _drawn(box)),
        *_stack(flow.layers, below),
        "</svg>",
    ]
    return Record(DIAGRAM_FILE, "diagram", "image/svg+xml", ("\n".join(lines) + "\n").encode())


def _column(kind: str, named: Sequence[tuple[str, str]], column: int, top: int) -> list[_Box]:
    return [
        _Box(kind, name, note, _COLUMNS[column], top + number * (_HEIGHT + _GAP))
        for number, (name, note) in enumerate(named)
    ]


def _arrows(flow: Flow, sources: Sequence[_Box], steps: Sequence[_Box], results: Sequence[_Box]) -> Iterator[str]:
    from_name = {box.name: box for box in sources}
    to_name = {box.name: box for box in results}
    for step, box in zip(flow.steps, steps, strict=True):
        pairs = [(from_name[name], box) for name in step.reads if name in from_name]
        for start, end in [*pairs, *((box, to_name[name]) for name in step.gives)]:
            left, right = start.left + _WIDTH, end.left - 2
            bend = (left + right) // 2
            yield (
                f'<path d="M{left} {start.middle}C{bend} {start.middle} {bend} {end.middle} {right} {end.middle}"'
                ' marker-end="url(#end)"/>'
            )


def _drawn(box: _Box) -> Iterator[str]:
    yield f'<g class="{box.kind}"><rect x="{box.left}" y="{box.top}" width="{_WIDTH}" height="{_HEIGHT}"/>'
    middle = box.middle + (4 if not box.note else -3)
    yield f'<text class="head" x="{box.left + 10}" y="{middle}">{_text(box.name, _LETTERS[0])}</text>'
    if box.note:
        yield f'<text class="note" x="{box.left + 10}" y="{box.middle + 13}">{_text(box.note, _LETTERS[0] + 2)}</text>'
    yield "</g>"


def _stack(layers: Sequence[tuple[str, str]], top: int) -> Iterator[str]:
    """The layers, the highest first, as they lie on each other."""
    height = _HEIGHT - 14
    for number, (name, note) in enumerate(reversed(layers)):
        line = top + number * (_HEIGHT - 12)
        yield f'<rect x="{_MARGIN}" y="{line}" width="{_TOTAL - 2 * _MARGIN}" height="{height}"/>'
        yield f'<text class="head" x="{_MARGIN + 10}" y="{line + 20}">{_text(name, 14)}</text>'
        yield f'<text class="note" x="{_MARGIN + 120}" y="{line + 20}">{_text(note, _LETTERS[1])}</text>'


def _text(text: str, longest: int, *, quoted: bool = False) -> str:
    """Text for XML: one line, no longer than it fits, without characters that XML has no place for."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    short = line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
    text = escape(short, quote=False)
    return text.replace('"', "&quot;") if quoted else text
