"""How far two distributions are from each other, and how far chance alone takes them. Pure.

Population stability index, Kolmogorov and Smirnov's statistic, total variation.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from builder.data.profile.document import Histogram

_LEAST_SHARE = 1e-4
"""What an empty bin is taken for, as its logarithm is endless."""
_NORMAL_99 = 2.3263
_BOTH_SIDES_99 = 2.5758
_KOLMOGOROV_99 = 1.6276


def population_stability(reference: Sequence[float], new: Sequence[float]) -> float:
    """PSI: the sum of (p - q) ln(p / q) over bins' shares; counts or shares in, the same bins in both."""
    pairs = zip(_shares(reference), _shares(new), strict=True)
    return sum((p - q) * math.log(p / q) for p, q in ((max(p, _LEAST_SHARE), max(q, _LEAST_SHARE)) for p, q in pairs))


def total_variation(reference: Sequence[float], new: Sequence[float]) -> float:
    """Which share of the rows would have to be in another category for both to be alike: 0 to 1."""
    return sum(abs(p - q) for p, q in zip(_shares(reference), _shares(new), strict=True)) / 2


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    return [count / total if total else 0.0 for count in counts]


@dataclass(frozen=True, slots=True)
class _Steps:
    """A cumulative distribution that is known at some edges."""

    edges: tuple[float, ...]
    at: tuple[float, ...]
    """The share up to each edge, the edge itself in it."""
    before: tuple[float, ...]
    """At most the share below each edge."""

    @classmethod
    def of(cls, histogram: Histogram) -> _Steps:
        total = sum(histogram.counts)
        sums = list(accumulate(histogram.counts))[: len(histogram.edges)]
        on_edge = histogram.on_edge or (0,) * len(sums)
        below = [each - on for each, on in zip(sums, on_edge, strict=True)]
        return cls(histogram.edges, tuple(each / total for each in sums), tuple(each / total for each in below))

    def least(self, place: float) -> float:
        """The least share that can be up to a place."""
        number = bisect_right(self.edges, place)
        return self.at[number - 1] if number else 0.0

    def most(self, place: float) -> float:
        """The largest share that can be up to a place."""
        number = bisect_left(self.edges, place)
        if number == len(self.edges):
            return 1.0
        return self.at[number] if self.edges[number] == place else self.before[number]

    def most_before(self, place: float) -> float:
        """The largest share that can be below a place."""
        number = bisect_left(self.edges, place)
        return self.before[number] if number < len(self.edges) else 1.0


def kolmogorov_smirnov(reference: Histogram, new: Histogram) -> tuple[float, float]:
    """Between which values the largest difference of both cumulative distributions lies, as bins allow to tell.

    At an edge of both, both are known; between edges, each lies between what is known of its neighbours.
    """
    one, two = _Steps.of(reference), _Steps.of(new)
    places = sorted({*one.edges, *two.edges})
    surely, perhaps, previous = 0.0, 0.0, -math.inf
    for place in places:
        surely = max(surely, one.least(place) - two.most(place), two.least(place) - one.most(place))
        between = (one.most_before(place) - two.least(previous), two.most_before(place) - one.least(previous))
        at = (one.most(place) - two.least(place), two.most(place) - one.least(place))
        perhaps = max(perhaps, *between, *at)
        previous = place
    perhaps = max(perhaps, 1 - two.least(previous), 1 - one.least(previous))
    return surely, min(max(surely, perhaps), 1.0)


def chance_of_stability(bins: int, reference: int, new: int) -> float:
    """What PSI is below in 99 of 100 cases if both are alike: it is distributed as chi-squared, scaled by the rows."""
    return _chi_squared_99(bins - 1) * _scale(reference, new)


def chance_of_variation(categories: int, reference: int, new: int) -> float:
    """What the total variation is below, likewise: by Cauchy and Schwarz at most half the root of the above."""
    return math.sqrt(_chi_squared_99(categories - 1) * _scale(reference, new)) / 2


def chance_of_smirnov(reference: int, new: int) -> float:
    """What the statistic of Kolmogorov and Smirnov is below, likewise, of many rows."""
    return _KOLMOGOROV_99 * math.sqrt(_scale(reference, new))


def chance_of_share(share: float, reference: int, new: int) -> float:
    """What two shares differ by at most, likewise."""
    return _BOTH_SIDES_99 * math.sqrt(share * (1 - share) * _scale(reference, new))


def chance_of_range(reference: int, new: int) -> float:
    """Which share lies beyond the ends of the reference, likewise: both ends leave out a part of few thousandths."""
    return -2 * math.log(0.005) / min(reference, new)


def _scale(reference: int, new: int) -> float:
    return 1 / reference + 1 / new


def _chi_squared_99(freedom: int) -> float:
    """Its 99th percentile, by Wilson and Hilferty."""
    if freedom < 1:
        return 0.0
    part = 2 / (9 * freedom)
    return float(freedom * (1 - part + _NORMAL_99 * math.sqrt(part)) ** 3)
