"""The examples of data: their contracts hold, and what is made up is made up again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.data.check import check_contract
from builder.data.contract import read_contract

EXAMPLES = Path(__file__).parents[3] / "examples"
VISITS = EXAMPLES / "visits"
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def broken_rules(contract: Path, **files: Path) -> set[str]:
    report = check_contract(read_contract(contract), {name: [file] for name, file in files.items()}, NOW)
    return {outcome.id for outcome in report.outcomes if outcome.status != "passed"}


def test_the_penguins_are_as_their_contract_says() -> None:
    penguins = EXAMPLES / "penguins"
    assert broken_rules(penguins / "contracts/penguins.yaml", penguins=penguins / "data/penguins.csv") == set()


@pytest.mark.parametrize(
    ("contract", "visits", "expected"),
    [
        ("visits", "data", set()),
        ("visits", "october", set()),
        ("visits-next", "data", {"known-departments", "up-to-date"}),
        (
            "visits",
            "broken",
            {
                "known-departments",
                "visits.cost_eur.required",
                "visits.patient_id.relationship",
                "visits.patient_id.required",
                "visits.systolic.maximum",
                "visits.systolic.minimum",
                "visits.visit_date.type",
                "visits.visit_id.unique",
                "visits.wait_minutes.minimum",
            },
        ),
    ],
    ids=["data", "october", "next", "broken"],
)
def test_the_visits_break_the_rules_that_they_are_to_break(contract, visits, expected) -> None:
    files = {"patients": VISITS / "data/patients.csv", "visits": VISITS / visits / "visits.csv"}
    assert broken_rules(VISITS / f"contracts/{contract}.yaml", **files) == expected


def test_the_data_of_the_visits_are_what_their_generator_writes(tmp_path) -> None:
    shutil.copy(VISITS / "generate.py", tmp_path)
    subprocess.run([sys.executable, tmp_path / "generate.py"], check=True, timeout=60)
    made = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.csv"))
    assert len(made) == 4
    for name in made:
        assert (tmp_path / name).read_bytes() == (VISITS / name).read_bytes()
