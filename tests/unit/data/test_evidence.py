"""What came of a contract, as a bundle has it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from data_contracts import NOW, contract

from builder.data.contract.read import read_contract
from builder.data.evidence import depends_on_day, evaluate, evaluate_day


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
