"""k-anonymity, l-diversity and unique rows, against a count in Python."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.data.contract.thresholds import Threshold
from builder.data.privacy.measures import Measures, judged, measured
from builder.data.tables import Database, TableFile

VALUE = st.one_of(st.none(), st.sampled_from("abc"))
ROWS = st.lists(st.tuples(VALUE, VALUE, VALUE), max_size=25)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    file = tmp_path_factory.mktemp("measures") / "t.csv"
    file.write_text("a\n1\n")
    with Database.opened({"t": TableFile((file,), "csv")}) as opened:
        yield opened


def _sql(rows: list[tuple[str | None, ...]]) -> str:
    def text(value: str | None) -> str:
        return "NULL" if value is None else f"'{value}'"

    lines = ", ".join(f"({', '.join(map(text, row))})" for row in rows)
    empty = "(SELECT NULL::VARCHAR q1, NULL::VARCHAR q2, NULL::VARCHAR s WHERE false)"
    return (
        f"(SELECT q1::VARCHAR q1, q2::VARCHAR q2, s::VARCHAR s FROM (VALUES {lines}) v(q1, q2, s))" if rows else empty
    )


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ROWS)
def test_measures_are_those_of_a_count_by_hand(database: Database, rows: list[tuple[str | None, ...]]) -> None:
    groups = defaultdict(list)
    for first, second, sensitive in rows:
        groups[first, second].append(sensitive)
    sizes = [len(group) for group in groups.values()]
    found = measured(database, _sql(rows), ["q1", "q2"], ["s"])
    assert found.rows == len(rows)
    if rows:
        assert (found.groups, found.k, found.unique) == (len(groups), min(sizes), sizes.count(1))
        assert found.diversity == {"s": min(len(set(group)) for group in groups.values())}
    else:
        assert found == Measures(0)


def test_without_quasi_identifiers_all_rows_are_one_group(database: Database) -> None:
    found = measured(database, _sql([("a", "b", "c"), ("b", "b", "c")]), [], ["s"])
    assert (found.k, found.unique, found.diversity_of_all) == (2, 0, 1)


def test_what_nobody_declared_is_not_measured(database: Database) -> None:
    found = measured(database, _sql([("a", "b", "c")]), None, [])
    (rule,) = judged(found, {"kAnonymity": Threshold("mustBeGreaterOrEqualTo", 1)})
    assert found == Measures(1)
    assert rule.state == "not-evaluated"
    assert "quasi-identifier" in rule.reason


def test_a_threshold_is_passed_violated_or_not_evaluated() -> None:
    measures = Measures(10, 2, 3, None, 0)
    states = {
        each.measure: each.state
        for each in judged(
            measures,
            {
                "kAnonymity": Threshold("mustBeGreaterOrEqualTo", 5),
                "lDiversity": Threshold("mustBeGreaterOrEqualTo", 1),
                "uniqueRows": Threshold("mustBe", 0),
            },
        )
    }
    assert states == {"kAnonymity": "violated", "lDiversity": "not-evaluated", "uniqueRows": "passed"}
