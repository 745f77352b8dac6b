"""Columns of numbers, dates and times: where their bins end, and what they hold.

A sum of floats depends on the order of the rows, and that on the threads. So values are counted, and summed as whole
numbers: every figure is the same however many threads there are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from builder.data.profile import bins as binned
from builder.data.profile import questions
from builder.data.profile.asked import Asked
from builder.data.profile.document import QUANTILES, ColumnProfile, Histogram
from builder.data.tables import Column

FEW_ROWS = 500_000
"""Of which quantiles and distinct values are counted exactly."""
_MOST_VALUES = 4_000_000
"""That are held in memory to do so."""
_FEW_VALUES = 1_000
"""Distinct values that are counted exactly, however many rows there are."""
_COUNTED_TOGETHER = 16
"""Columns whose few values are counted in one query."""
_PLOTTED = 32
_DIGITS = 12
_FEWER_DIGITS = 9
"""Of a deviation, and of what a confidential column has in the mean: three."""


@dataclass(frozen=True, slots=True)
class _Series:
    """A column that is being described."""

    column: Column
    made: ColumnProfile

    @property
    def value(self) -> str:
        return questions.number(self.column)

    @property
    def whole(self) -> bool:
        return questions.is_whole(self.column.type)

    @property
    def ends(self) -> tuple[float, float]:
        return self.made.minimum or 0.0, self.made.maximum or 0.0

    @property
    def scales(self) -> tuple[float, float]:
        return questions.scales(*self.ends)

    def first_edges(self) -> tuple[float, ...]:
        """Those of the plot are among them."""
        return tuple(sorted({*binned.coarse_edges(*self.ends, whole=self.whole), *self.plot_edges()}))

    def plot_edges(self) -> tuple[float, ...]:
        return () if self.made.confidential else binned.equal_edges(*self.ends, _PLOTTED, whole=self.whole)


@dataclass(frozen=True, slots=True)
class _Look:
    """Where the bins of a column are to end, and what was counted on the way."""

    edges: tuple[float, ...]
    quantiles: tuple[float, ...]
    distinct: int | None
    """None if they were not counted."""
    bins: Histogram | None = None
    plot: Histogram | None = None


def with_numbers(
    asked: Asked, columns: Sequence[Column], made: Sequence[ColumnProfile], bins: int
) -> list[ColumnProfile]:
    """The profiles of columns that have a least and a greatest value, with what numbers have. Raises: QueryError."""
    series = [_Series(column, each) for column, each in zip(columns, made, strict=True)]
    wanted = binned.shares(bins)
    looks = _exact_looks(asked, series, wanted) if asked.rows <= FEW_ROWS else _looks(asked, series, wanted)
    looks = [
        replace(look, edges=binned.round_edges(look.edges), bins=None) if each.made.confidential else look
        for each, look in zip(series, looks, strict=True)
    ]
    answers = asked.aggregates(
        [
            (
                *questions.moments(each.value, each.ends[0], *each.scales),
                "NULL" if look.bins else questions.parted_histogram(each.value, look.edges),
                "NULL" if look.plot else questions.histogram(each.value, each.plot_edges()),
            )
            for each, look in zip(series, looks, strict=True)
        ]
    )
    return [_finished(each, look, answer) for each, look, answer in zip(series, looks, answers, strict=True)]


def _finished(series: _Series, look: _Look, answer: tuple[Any, ...]) -> ColumnProfile:
    total, squares, counts, plotted = answer
    made, values, least = series.made, series.made.values, series.ends[0]
    scale, root_scale = series.scales
    mean = least + total / scale / values
    root_mean = total / scale * root_scale  # of the same unit as the roots
    spread = max(squares - root_mean * root_mean / values, 0.0)
    deviation = math.sqrt(spread / (values - 1)) / root_scale if values > 1 else None
    digits = 3 if made.confidential else _DIGITS
    plot_edges = series.plot_edges()
    return replace(
        made,
        distinct=made.distinct if look.distinct is None else look.distinct,
        distinct_is_exact=made.distinct_is_exact or look.distinct is not None,
        mean=rounded(mean, digits),
        deviation=rounded(deviation, min(digits, _FEWER_DIGITS)),
        quantiles=tuple(rounded(each, _DIGITS) or 0.0 for each in look.quantiles),
        bins=look.bins or as_parted(look.edges, counts),
        plot=look.plot or (as_histogram(plot_edges, plotted) if plot_edges else None),
    )


def as_histogram(edges: Sequence[float], counts: Sequence[int] | None) -> Histogram:
    """What DuckDB answers to `questions.histogram`: without the last count if that is none."""
    return Histogram(tuple(edges), _filled(counts, len(edges) + 1))


def as_parted(edges: Sequence[float], counts: Sequence[int] | None) -> Histogram:
    """What DuckDB answers to `questions.parted_histogram`."""
    return binned.joined(edges, _filled(counts, len(binned.parted_edges(edges)) + 1))


def _filled(counts: Sequence[int] | None, length: int) -> tuple[int, ...]:
    """So many counts, those that are absent being none."""
    given = tuple(counts or ())
    return given + (0,) * (length - len(given))


def rounded(value: float | None, digits: int) -> float | None:
    """To so many significant digits."""
    return None if value is None else float(f"{value:.{digits}g}") + 0.0


def _exact_looks(asked: Asked, series: Sequence[_Series], wanted: Sequence[float]) -> list[_Look]:
    """Quantiles that are values, by holding all values of some columns at a time."""
    together = max(1, _MOST_VALUES // max(asked.rows, 1))
    shares = "[" + ", ".join(map(repr, wanted)) + "]"
    looks = []
    for start in range(0, len(series), together):
        part = series[start : start + together]
        questions_ = [(f"quantile_disc({each.value}, {shares})", f"count(DISTINCT {each.value})") for each in part]
        for each, (values, distinct) in zip(part, asked.aggregates(questions_), strict=True):
            edges = tuple(sorted({*values, each.ends[1]}))
            found = dict(zip(wanted, values, strict=True))
            looks.append(_Look(edges, tuple(found[share] for share in QUANTILES), distinct))
    return looks


def _looks(asked: Asked, series: Sequence[_Series], wanted: Sequence[float]) -> list[_Look]:
    """By counting in coarse bins first, and in the parts of those that matter."""
    first = [each.first_edges() for each in series]
    counted = asked.aggregates(
        [(questions.histogram(each.value, edges),) for each, edges in zip(series, first, strict=True)]
    )
    coarse = [as_histogram(edges, counts) for edges, (counts,) in zip(first, counted, strict=True)]
    second = [binned.fine_edges(each, wanted, whole=own.whole) for own, each in zip(series, coarse, strict=True)]
    answers = asked.aggregates(
        [(questions.parted_histogram(each.value, edges),) for each, edges in zip(series, second, strict=True)]
    )
    fine = [as_parted(edges, counts) for edges, (counts,) in zip(second, answers, strict=True)]
    distinct = _few_distinct(asked, series)
    return [
        _look(own, one, other, wanted, distinct.get(own.column.name))
        for own, one, other in zip(series, coarse, fine, strict=True)
    ]


def _look(series: _Series, coarse: Histogram, fine: Histogram, wanted: Sequence[float], distinct: int | None) -> _Look:
    edges, plot_edges = binned.chosen_edges(fine, wanted), series.plot_edges()
    return _Look(
        edges,
        tuple(own_quantile(fine, share, whole=series.whole) for share in QUANTILES),
        distinct,
        binned.selected(fine, edges),
        binned.selected(coarse, plot_edges) if plot_edges else None,
    )


def _few_distinct(asked: Asked, series: Sequence[_Series]) -> dict[str, int]:
    """How many values there are of each column with few, counted."""
    few = [each for each in series if each.made.distinct <= _FEW_VALUES]
    found: dict[str, int] = {}
    for start in range(0, len(few), _COUNTED_TOGETHER):
        part = few[start : start + _COUNTED_TOGETHER]
        answers = asked.aggregates([(f"count(DISTINCT {each.value})",) for each in part])
        found |= {each.column.name: distinct for each, (distinct,) in zip(part, answers, strict=True)}
    return found


def own_quantile(fine: Histogram, share: float, *, whole: bool) -> float:
    """A quantile as the column can have it: of whole numbers, a whole one."""
    value = binned.quantile(fine, share)
    return float(math.ceil(value)) if whole else value
