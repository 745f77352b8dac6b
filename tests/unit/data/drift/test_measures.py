"""The measures, held to published figures, to scipy, and to what must be true of any."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from builder.data.drift import measures
from builder.data.profile.document import Histogram

COUNTS = st.lists(st.integers(0, 1000), min_size=2, max_size=12).filter(lambda counts: sum(counts) > 0)
VALUES = st.lists(st.integers(-20, 20).map(float), min_size=3, max_size=40)


def binned(values: list[float], edges: list[float], *, on_edge: bool = True) -> Histogram:
    bounds = [-np.inf, *edges, np.inf]
    counts = [sum(low < value <= up for value in values) for low, up in itertools.pairwise(bounds)]
    return Histogram(tuple(edges), tuple(counts), tuple(map(values.count, edges)) if on_edge else ())


def test_stability_is_the_sum_of_kullbacks_two_divergences() -> None:
    """S. Kullback, Information Theory and Statistics (1959), example 2.1: 0.0852996 and 0.0974550, of these shares."""
    assert measures.population_stability([9, 12, 4], [1, 1, 1]) == pytest.approx(0.0852996 + 0.0974550, abs=1e-6)


def test_stability_by_hand() -> None:
    """(0.5 - 0.4) ln(0.5 / 0.4) + (0.5 - 0.6) ln(0.5 / 0.6) = 0.0223144 + 0.0182322."""
    assert measures.population_stability([50, 50], [40, 60]) == pytest.approx(0.0405465, abs=1e-7)


def test_an_empty_bin_makes_no_endless_stability() -> None:
    assert 0.25 < measures.population_stability([50, 50], [100, 0]) < 10


@given(COUNTS, st.data())
def test_stability_and_variation_are_symmetric_and_none_of_equals(one: list[int], data: st.DataObject) -> None:
    sizes = st.lists(st.integers(0, 1000), min_size=len(one), max_size=len(one)).filter(any)
    two = data.draw(sizes)
    for measure in (measures.population_stability, measures.total_variation):
        assert measure(one, one) == 0
        assert measure(one, two) == pytest.approx(measure(two, one))
        assert measure(one, two) >= 0
    assert measures.total_variation(one, two) <= 1 + 1e-12


@settings(max_examples=60)
@given(VALUES, VALUES, st.booleans(), st.booleans())
def test_smirnov_of_bins_bounds_the_exact_one(one: list[float], two: list[float], shared: bool, told: bool) -> None:
    edges = sorted(set(one))[::3]
    others = edges if shared else sorted(set(two))[::2]
    least, most = measures.kolmogorov_smirnov(binned(one, edges, on_edge=told), binned(two, others, on_edge=told))
    exact = stats.ks_2samp(one, two, method="asymp").statistic
    assert 0 <= least <= exact + 1e-9
    assert exact - 1e-9 <= most <= 1


@settings(max_examples=50)
@given(VALUES, VALUES)
def test_smirnov_is_exact_where_every_value_is_an_edge(one: list[float], two: list[float]) -> None:
    edges = sorted({*one, *two})
    found = measures.kolmogorov_smirnov(binned(one, edges), binned(two, edges))
    assert found == pytest.approx((stats.ks_2samp(one, two, method="asymp").statistic,) * 2)


def test_what_chance_gives_is_what_chi_squared_says() -> None:
    for bins in (2, 5, 10, 50):
        expected = stats.chi2.ppf(0.99, bins - 1) * (1 / 400 + 1 / 200)
        assert measures.chance_of_stability(bins, 400, 200) == pytest.approx(expected, rel=0.02)
    assert measures.chance_of_smirnov(1, 10**12) == pytest.approx(stats.kstwobign.ppf(0.99), rel=1e-4)
