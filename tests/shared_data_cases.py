"""Data under contracts of one rule each, which every evaluator must judge in the same way."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Case:
    """One rule, and whether it holds."""

    name: str
    kind: str
    """The rule, as `data check` names it."""
    column: dict[str, Any]
    values: list[Any]
    holds: bool
    table: dict[str, Any] = field(default_factory=dict)
    other: list[Any] | None = None
    """The values of the column `key` of a second table."""
    sla: dict[str, Any] | None = None


def _options(logical_type: str, **limits: Any) -> dict[str, Any]:
    return {"logicalType": logical_type, "logicalTypeOptions": limits}


def _metric(logical_type: str, **keys: Any) -> dict[str, Any]:
    return {"logicalType": logical_type, "quality": [{"type": "library", **keys}]}


def _table(**keys: Any) -> dict[str, Any]:
    return {"quality": [keys]}


_TEXT, _WHOLE, _NUMBER = ({"logicalType": name} for name in ("string", "integer", "number"))
_VALID = {"metric": "invalidValues", "arguments": {"validValues": ["a", "b"]}}
_MISSING = {"metric": "missingValues", "arguments": {"missingValues": [None, "N/A"]}}
_FEW_TWICE = _metric("integer", metric="duplicateValues", mustBeLessThan=2)
_REFERENCE = {**_WHOLE, "relationships": [{"to": "other.key"}]}
_COUNT = "SELECT count(*) FROM ${table} WHERE v > 1"
CASES = [
    Case("required", "required", {**_TEXT, "required": True}, ["a", "b"], True),
    Case("required-null", "required", {**_TEXT, "required": True}, ["a", None], False),
    Case("unique", "unique", {**_WHOLE, "unique": True}, [1, 2, None, None], True),
    Case("unique-twice", "unique", {**_WHOLE, "unique": True}, [1, 2, 1], False),
    Case("key", "primaryKeyUnique", {**_WHOLE, "primaryKey": True, "primaryKeyPosition": 1}, [1, 2], True),
    Case("key-twice", "primaryKeyUnique", {**_WHOLE, "primaryKey": True, "primaryKeyPosition": 1}, [1, 1], False),
    Case("key-null", "primaryKey", {**_WHOLE, "primaryKey": True, "primaryKeyPosition": 1}, [1, None], False),
    Case("minimum", "minimum", _options("integer", minimum=0), [0, 5, None], True),
    Case("minimum-below", "minimum", _options("integer", minimum=0), [0, -1], False),
    Case("maximum", "maximum", _options("number", maximum=1.5), [1.5, -2.0], True),
    Case("maximum-above", "maximum", _options("number", maximum=1.5), [1.5, 1.6], False),
    Case("above", "exclusiveMinimum", _options("integer", exclusiveMinimum=0), [1, 2], True),
    Case("not-above", "exclusiveMinimum", _options("integer", exclusiveMinimum=0), [0, 2], False),
    Case("below", "exclusiveMaximum", _options("number", exclusiveMaximum=1), [0.5, 0.75], True),
    Case("not-below", "exclusiveMaximum", _options("number", exclusiveMaximum=1), [0.5, 1.0], False),
    Case("longest", "maxLength", _options("string", maxLength=3), ["abc", "é"], True),
    Case("too-long", "maxLength", _options("string", maxLength=3), ["abcd"], False),
    Case("shortest", "minLength", _options("string", minLength=2), ["ab", "abc"], True),
    Case("too-short", "minLength", _options("string", minLength=2), ["a", "abc"], False),
    Case("pattern", "pattern", _options("string", pattern="^[A-Z]{2}[0-9]$"), ["AB1", None], True),
    Case("pattern-other", "pattern", _options("string", pattern="^[A-Z]{2}[0-9]$"), ["AB1", "xAB1"], False),
    Case("pattern-within", "pattern", _options("string", pattern="b+"), ["abbc"], True),
    Case("enum", "enum", {**_TEXT, "enum": [{"value": "a"}, {"value": "b"}]}, ["a", "b", None], True),
    Case("enum-other", "enum", {**_TEXT, "enum": [{"value": "a"}, {"value": "b"}]}, ["a", "c"], False),
    Case("nulls", "nullValues", _metric("integer", metric="nullValues", mustBeLessThan=2), [1, None, 2], True),
    Case("nulls-many", "nullValues", _metric("integer", metric="nullValues", mustBeLessThan=2), [None, None, 2], False),
    Case(
        "nulls-share", "nullValues",
        _metric("integer", metric="nullValues", mustBeLessThan=30, unit="percent"), [None, 1, 2, 3], True,
    ),
    Case(
        "nulls-share-many", "nullValues",
        _metric("integer", metric="nullValues", mustBeLessThan=20, unit="percent"), [None, 1, 2, 3], False,
    ),
    Case("missing", "missingValues", _metric("string", **_MISSING, mustBeLessOrEqualTo=2), ["N/A", None, "a"], True),
    Case("missing-many", "missingValues", _metric("string", **_MISSING, mustBe=1), ["N/A", None, "a"], False),
    Case("valid", "invalidValues", _metric("string", **_VALID, mustBe=0), ["a", "b", None], True),
    Case("invalid", "invalidValues", _metric("string", **_VALID, mustBe=0), ["a", "c"], False),
    Case("invalid-some", "invalidValues", _metric("string", **_VALID, mustBeBetween=[1, 2]), ["a", "c"], True),
    Case(
        "valid-pattern", "invalidValues",
        _metric("string", metric="invalidValues", arguments={"pattern": "^a"}, mustBe=0), ["ab", "ba"], False,
    ),
    Case("twice", "duplicateValues", _FEW_TWICE, [1, 1, 1, 2], True),
    Case("twice-two", "duplicateValues", _FEW_TWICE, [1, 1, 2, 2], False),
    Case("rows", "rowCount", _TEXT, ["a", "b"], True, _table(metric="rowCount", mustBeGreaterOrEqualTo=2)),
    Case("rows-few", "rowCount", _TEXT, ["a", "b"], False, _table(metric="rowCount", mustBeGreaterThan=2)),
    Case("rows-outside", "rowCount", _TEXT, ["a", "b"], True, _table(metric="rowCount", mustNotBeBetween=[3, 9])),
    Case("sql", "sql", _WHOLE, [1, 2, 3], True, _table(type="sql", query=_COUNT, mustBe=2)),
    Case("sql-other", "sql", _WHOLE, [1, 2, 3], False, _table(type="sql", query=_COUNT, mustNotBe=2)),
    Case("reference", "relationship", _REFERENCE, [1, 2, None], True, other=[1, 2]),
    Case("reference-none", "relationship", _REFERENCE, [1, 9], False, other=[1, 2]),
    Case(
        "fresh", "freshness", {"logicalType": "timestamp"}, ["2999-01-01 00:00:00"], True,
        sla={"property": "freshness", "value": 1, "unit": "d", "element": "t.v"},
    ),
    Case(
        "stale", "freshness", {"logicalType": "timestamp"}, ["2020-01-01 00:00:00"], False,
        sla={"property": "freshness", "value": 1, "unit": "d", "element": "t.v"},
    ),
]  # fmt: skip
TYPES = {
    "field_required": "required",
    "field_unique": "unique",
    "field_primary_key_required": "primaryKey",
    "field_primary_key_unique": "primaryKeyUnique",
    "field_minimum": "minimum",
    "field_maximum": "maximum",
    "field_min_length": "minLength",
    "field_max_length": "maxLength",
    "field_regex": "pattern",
    "field_enum": "enum",
    "field_null_values": "nullValues",
    "field_missing_values": "missingValues",
    "field_invalid_values": "invalidValues",
    "field_duplicate_values": "duplicateValues",
    "row_count": "rowCount",
    "model_quality_sql": "sql",
    "field_relationships": "relationship",
    "servicelevel_freshness": "freshness",
}
"""The rules that datacontract-cli names, as `data check` does."""
DIFFERENCES = {
    "a bad pattern fails what stands beside it": (
        [_options("integer", minimum=0), _options("string", pattern="(?=a)")],
        "n,v\n1,a\n",
        {"field_minimum": "failed", "field_regex": "failed"},
        {"minimum": "passed", "pattern": "not-evaluated"},
    ),
    "NaN is within a range": (
        [_WHOLE, _options("number", minimum=0)],
        "n,v\n1,nan\n",
        {"field_minimum": "passed"},
        {"minimum": "violated"},
    ),
    "a fraction is a whole number": (
        [_WHOLE, {**_WHOLE, "required": True}],
        "n,v\n1,2.5\n",
        {"field_required": "passed"},
        {"required": "passed", "type": "violated"},
    ),
    "a value that does not fit stops everything": (
        [_options("integer", maximum=2), {**_WHOLE, "required": True}],
        "n,v\n1,oops\n2,\n",
        {"field_maximum": "none", "field_required": "none", "general": "failed"},
        {"maximum": "passed", "required": "violated", "type": "violated"},
    ),
    "integers beyond 64 bits stop everything": (
        [_WHOLE, {**_WHOLE, "required": True}],
        "n,v\n1,9223372036854775808\n",
        {"field_required": "none", "general": "failed"},
        {"required": "passed", "type": "passed"},
    ),
    "multipleOf is passed over": (
        [_WHOLE, _options("integer", multipleOf=5)],
        "n,v\n1,7\n",
        {},
        {"multipleOf": "violated"},
    ),
    "format is passed over": (
        [_WHOLE, _options("string", format="email")],
        "n,v\n1,nobody\n",
        {},
        {"format": "violated"},
    ),
}  # fmt: skip
"""Where datacontract-cli is wrong: two columns, their values, what it says, and what `data check` says."""
