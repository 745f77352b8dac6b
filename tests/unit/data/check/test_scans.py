"""How often a file is read, and what happens when the one reading for all fails."""

from __future__ import annotations

import pytest
from data_contracts import contract

from builder.data.tables import Database, QueryError

LIMITS = {"minLength": 1, "maxLength": 3, "pattern": "^[a-z]+$"}
COLUMNS = [
    {"name": "a", "logicalType": "string", "required": True, "logicalTypeOptions": LIMITS},
    {"name": "b", "logicalType": "integer", "logicalTypeOptions": {"minimum": 0, "maximum": 9, "multipleOf": 3}},
]
DATA = {"t.csv": "a,b\nx,3\nY,10\n"}


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries that read the table."""
    asked: list[str] = []
    original = Database.each

    def each(self, query, *arguments, **options):
        if 'FROM raw."t"' in query:
            asked.append(query)
        return original(self, query, *arguments, **options)

    monkeypatch.setattr(Database, "each", each)
    return asked


def test_rules_of_rows_are_answered_by_one_reading(check, queries) -> None:
    report = check(contract(COLUMNS, quality=[{"metric": "rowCount", "mustBe": 2}]), {"t.csv": "a,b\nx,3\ny,6\n"})
    assert (report.counts["violated"], len(queries)) == (0, 1)


def test_the_rows_of_violated_rules_are_had_by_one_more(check, queries) -> None:
    report = check(contract(COLUMNS), DATA)
    violated = {each.kind: [sample.row for sample in each.samples] for each in report.of("violated")}
    assert violated == {"pattern": [2], "maximum": [2], "multipleOf": [2]}
    assert len(queries) == 2


def test_a_bad_rule_costs_no_reading(check, queries) -> None:
    columns = [{**COLUMNS[0], "logicalTypeOptions": {**LIMITS, "pattern": "(?!a)"}}]
    report = check(contract(columns), {"t.csv": "a\nx\n"})
    assert (report.counts["not-evaluated"], report.counts["passed"], len(queries)) == (1, 5, 1)


def test_if_the_reading_for_all_fails_each_rule_is_asked_alone(check, monkeypatch) -> None:
    original = Database.each

    def each(self, query, *arguments, **options):
        if "FROM raw." in query and (query.count("FILTER") > 1 or "% 3" in query):
            raise QueryError("a query was stopped", "it took longer than 1 s")
        return original(self, query, *arguments, **options)

    monkeypatch.setattr(Database, "each", each)
    report = check(contract(COLUMNS), DATA)
    statuses = {each.kind: each.status for each in report.outcomes}
    assert statuses["multipleOf"] == "not-evaluated"
    assert (statuses["maximum"], statuses["pattern"], statuses["minimum"]) == ("violated", "violated", "passed")
    assert report.tables[0].rows == 2
