"""Parts of pictures as SVG: boxes, arrows, a ground, text that stays text. Pure.

A picture is one file without scripts, fonts or links, readable on light and dark; equal pictures have equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from builder.errors import one_line

MEDIA_TYPE = "image/svg+xml"
WIDTH, HEIGHT, GAP, MARGIN = 220, 46, 18, 24
"""Of a box, between two of them, and around all, in pixels."""
LETTERS = 29
"""That fit into a box."""
STYLE = """
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
_LONGEST = 200
"""Letters of a title."""


@dataclass(frozen=True, slots=True)
class Box:
    """Something with a name, as a rectangle."""

    kind: str
    """The class that colours it."""
    name: str
    notes: tuple[str, ...]
    """The lines below the name."""
    left: int
    top: int
    height: int = HEIGHT

    @property
    def middle(self) -> int:
        """Where arrows begin and end, from above."""
        return self.top + self.height // 2

    def drawn(self) -> Iterator[str]:
        """Its elements."""
        yield f'<g class="{self.kind}"><rect x="{self.left}" y="{self.top}" width="{WIDTH}" height="{self.height}"/>'
        notes = [note for note in self.notes if note]
        line = self.middle + 4 - 7 * len(notes)
        yield f'<text class="head" x="{self.left + 10}" y="{line}">{text_of(self.name, LETTERS)}</text>'
        for number, note in enumerate(notes):
            line = self.middle + 13 + 16 * number - 8 * (len(notes) - 1)
            yield f'<text class="note" x="{self.left + 10}" y="{line}">{text_of(note, LETTERS + 2)}</text>'
        yield "</g>"


def picture(title: str, width: int, height: int, elements: Iterator[str], style: str = STYLE) -> bytes:
    """The file: `elements` on a ground, with a title that is read aloud."""
    lines = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
            f'height="{height}" role="img" aria-label="{text_of(title, _LONGEST, quoted=True)}">'
        ),
        f"<title>{text_of(title, _LONGEST)}</title>",
        f"<style>{style}</style>",
        (
            '<defs><marker id="end" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
            '<path d="M0 0L8 4L0 8z"/></marker></defs>'
        ),
        f'<rect class="ground" width="{width}" height="{height}"/>',
        *elements,
        "</svg>",
    ]
    return ("\n".join(lines) + "\n").encode()


def arrow(start: Box, end: Box) -> str:
    """A curve from the right side of one box to the left side of another."""
    left, right = start.left + WIDTH, end.left - 2
    bend = (left + right) // 2
    return (
        f'<path d="M{left} {start.middle}C{bend} {start.middle} {bend} {end.middle} {right} {end.middle}"'
        ' marker-end="url(#end)"/>'
    )


def text_of(text: str, longest: int, *, quoted: bool = False) -> str:
    """Text for XML: one line, no longer than it fits, without characters that XML has no place for."""
    line = " ".join(one_line(text).split())
    short = line if len(line) <= longest else line[: longest - 1].rstrip() + "…"
    text = escape(short, quote=False)
    return text.replace('"', "&quot;") if quoted else text
