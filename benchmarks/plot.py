"""Plots as SVG, small and always the same bytes for the same numbers: bars on a logarithmic scale, and lines."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape
from itertools import pairwise

from cases_interface import Point

_COLOURS = ("#0b7a75", "#d1495b", "#edae49", "#8d6a9f", "#66717e", "#30638e")
_WIDTH, _LEFT, _BAR = 860, 250, 18
_HEIGHT, _MARGIN = 420, 60
_INK, _GRID = "#24292f", "#d0d7de"


def bars(title: str, points: Sequence[Point]) -> str:
    """Horizontal bars of seconds, a group for each case, from the shortest time that is worth a bar."""
    groups = _in_order(str(point.at) for point in points)
    low = min(point.value for point in points)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(max(point.value for point in points))) + 1)
    unit = (_WIDTH - _LEFT - 90) / (decades[-1] - decades[0])
    colours = _colours(points)
    drawn, top = [], 70
    for group in groups:
        drawn.append(_text(16, top + 13, group, weight="bold"))
        top += 24
        for point in [point for point in points if str(point.at) == group]:
            length = max((math.log10(point.value) - decades[0]) * unit, 2)
            drawn.append(_text(_LEFT - 8, top + 13, point.series, anchor="end"))
            drawn.append(
                f'<rect x="{_LEFT}" y="{top}" width="{length:.1f}" height="{_BAR - 4}" fill="{colours[point.series]}"/>'
            )
            drawn.append(_text(_LEFT + length + 6, top + 12, f"{point.value:.2f} s", size=11))
            top += _BAR
        top += 14
    grid = []
    for number, decade in enumerate(decades):
        grid += _rule(_LEFT + number * unit, 52, top, f"{10.0**decade:g} s")
    return _document(_WIDTH, top + 10, title, [*grid, *drawn])


def lines(title: str, points: Sequence[Point], unit: str) -> str:
    """Seconds over a size, a line for each series."""
    widest = max(float(point.at) for point in points)
    step = _step(max(point.value for point in points))
    highest = math.ceil(max(point.value for point in points) / step) * step
    right, bottom = _WIDTH - 190, _HEIGHT - _MARGIN

    def place(point: Point) -> tuple[float, float]:
        return (
            _MARGIN + float(point.at) / widest * (right - _MARGIN),
            bottom - point.value / highest * (bottom - _MARGIN),
        )

    drawn = []
    for number in range(round(highest / step) + 1):
        y = bottom - number * step / highest * (bottom - _MARGIN)
        drawn.append(f'<path d="M{_MARGIN} {y:.1f}H{right}" stroke="{_GRID}"/>')
        drawn.append(_text(_MARGIN - 8, y + 4, f"{number * step:g} s", anchor="end", size=11))
    for at in _in_order(str(point.at) for point in points):
        x = _MARGIN + float(at) / widest * (right - _MARGIN)
        drawn.append(_text(x, bottom + 18, at, anchor="middle", size=11))
    drawn.append(_text((_MARGIN + right) / 2, bottom + 40, unit, anchor="middle"))
    for series, colour in _colours(points).items():
        places = [place(point) for point in points if point.series == series]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        drawn.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        drawn += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places]
    ends = {point.series: place(point)[1] for point in points}
    drawn += _labels(ends, _colours(points), right)
    return _document(_WIDTH, _HEIGHT, title, drawn)


def _labels(ends: dict[str, float], colours: dict[str, str], right: int) -> list[str]:
    """The names of the series beside the ends of their lines, moved apart where they would touch."""
    names = sorted(ends, key=ends.__getitem__)
    heights = [ends[name] for name in names]
    for above, below in pairwise(range(len(heights))):
        heights[below] = max(heights[below], heights[above] + 16)
    return [_text(right + 10, y + 4, name, colour=colours[name]) for name, y in zip(names, heights, strict=True)]


def _step(highest: float) -> float:
    """A round distance of horizontal rules, of which there are four to ten."""
    power = 10.0 ** math.floor(math.log10(highest))
    return next(power * part for part in (0.1, 0.2, 0.25, 0.5, 1, 2) if highest / (power * part) <= 8)


def _colours(points: Iterable[Point]) -> dict[str, str]:
    names = _in_order(point.series for point in points)
    return {name: _COLOURS[number % len(_COLOURS)] for number, name in enumerate(names)}


def _in_order(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _rule(x: float, top: float, bottom: float, label: str) -> list[str]:
    return [
        f'<path d="M{x:.1f} {top}V{bottom}" stroke="{_GRID}"/>',
        _text(x, top - 4, label, anchor="middle", size=11),
    ]


def _text(
    x: float, y: float, text: str, anchor: str = "start", size: int = 13, weight: str = "normal", colour: str = _INK
) -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" font-weight="{weight}" fill="{colour}">{escape(text)}</text>'


def _document(width: int, height: int, title: str, drawn: Sequence[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" role="img">'
    )
    body = [f"<title>{escape(title)}</title>", f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            _text(16, 24, title, size=15, weight="bold"), *drawn]  # fmt: skip
    return "\n".join([head, *body, "</svg>", ""])
