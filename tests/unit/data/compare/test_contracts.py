"""Each change of a contract is said to break whom it breaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.cli import invoke
from builder.data.compare.contracts import ContractDiff, compare_contracts
from builder.data.compare.contracts_render import as_markdown, as_table
from builder.data.contract.document import Contract
from builder.data.contract.read import read_contract
from builder.spec.reader import Reader

BOTH, PRODUCER, CONSUMER = ["producer", "consumer"], ["producer"], ["consumer"]
BASE: dict[str, Any] = {
    "apiVersion": "v3.1.0",
    "kind": "DataContract",
    "id": "c",
    "version": "1.2.0",
    "status": "active",
    "slaProperties": [
        {"property": "freshness", "value": 24, "unit": "h"},
        {"property": "retention", "value": 2, "unit": "y"},
    ],
    "schema": [
        {
            "name": "t",
            "properties": [
                {"name": "id", "logicalType": "integer", "primaryKey": True, "primaryKeyPosition": 1},
                {
                    "name": "a",
                    "logicalType": "integer",
                    "description": "how many",
                    "logicalTypeOptions": {"minimum": 0, "maximum": 10},
                    "classification": "internal",
                    "customProperties": [{"property": "unit", "value": "EUR"}],
                    "quality": [{"metric": "nullValues", "mustBeLessThan": 5, "unit": "percent"}],
                },
                {
                    "name": "kind",
                    "logicalType": "string",
                    "required": True,
                    "logicalTypeOptions": {"maxLength": 5},
                    "quality": [
                        {"metric": "invalidValues", "arguments": {"validValues": ["x", "y"]}, "mustBe": 0},
                    ],
                },
            ],
            "quality": [
                {"metric": "rowCount", "mustBeBetween": [10, 20]},
                {"type": "sql", "name": "s", "query": "SELECT 1", "mustBe": 1},
            ],
        }
    ],
}
Edit = Callable[[dict[str, Any]], object]


def column(document: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = document["schema"][0]["properties"][number]
    return found


def contract(document: dict[str, Any]) -> Contract:
    reader = Reader("c", Path())
    found = reader.read(json.dumps(document).encode(), Contract)
    assert found is not None, reader.problems
    return found


def diff(edit: Edit, *more: Edit) -> ContractDiff:
    document = json.loads(json.dumps(BASE))
    for each in (edit, *more):
        each(document)
    return compare_contracts(contract(BASE), contract(document))


def rule(document: dict[str, Any], number: int) -> dict[str, Any]:
    found: dict[str, Any] = document["schema"][0]["quality"][number]
    return found


CHANGES: dict[str, tuple[Edit, str, list[str]]] = {
    "a range narrowed": (lambda d: column(d, 1)["logicalTypeOptions"].update(minimum=1), "breaking", PRODUCER),
    "a range widened": (lambda d: column(d, 1)["logicalTypeOptions"].update(maximum=11), "breaking", CONSUMER),
    "a range moved": (lambda d: column(d, 1)["logicalTypeOptions"].update(minimum=5, maximum=15), "breaking", BOTH),
    "an end exclusive": (
        lambda d: column(d, 1).update(logicalTypeOptions={"exclusiveMinimum": 0, "maximum": 10}), "breaking", PRODUCER
    ),
    "an end gone": (lambda d: column(d, 1)["logicalTypeOptions"].pop("minimum"), "breaking", CONSUMER),
    "longer texts": (lambda d: column(d, 2)["logicalTypeOptions"].update(maxLength=9), "breaking", CONSUMER),
    "a pattern new": (lambda d: column(d, 2)["logicalTypeOptions"].update(pattern="x"), "breaking", PRODUCER),
    "a value removed": (
        lambda d: column(d, 2)["quality"][0].update(arguments={"validValues": ["x"]}), "breaking", PRODUCER
    ),
    "a value added": (
        lambda d: column(d, 2)["quality"][0].update(arguments={"validValues": ["x", "y", "z"]}), "breaking", CONSUMER
    ),
    "any value": (lambda d: column(d, 2).pop("quality"), "breaking", CONSUMER),
    "required now": (lambda d: column(d, 1).update(required=True), "breaking", PRODUCER),
    "not required now": (lambda d: column(d, 2).update(required=False), "breaking", CONSUMER),
    "unique now": (lambda d: column(d, 1).update(unique=True), "breaking", PRODUCER),
    "key changed": (
        lambda d: (column(d, 0).pop("primaryKey"), column(d, 1).update(primaryKey=True)), "breaking", BOTH
    ),
    "column gone": (lambda d: d["schema"][0]["properties"].pop(), "breaking", CONSUMER),
    "column renamed": (lambda d: column(d, 1).update(name="amount"), "breaking", BOTH),
    "another name in the file": (lambda d: column(d, 1).update(physicalName="A"), "breaking", BOTH),
    "a wider type": (
        lambda d: (column(d, 1).update(logicalType="number")), "breaking", CONSUMER
    ),
    "another type": (
        lambda d: column(d, 2).update(logicalType="boolean", logicalTypeOptions={}), "breaking", BOTH
    ),
    "column new": (
        lambda d: d["schema"][0]["properties"].append({"name": "n", "logicalType": "string"}), "compatible", []
    ),
    "column new and required": (
        lambda d: d["schema"][0]["properties"].append({"name": "n", "required": True}), "breaking", PRODUCER
    ),
    "table gone": (lambda d: d.update(schema=[]), "breaking", CONSUMER),
    "table new": (lambda d: d["schema"].append({"name": "u"}), "compatible", []),
    "unit changed": (lambda d: column(d, 1)["customProperties"][0].update(value="USD"), "breaking", BOTH),
    "sentinels changed": (
        lambda d: column(d, 2).update(customProperties=[{"property": "clean", "value": {"missing": ["NA"]}}]),
        "breaking",
        BOTH,
    ),
    "classification raised": (lambda d: column(d, 1).update(classification="restricted"), "breaking", CONSUMER),
    "classification lowered": (lambda d: column(d, 1).update(classification="public"), "compatible", []),
    "threshold tightened": (lambda d: column(d, 1)["quality"][0].update(mustBeLessThan=4), "breaking", PRODUCER),
    "threshold loosened": (lambda d: column(d, 1)["quality"][0].update(mustBeLessThan=6), "breaking", CONSUMER),
    "threshold in another unit": (lambda d: column(d, 1)["quality"][0].update(unit="rows"), "breaking", BOTH),
    "between narrowed": (lambda d: rule(d, 0).update(mustBeBetween=[11, 20]), "breaking", PRODUCER),
    "rule new": (
        lambda d: d["schema"][0]["quality"].append({"metric": "duplicateValues", "mustBe": 0}), "breaking", PRODUCER
    ),
    "rule gone": (lambda d: d["schema"][0]["quality"].pop(), "breaking", CONSUMER),
    "query changed": (lambda d: rule(d, 1).update(query="SELECT 2"), "breaking", BOTH),
    "severity lowered": (lambda d: rule(d, 1).update(severity="warning"), "breaking", CONSUMER),
    "fresher": (lambda d: d["slaProperties"][0].update(value=12), "breaking", PRODUCER),
    "as fresh": (lambda d: d["slaProperties"][0].update(value=1, unit="d"), "", []),
    "kept less long": (lambda d: d["slaProperties"][1].update(value=1), "breaking", CONSUMER),
    "retired": (lambda d: d.update(status="retired"), "breaking", CONSUMER),
    "deprecated": (lambda d: d.update(status="deprecated"), "compatible", []),
    "another contract": (lambda d: d.update(id="d"), "breaking", CONSUMER),
    "description": (lambda d: column(d, 1).update(description="of what"), "cosmetic", []),
    "order": (lambda d: d["schema"][0]["properties"].reverse(), "cosmetic", []),
    "team": (lambda d: d.update(team={"name": "us"}), "cosmetic", []),
    "another version of ODCS": (lambda d: d.update(apiVersion="v3.2.0"), "", []),
    "nothing": (lambda d: d, "", []),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_a_change_breaks_whom_it_breaks(case: str) -> None:
    edit, kind, breaks = CHANGES[case]
    changes = diff(edit).changes
    assert (changes[0].kind if changes else "") == kind, changes
    assert list(changes[0].breaks if changes else ()) == breaks, changes
    assert len(changes) <= 1 or case == "key changed", changes


def test_the_way_back_breaks_the_other_side() -> None:
    for edit, kind, breaks in CHANGES.values():
        document = json.loads(json.dumps(BASE))
        edit(document)
        back = compare_contracts(contract(document), contract(BASE)).changes
        if kind == "breaking" and breaks in (PRODUCER, CONSUMER) and document["id"] == "c":
            other_side = PRODUCER if breaks == CONSUMER else CONSUMER
            expected = [*([] if document["status"] == "active" else [[]]), other_side, []]
            assert list(back[0].breaks) in expected, back


@pytest.mark.parametrize(
    ("version", "moved", "fails"),
    [
        ("1.2.0", "none", True),
        ("1.3.0", "minor", True),
        ("2.0.0", "major", False),
        ("0.9.0", "back", True),
        ("next", "unknown", True),
    ],
)
def test_a_breaking_change_moves_the_first_number(version: str, moved: str, *, fails: bool) -> None:
    found = diff(lambda d: column(d, 1).update(required=True), lambda d: d.update(version=version))
    assert found.moved == moved
    assert bool(found.verdict) is fails


def test_a_changed_contract_of_the_same_version_is_told() -> None:
    assert "did not move" in str(diff(lambda d: column(d, 1).update(description="x")).note)
    assert diff(lambda d: d).note is None


def test_hostile_names_do_not_become_markup() -> None:
    found = diff(lambda d: d["schema"][0]["properties"].append({"name": "<img src=x>|`\n# x"}))
    text = as_markdown(found)
    assert "<img" not in text.replace("\\<img", "")
    assert len(text.splitlines()) == len(as_markdown(diff(lambda d: d["schema"].append({"name": "u"}))).splitlines())
    assert as_table(diff(lambda d: d)) == "no difference\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, str]:
    changed = json.loads(json.dumps(BASE))
    column(changed, 1)["required"] = True
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(BASE))
    (tmp_path / "b.json").write_text(json.dumps(changed))
    return str(tmp_path / "a.yaml"), str(tmp_path / "b.json")


def test_the_command_exits_with_3_and_prints_json(files: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    assert invoke(["data", "diff", *files, "--json"]) == 3
    out, err = capfd.readouterr()
    assert json.loads(out)["changes"][0]["breaks"] == ["producer"]
    assert "did not move at all" in err
    assert invoke(["data", "diff", files[0], files[0]]) == 0
    assert capfd.readouterr().out == "no difference\n"


def test_a_contract_and_a_table_are_not_compared(files: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    table = Path(files[0]).with_name("t.csv")
    table.write_text("a\n1\n")
    assert invoke(["data", "diff", files[0], str(table)]) == 1
    assert "cannot be compared" in capfd.readouterr().err
    assert invoke(["data", "diff", str(table), str(table)]) == 0


def test_equal_contracts_have_no_difference_in_whichever_version_they_are_written() -> None:
    everything = Path(__file__).parents[3] / "contracts/everything-3.2.yaml"
    loaded = read_contract(everything).contract
    assert compare_contracts(loaded, loaded).changes == ()
