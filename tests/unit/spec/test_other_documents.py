"""Documents of other standards: keys in camel case, and values of any kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest

from builder.spec.fields import as_document, key, keys
from builder.spec.reader import Reader
from builder.spec.schema import json_schema


@dataclass(frozen=True, slots=True)
class Part:
    """A part."""

    CAMEL_CASE: ClassVar = True

    from_: str = key("Where from.")


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole."""

    CAMEL_CASE: ClassVar = True

    must_not_be: Any = key("Any value.", default=None)
    parts: tuple[Part | Any, ...] = key("Parts, or single values.", default=())


def read(text: str) -> tuple[Whole | None, list[str]]:
    reader = Reader("w.yaml", Path())
    return reader.read(text.encode(), Whole), [str(each) for each in reader.problems]


def test_keys_in_camel_case_are_read_and_written() -> None:
    assert list(keys(Whole)) == ["mustNotBe", "parts"]
    whole, _ = read("mustNotBe: 5\nparts: [{from: here}]")
    assert whole == Whole(5, (Part("here"),))
    assert as_document(whole) == {"mustNotBe": 5, "parts": [{"from": "here"}]}
    assert "did you mean `mustNotBe`?" in read("must-not-be: 5")[1][0]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: [1, 2.5, true, null, {b: x}]}", {"a": [1, 2.5, True, None, {"b": "x"}]}),
        ("1e-05", 1e-05),
        ("'1e-05'", "1e-05"),
        ("1e9999", "1e9999"),
        ("2024-01-01", "2024-01-01"),
        ("~", None),
        ("0x1F", 31),
    ],
)
def test_any_value_is_plain_data(text: str, value: Any) -> None:
    whole, problems = read(f"mustNotBe: {text}")
    assert whole is not None, problems
    assert whole.must_not_be == value
    assert type(whole.must_not_be) is type(value)


def test_in_a_union_any_is_a_single_value() -> None:
    whole, _ = read("parts: [1, x, {from: here}]")
    assert whole == Whole(None, (1, "x", Part("here")))
    assert "single value is expected here, not a list" in read("parts: [[1]]")[1][0]


def test_what_is_wrong_in_any_value_is_said() -> None:
    assert "stands twice" in read("mustNotBe: {a: 1, a: 2}")[1][0]
    assert "not a finite number" in read("mustNotBe: .inf")[1][0]


@pytest.mark.parametrize(
    ("document", "valid"),
    [
        ({"mustNotBe": {"a": [None]}, "parts": [1, {"from": "x"}]}, True),
        ({"parts": [{"nowhere": "x"}]}, False),
        ({"must-not-be": 1}, False),
    ],
    ids=["any", "wrong part", "another case"],
)
def test_the_schema_says_the_same(document: Any, *, valid: bool) -> None:
    schema = json_schema(Whole, "whole.schema.json")
    assert jsonschema.Draft202012Validator(schema).is_valid(document) is valid
