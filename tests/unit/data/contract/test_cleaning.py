"""What a contract declares to be cleaned: read strictly, with every problem at its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from contracts_of_tables import loaded_contract

from builder.data.clean.rules import table_rules
from builder.data.contract.cleaning import Fill
from builder.spec.reader import SpecError

NUMBER = {"logicalType": "number", "logicalTypeOptions": {"minimum": 0, "maximum": 9}}


def problems(tmp_path: Path, column: dict[str, Any], **table: Any) -> str:
    with pytest.raises(SpecError) as caught:
        loaded_contract(tmp_path / "c.json", {"x": column}, **table)
    return str(caught.value)


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"clean": {"missing": "NA"}}, "a list of the values that stand for none is expected"),
        ({"clean": {"missing": [["NA"]]}}, "a single value is expected here"),
        ({"clean": {"missing": [True]}}, "put it into quotes"),
        ({"clean": {"whenmissing": "drop"}}, "did you mean `whenMissing`?"),
        ({"clean": {"whenMissing": "delete"}}, "`delete` is not one of `keep`, `drop`, `quarantine`"),
        ({"clean": {"whenMissing": "clip"}}, "`clip` is not one of"),
        ({"clean": {"whenMissing": {"fil": 1}}}, "`{fill: …}` is expected here"),
        ({"clean": {"whenMissing": {"fill": "often"}}}, "the value is not of the column's type, number"),
        ({"clean": {"whenMissing": {"fill": {"valeu": 1}}}}, "a value is expected here"),
        ({"clean": {"whenMissing": {"fill": 10}}}, "outside of the column's range"),
        ({"clean": {"whenMissing": {"fill": 1}}, "unique": True}, "a column of unique values cannot be filled"),
        ({"clean": {"whenMissing": {"fill": "mean"}}, "logicalType": "integer"}, "has no mean of its type"),
        ({"clean": {"outliers": "clip"}, "logicalTypeOptions": {}}, "the column has no range"),
        ({"clean": {"outliers": "clip"}, "logicalTypeOptions": {"exclusiveMinimum": 0}}, "an end that is not in"),
        (
            {"clean": {"outliers": "clip"}, "logicalType": "integer", "logicalTypeOptions": {"minimum": 0.5}},
            "whole numbers cannot be clipped to an end that is none",
        ),
        ({"clean": {"invalid": "clip"}}, "`clip` is not one of `keep`, `drop`, `quarantine`, `missing`"),
        ({"clean": ["drop"]}, "`clean` of a column is a mapping"),
        ({"clean": {}, "logicalType": "array", "logicalTypeOptions": {}}, "only a column with a `logicalType`"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_what_is_not_understood_is_refused(tmp_path: Path, column: dict[str, Any], said: str) -> None:
    assert said in problems(tmp_path, {**NUMBER, **column})


def test_a_text_has_neither_mean_nor_median_and_is_not_clipped(tmp_path: Path) -> None:
    for clean, said in (({"fill": "mean"}, "no mean"), ({"fill": "median"}, "no median")):
        assert said in problems(tmp_path, {"logicalType": "string", "clean": {"whenMissing": clean}})
    day = {"logicalType": "date", "logicalTypeOptions": {"minimum": "2020-01-01"}, "clean": {"outliers": "clip"}}
    assert "only numbers can be clipped" in problems(tmp_path, day)


def test_all_problems_are_told_together_with_their_lines(tmp_path: Path) -> None:
    clean = {"whenMissing": "delete", "outliers": "burn"}
    said = problems(tmp_path, {**NUMBER, "clean": clean}, duplicates="maybe", twice=1)

    lines = (tmp_path / "c.json").read_text().splitlines()
    for word in ("delete", "burn", "maybe", "twice"):
        number = next(number for number, line in enumerate(lines, 1) if word in line)
        assert f"c.json:{number}: " in said, word


def test_duplicates_need_a_key(tmp_path: Path) -> None:
    assert "the table has no key" in problems(tmp_path, NUMBER, duplicates="drop")


def test_a_value_that_is_the_name_of_a_statistic_can_be_filled_in(tmp_path: Path) -> None:
    column = {"logicalType": "string", "clean": {"whenMissing": {"fill": {"value": "mode"}}}}
    rules = table_rules(loaded_contract(tmp_path / "c.json", {"x": column}).contract, "t")

    assert rules.columns[0].fill == Fill(None, "mode")


@pytest.mark.parametrize(
    "other",
    [
        {"logicalTypeOptions": {"minimum": "low", "maximum": None}},
        {"logicalType": "nunber"},
        {"quality": [{"metric": "invalidValues", "mustBe": 0, "mustNotBe": 1}, None]},
        {"enum": [None, {"value": []}]},
    ],
    ids=["limit", "type", "rule", "enum"],
)
@pytest.mark.parametrize("clean", [{"outliers": "clip"}, {"whenMissing": {"fill": 3}}, None, [None]], ids=str)
def test_what_else_is_wrong_with_a_column_is_told_all_the_same(
    tmp_path: Path, other: dict[str, Any], clean: Any
) -> None:
    assert "c.json:" in problems(tmp_path, {**NUMBER, **other, "clean": clean})
