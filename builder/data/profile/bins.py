"""Where the bins of a column end: what is chosen from what was counted. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import accumulate

from builder.data.profile.document import QUANTILES, Histogram

_EQUAL = 256
_PARTS = 8
"""Parts that a coarse bin is split into, for each share that lies in it."""
_OCTAVES = 30


def shares(bins: int) -> tuple[float, ...]:
    """The shares of values below each edge of so many bins of equal counts, and those of the quantiles."""
    return tuple(sorted({number / bins for number in range(1, bins)} | set(QUANTILES)))


def coarse_edges(least: float, greatest: float, *, whole: bool) -> tuple[float, ...]:
    """Edges for a first look, whatever the values are like: of equal width, and closer at both ends and at zero."""
    width = greatest - least
    top = max(abs(least), abs(greatest))
    equal = [least + width * number / _EQUAL for number in range(_EQUAL + 1)]
    octaves = [2.0**-number for number in range(1, _OCTAVES)]
    ends = [edge for octave in octaves for edge in (least + width * octave, greatest - width * octave)]
    zero = [edge for octave in octaves for edge in (top * octave, -top * octave)]
    return _tidy((*equal, *ends, *zero, 0.0), least, greatest, whole=whole)


def fine_edges(coarse: Histogram, wanted: Sequence[float], *, whole: bool) -> tuple[float, ...]:
    """Edges for a second look: the coarse bins in which wanted shares lie, split."""
    cumulated = list(accumulate(coarse.counts))
    parts: dict[int, int] = {}
    for share in wanted:
        number = min(bisect_left(cumulated, share * cumulated[-1]), len(coarse.edges) - 1)
        parts[number] = parts.get(number, 0) + _PARTS
    edges = [coarse.edges[0], coarse.edges[-1]]
    for number, count in parts.items():
        lower, upper = coarse.edges[max(number - 1, 0)], coarse.edges[number]
        edges += [lower + (upper - lower) * part / count for part in range(count)] + [upper]
    return _tidy(edges, coarse.edges[0], coarse.edges[-1], whole=whole)


def _tidy(edges: Iterable[float], least: float, greatest: float, *, whole: bool) -> tuple[float, ...]:
    """Sorted, each once, without the dust of arithmetic, and the greatest value the last."""
    rounded = {float(math.floor(edge)) if whole else edge + 0.0 for edge in edges if least <= edge <= greatest}
    return tuple(sorted({edge for edge in rounded if edge >= least} | {greatest}))


def chosen_edges(fine: Histogram, wanted: Sequence[float]) -> tuple[float, ...]:
    """Of fine edges, the nearest to each wanted share of the values; the last edge is the greatest value."""
    cumulated = list(accumulate(fine.counts))
    chosen = {fine.edges[-1]}
    for share in wanted:
        number = min(bisect_left(cumulated, share * cumulated[-1]), len(fine.edges) - 1)
        if number and share * cumulated[-1] - cumulated[number - 1] < cumulated[number] - share * cumulated[-1]:
            number -= 1
        chosen.add(fine.edges[number])
    return tuple(sorted(chosen))


def quantile(fine: Histogram, share: float) -> float:
    """The value below which a share of the values lies, as if a bin's values were spread evenly over it."""
    cumulated = list(accumulate(fine.counts))
    rank = share * cumulated[-1]
    number = min(bisect_left(cumulated, rank), len(fine.edges) - 1)
    lower, below = (fine.edges[number - 1], cumulated[number - 1]) if number else (fine.edges[0], 0)
    upper, count = fine.edges[number], fine.counts[number]
    on_edge = fine.on_edge[number] if fine.on_edge else 0
    if rank > below + count - on_edge or not count:
        return upper
    return lower + (upper - lower) * (rank - below) / count


def round_edges(edges: Sequence[float]) -> tuple[float, ...]:
    """Edges that are no row's value: on a grid that is a hundredth of the middle part's size, a power of ten."""
    middle = edges[len(edges) * 9 // 10] - edges[len(edges) // 10]
    if middle <= 0:
        return ()
    exponent = math.floor(math.log10(middle)) - 1
    step = 10.0**exponent
    return tuple(sorted({round(round(edge / step) * step, max(-exponent, 0)) + 0.0 for edge in edges}))


def merged(histogram: Histogram, floor: int) -> Histogram | None:
    """Bins of at least so many values each, neighbours joined; None where that leaves one bin. Edges' values go."""
    edges: list[float] = []
    counts = [0]
    for edge, count in zip(histogram.edges, histogram.counts, strict=False):
        counts[-1] += count
        if counts[-1] >= floor:
            edges.append(edge)
            counts.append(0)
    counts[-1] += histogram.counts[-1]
    if counts[-1] < floor and edges:
        edges.pop()
        counts[-2:] = [sum(counts[-2:])]
    return Histogram(tuple(edges), tuple(counts)) if edges else None


def grouped(histogram: Histogram, groups: int) -> tuple[float, ...]:
    """Of the histogram's edges, those that end about so many bins of equal counts."""
    return tuple(
        edge
        for edge in chosen_edges(histogram, [number / groups for number in range(1, groups)])
        if edge < histogram.edges[-1]
    )


def regrouped(histogram: Histogram, edges: Sequence[float]) -> tuple[int, ...]:
    """The counts of a histogram in bins that end at some of its edges."""
    kept = set(edges)
    counts = [0]
    for number, count in enumerate(histogram.counts):
        counts[-1] += count
        if number < len(histogram.edges) and histogram.edges[number] in kept:
            counts.append(0)
    return tuple(counts)


def parted_edges(edges: Sequence[float]) -> tuple[float, ...]:
    """With an edge just below each, so that what lies on an edge has a bin of its own."""
    return tuple(sorted({*edges, *(math.nextafter(edge, -math.inf) for edge in edges)}))


def joined(edges: Sequence[float], counts: Sequence[int]) -> Histogram:
    """The histogram of edges, of the counts between `parted_edges`."""
    parted = Histogram(parted_edges(edges), tuple(counts))
    on_edge = dict(zip(parted.edges, parted.counts, strict=False))
    return Histogram(tuple(edges), regrouped(parted, edges), tuple(on_edge[edge] for edge in edges))


def selected(histogram: Histogram, edges: Sequence[float]) -> Histogram:
    """The histogram of some of its edges."""
    kept = set(edges)
    on_edge = (count for edge, count in zip(histogram.edges, histogram.on_edge, strict=False) if edge in kept)
    return Histogram(tuple(edges), regrouped(histogram, edges), tuple(on_edge))


def equal_edges(least: float, greatest: float, parts: int, *, whole: bool) -> tuple[float, ...]:
    """The edges of so many bins of equal width over all values; of whole numbers, on whole numbers."""
    width = (greatest - least) / parts
    if whole and width < 1:
        return tuple(float(value) for value in range(math.floor(least), math.floor(greatest) + 1))
    return _tidy([least + width * number for number in range(1, parts + 1)], least, greatest, whole=whole)
