"""What the scan of tables finds of the planted corpus, and what it makes up."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from table_corpus import PlantedTable, corpus
from table_corpus.measure import judged, measure, table
from table_corpus.planted import GROUPS

from builder.data.privacy.evidence import Evidence
from builder.data.privacy.table_scan import TableVerdict
from builder.records.scan.finding import STOPS

GUIDE = Path(__file__).parents[4] / "docs/guides/privacy.md"
Verdicts = list[tuple[PlantedTable, TableVerdict]]


@pytest.fixture(scope="module")
def verdicts() -> Verdicts:
    return judged(corpus())


def test_recall_and_precision_stay_above_their_floors(verdicts: Verdicts) -> None:
    scores, wrong = measure(verdicts)
    assert set(scores) == set(GROUPS)
    for score in scores.values():
        assert score.planted >= 10
        assert score.harmless >= 5
        assert score.recall >= 0.95, wrong
        assert score.precision >= 0.95, wrong


def test_the_guide_has_the_table_of_this_corpus(verdicts: Verdicts) -> None:
    told = GUIDE.read_text("utf-8")
    for line in table(measure(verdicts)[0]).splitlines():
        assert line in told


def test_no_verdict_has_a_planted_value_in_it(verdicts: Verdicts) -> None:
    looked = 0
    for planted, verdict in verdicts:
        text = json.dumps(verdict.to_dict(), ensure_ascii=False)
        for column in planted.columns:
            if column.kind and isinstance(column.values[0], str) and len(column.values[0]) > 8:
                looked += 1
                assert not [value for value in column.values if value and value in text], planted.path
    assert looked > 100


def test_rows_that_are_told_have_what_was_found(verdicts: Verdicts) -> None:
    (rare,) = (verdict for planted, verdict in verdicts if planted.path == "rare.csv")
    assert rare.findings
    for each in rare.findings:
        assert each.found.rows
        assert all((row - 1) % 12 == 5 for row in each.found.rows)


def test_random_numbers_of_any_length_are_about_nobody() -> None:
    alarms = []
    for length in range(6, 20):
        for seed in range(12):
            dice = random.Random(f"{length} {seed}")
            evidence = Evidence("value")
            evidence.add((str(dice.randint(10 ** (length - 1), 10**length - 1)) for _ in range(150)), range(150))
            alarms += [found for found in evidence.findings() if found.level in STOPS]
    assert alarms == []
