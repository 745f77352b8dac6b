"""A comparison as one page, with a plot of each column that has one. Pure, apart from the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from builder.data.drift.compare import Compared
from builder.data.drift.judge import category_counts
from builder.data.drift.outcome import METRICS
from builder.data.drift.seen import Seen
from builder.data.profile.document import ColumnProfile, Histogram
from builder.resources import templates_folder

_WIDTH, _HEIGHT = 480, 120
_MOST_BARS = 20


@dataclass(frozen=True, slots=True)
class Plot:
    """Shares of values on both sides: as areas over an axis, or as bars by category."""

    areas: tuple[str, ...] = ()
    """Points of a polygon, of the reference and of the new data."""
    ends: tuple[str, ...] = ()
    """What is written at the left and the right."""
    bars: tuple[tuple[str, float, float], ...] = ()
    """Category, and percent on both sides."""


def page(compared: Compared) -> str:
    """The page."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_folder()),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    drift = compared.drift
    columns = [
        (each, [one for one in drift.measures if one.column == each.name], _plot(each, compared.seen.get(each.name)))
        for each in compared.reference.columns
    ]
    values = {
        "drift": drift,
        "columns": sorted(columns, key=lambda each: not any(one.state == "violated" for one in each[1])),
        "whole": [each for each in drift.measures if not each.column],
        "metrics": METRICS,
        "width": _WIDTH,
        "height": _HEIGHT,
    }
    return environment.get_template("data/drift.html.j2").render(values)


def _plot(column: ColumnProfile, seen: Seen | None) -> Plot | None:
    if seen is None or seen.kind != column.kind:
        return None
    if column.categories and seen.values and column.values:
        return _bars(column, seen)
    before, now = (column.plot, seen.plot) if column.plot and seen.plot else (column.bins, seen.bins)
    return _areas(column, before, now) if before and now else None


def _bars(column: ColumnProfile, seen: Seen) -> Plot:
    before, now = category_counts(column, seen)
    names = [each.value for each in column.categories]
    shown = [
        (name[:60], 100 * one / column.values, 100 * two / seen.values)
        for name, one, two in zip(names[:_MOST_BARS], before, now, strict=False)
    ]
    ends = (sum(each[1] for each in shown), sum(each[2] for each in shown))
    if min(ends) < 99.95:
        shown.append(("all others", 100 - ends[0], 100 - ends[1]))
    return Plot(bars=tuple(shown))


def _areas(column: ColumnProfile, before: Histogram, now: Histogram) -> Plot | None:
    least = min(before.edges[0], now.edges[0])
    greatest = max(before.edges[-1], now.edges[-1])
    if least >= greatest:
        return None
    densities = [_densities(each) for each in (before, now)]
    top = max((height for steps in densities for _, _, height in steps), default=0.0)
    if top <= 0:
        return None
    areas = tuple(_points(steps, least, greatest, top) for steps in densities)
    return Plot(areas, (column.shown(least), column.shown(greatest)))


def _densities(histogram: Histogram) -> list[tuple[float, float, float]]:
    """Left, right and height of each bin with two ends; what lies below the first edge is drawn in the next bin."""
    total = sum(histogram.counts) or 1
    counts = list(histogram.counts[1:-1])
    if counts and histogram.on_edge == ():
        counts[0] += histogram.counts[0]
    return [
        (left, right, count / total / (right - left))
        for (left, right), count in zip(pairwise(histogram.edges), counts, strict=True)
    ]


def _points(steps: Sequence[tuple[float, float, float]], least: float, greatest: float, top: float) -> str:
    """The polygon below a step function."""
    corners = [(steps[0][0], 0.0)] if steps else []
    for left, right, height in steps:
        corners += [(left, height), (right, height)]
    corners += [(corners[-1][0], 0.0)] if corners else []
    scale = _WIDTH / (greatest - least)
    return " ".join(f"{(x - least) * scale:.1f},{_HEIGHT * (1 - y / top):.1f}" for x, y in corners)
