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

    def plot_edges(self) -> tuple[float, ...]:
        return () if self.made.confidential else binned.equal_edges(*self.ends, _PLOTTED, whole=self.whole)


@dataclass(frozen=True, slots=True)
class _Look:
    """Where the bins of a column are to end."""

    edges: tuple[float, ...]
    quantiles: tuple[float, ...]
    distinct: int | None
    """None if they were not counted."""


def with_numbers(
    asked: Asked, columns: Sequence[Column], made: Sequence[ColumnProfile], bins: int
) -> list[ColumnProfile]:
    """The profiles of columns that have a least and a greatest value, with what numbers have. Raises: QueryError."""
    series = [_Series(column, each) for column, each in zip(columns, made, strict=True)]
    wanted = binned.shares(bins)
    looks = _exact_looks(asked, series, wanted) if asked.rows <= FEW_ROWS else _looks(asked, series, wanted)
    looks = [
        replace(look, edges=binned.round_edges(look.edges)) if each.made.confidential else look
        for each, look in zip(series, looks, strict=True)
    ]
    answers = asked.aggregates(
        [
            (
                *questions.moments(each.value, each.ends[0], *each.scales),
                questions.histogram(each.value, look.edges),
                questions.on_edges(each.value, look.edges),
                questions.histogram(each.value, each.plot_edges()),
            )
            for each, look in zip(series, looks, strict=True)
        ]
    )
    return [_finished(each, look, answer) for each, look, answer in zip(series, looks, answers, strict=True)]


def _finished(series: _Series, look: _Look, answer: tuple[Any, ...]) -> ColumnProfile:
    total, squares, counts, on_edge, plotted = answer
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
        bins=as_histogram(look.edges, counts, on_edge),
        plot=as_histogram(plot_edges, plotted) if plot_edges else None,
    )


def as_histogram(
    edges: Sequence[float], counts: Sequence[int] | None, on_edge: Sequence[int] | None = None
) -> Histogram:
    """What DuckDB answers to `questions.histogram` and `on_edges`: without the last count if that is none."""
    return Histogram(
        tuple(edges), filled(counts, len(edges) + 1), filled(on_edge, len(edges) + 1)[: len(edges)] if on_edge else ()
    )


def filled(counts: Sequence[int] | None, length: int) -> tuple[int, ...]:
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
    first = [binned.coarse_edges(*each.ends, whole=each.whole) for each in series]
    questions_ = [
        (
            questions.histogram(each.value, edges),
            f"count(DISTINCT {each.value})" if each.made.distinct <= _FEW_VALUES else "NULL",
        )
        for each, edges in zip(series, first, strict=True)
    ]
    counted = asked.aggregates(questions_)
    coarse = [as_histogram(edges, counts) for edges, (counts, _) in zip(first, counted, strict=True)]
    second = [binned.fine_edges(each, wanted, whole=own.whole) for own, each in zip(series, coarse, strict=True)]
    answers = asked.aggregates(
        [
            (questions.histogram(each.value, edges), questions.on_edges(each.value, edges))
            for each, edges in zip(series, second, strict=True)
        ]
    )
    fine = [as_histogram(edges, *counts) for edges, counts in zip(second, answers, strict=True)]
    return [
        _Look(
            binned.chosen_edges(each, wanted),
            tuple(own_quantile(each, share, whole=own.whole) for share in QUANTILES),
            distinct,
        )
        for own, each, (_, distinct) in zip(series, fine, counted, strict=True)
    ]


def own_quantile(fine: Histogram, share: float, *, whole: bool) -> float:
    """A quantile as the column can have it: of whole numbers, a whole one."""
    value = binned.quantile(fine, share)
    return float(math.ceil(value)) if whole else value
