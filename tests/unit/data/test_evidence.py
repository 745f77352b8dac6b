"""What came of a contract, as a bundle has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data_contracts import NOW, contract

from builder.data.contract.read import read_contract
from builder.data.evidence import depends_on_day, evaluate, evaluate_day
from builder.data.tables import Limits


@pytest.mark.parametrize("promise", ["freshness", "latency", "retention"])
def test_the_age_of_data_is_told_by_the_day_alone(tmp_path: Path, promise: str) -> None:
    file, data = tmp_path / "c.json", tmp_path / "t.csv"
    sla = [{"property": promise, "value": 1, "unit": "d", "element": "t.v"}]
    file.write_text(json.dumps(contract([{"name": "v", "logicalType": "date"}], sla=sla)))
    data.write_text("v\n2026-01-01\n")
    loaded = read_contract(file)

    evidence = evaluate(loaded, {"t": [data]})

    assert (evidence.result, evidence.of_the_day) == ("passed", (f"t.v.{promise}",))
    assert depends_on_day(loaded.contract)
    assert evaluate_day(loaded, {"t": [data]}, NOW).result == "violated"


@pytest.mark.parametrize("clock", ["now() IS NULL", "age(v) IS NULL", "gen_random_uuid() IS NULL", "random() < 0"])
def test_a_query_that_asks_for_the_time_keeps_no_other_one_from_being_told(tmp_path: Path, clock: str) -> None:
    file, data = tmp_path / "c.json", tmp_path / "t.csv"
    rules = [
        {"type": "sql", "query": f"SELECT count(*) FROM t WHERE {clock}", "mustBe": 0, "id": "dated"},
        {"type": "sql", "query": "SELECT count(*) FROM t", "mustBe": 0, "id": "lasting"},
    ]
    file.write_text(json.dumps(contract([{"name": "v", "logicalType": "timestamp"}], quality=rules)))
    data.write_text("v\n2026-01-01\n")
    loaded = read_contract(file)

    evidence = evaluate(loaded, {"t": [data]})

    assert (evidence.result, evidence.of_the_day) == ("violated", ("dated",))
    assert evaluate_day(loaded, {"t": [data]}, NOW).result == "passed"


@pytest.mark.parametrize("limits", [Limits(seconds=0.2), Limits(memory=64 << 20)])
def test_what_a_machine_was_too_slow_or_too_small_for_is_told_of_it(tmp_path: Path, limits: Limits) -> None:
    file, data = tmp_path / "c.json", tmp_path / "t.csv"
    query = "SELECT max(len(l)) FROM (SELECT list(a) AS l FROM range(400000000) AS r(a))"
    file.write_text(json.dumps(contract([{"name": "v"}], quality=[{"type": "sql", "query": query, "mustBe": 0}])))
    data.write_text("v\n1\n")

    evidence = evaluate(read_contract(file), {"t": [data]}, limits)

    assert (evidence.result, evidence.is_of_machine) == ("not-evaluated", True)


def test_what_was_evaluated_is_not_of_the_machine(tmp_path: Path) -> None:
    file, data = tmp_path / "c.json", tmp_path / "t.csv"
    file.write_text(json.dumps(contract([{"name": "v"}], quality=[{"type": "sql", "query": "SELEC", "mustBe": 0}])))
    data.write_text("v\n1\n")

    evidence = evaluate(read_contract(file), {"t": [data]})

    assert (evidence.result, evidence.is_of_machine) == ("not-evaluated", False)
