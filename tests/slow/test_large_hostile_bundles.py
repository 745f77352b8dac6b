"""Hostile bundles that are read for seconds: bombs, and more entries than anybody has."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from hostile_bundles import LARGE, Outcome, check, outcomes_of


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """Of all cases."""
    return outcomes_of(LARGE, tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("name", LARGE)
def test_a_large_hostile_bundle_is_refused_in_little_memory(name: str, outcomes: Mapping[str, Outcome]) -> None:
    check(LARGE[name], outcomes[name])
