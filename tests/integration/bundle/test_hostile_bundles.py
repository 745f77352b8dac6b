"""Bundles from someone who means harm, for every command that reads one, in little memory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from hostile_bundles import CASES, Outcome, check, lines, outcomes_of, write_good
from limited_commands import run_limited


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Outcome]:
    """Of all cases."""
    return outcomes_of(CASES, tmp_path_factory.mktemp("hostile"))


@pytest.mark.parametrize("name", CASES)
def test_a_hostile_bundle_is_refused_and_does_nothing(name: str, outcomes: Mapping[str, Outcome]) -> None:
    check(CASES[name], outcomes[name])


def test_a_bundle_that_means_no_harm_goes_through_every_command(tmp_path: Path) -> None:
    """So that what is refused above is refused for what it is."""
    good = write_good(tmp_path)
    found = lines(good, good, tmp_path)
    del found["push"], found["run"]
    results = dict(zip(found, run_limited(list(found.values()), tmp_path, tmp_path / "store"), strict=True))
    wanted = ("inspect", "records", "diff", "ls", "cat", "unpack", "root")
    assert {name: results[name].code for name in wanted} == dict.fromkeys(wanted, 0), results
    assert results["cat"].out == "fine"
