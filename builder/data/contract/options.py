"""`logicalTypeOptions`: which each type has, and whether they fit together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, time
from typing import Any

from builder.data.contract.common import Problems
from builder.spec.reader import nearest

_Check = tuple[Callable[[Any], bool], str]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _one_of(*words: str) -> _Check:
    return lambda value: value in words, "one of " + ", ".join(f"`{word}`" for word in words)


_TEXT: _Check = (lambda value: isinstance(value, str), "a text")
_NUMBER: _Check = (_is_number, "a number")
_POSITIVE: _Check = (lambda value: _is_number(value) and value > 0, "a number above 0")
_COUNT: _Check = (_is_count, "a whole number from 0 on")
_FLAG: _Check = (lambda value: isinstance(value, bool), "`true` or `false`")
_NAMES: _Check = (
    lambda value: isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value),
    "a list of names",
)


def _range(check: _Check) -> dict[str, _Check]:
    return dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), check)


_INTEGERS = ("i8", "i16", "i32", "i64", "i128", "u8", "u16", "u32", "u64", "u128")
_ELEMENTS = ("bfloat16", "binary", "float16", "float32", "float64", "int8", "uint8")
_INSTANT = {"format": _TEXT, **_range(_TEXT), "timezone": _FLAG, "defaultTimezone": _TEXT}
OPTIONS: Mapping[str, Mapping[str, _Check]] = {
    "string": {"minLength": _COUNT, "maxLength": _COUNT, "pattern": _TEXT, "format": _TEXT},
    "date": {"format": _TEXT, **_range(_TEXT)},
    "timestamp": _INSTANT,
    "time": _INSTANT,
    "integer": {"multipleOf": _POSITIVE, **_range(_NUMBER), "format": _one_of(*_INTEGERS)},
    "number": {"multipleOf": _POSITIVE, **_range(_NUMBER), "format": _one_of("f32", "f64")},
    "object": {"maxProperties": _COUNT, "minProperties": _COUNT, "required": _NAMES},
    "array": {"maxItems": _COUNT, "minItems": _COUNT, "uniqueItems": _FLAG},
    "boolean": {},
    "map": {},
    "vector": {
        "dimensions": (lambda value: _is_count(value) and value > 0, "a whole number from 1 on"),
        "elementType": _one_of(*_ELEMENTS),
        "distanceMetric": _one_of("cosine", "dotProduct", "euclidean", "hamming", "manhattan"),
        "embeddingModel": _TEXT,
        "embeddingModelVersion": _TEXT,
        "normalized": _FLAG,
    },
}
"""The options of each logical type, and what each must be."""
_LOWER = ("minimum", "exclusiveMinimum")
_UPPER = ("maximum", "exclusiveMaximum")
_PAIRS = [(low, high) for low in _LOWER for high in _UPPER] + [
    (f"min{what}", f"max{what}") for what in ("Length", "Items", "Properties")
]


def option_problems(logical_type: str | None, options: Mapping[str, Any]) -> Problems:
    """What is wrong with the options of a column."""
    if not options:
        if logical_type == "vector":
            yield "logicalTypeOptions", "a vector needs `dimensions`", None
        return
    if logical_type is None:
        yield "logicalTypeOptions", "which of these there are depends on `logicalType`, which is missing", None
        return
    known = OPTIONS.get(logical_type, {})
    for name, value in options.items():
        place = f"logicalTypeOptions.{name}"
        if name not in known:
            yield place, f"a column of the type {logical_type} has no such option", _others(name, logical_type, known)
        elif not known[name][0](value):
            yield place, f"{known[name][1]} is expected here", None
    if logical_type == "vector" and "dimensions" not in options:
        yield "logicalTypeOptions", "a vector needs `dimensions`", None
    yield from _crossed(options, known)


def _others(name: str, logical_type: str, known: Iterable[str]) -> str | None:
    of = [each for each, options in OPTIONS.items() if name in options and each != logical_type]
    return f"it is of the types {', '.join(of)}" if of else nearest(name, known)


def _crossed(options: Mapping[str, Any], known: Mapping[str, _Check]) -> Problems:
    right = {name: value for name, value in options.items() if name in known and known[name][0](value)}
    for low, high in _PAIRS:
        if low in right and high in right:
            least, most = _comparable(right[low]), _comparable(right[high])
            strict = low.startswith("exclusive") or high.startswith("exclusive")
            same = type(least) is type(most) or (_is_number(least) and _is_number(most))
            if same and least is not None and (least > most or (strict and least == most)):
                yield f"logicalTypeOptions.{low}", f"no value is from {right[low]} to `{high}`, {right[high]}", None


def _comparable(value: Any) -> Any:
    """A limit as something that can be compared with another; None if nobody can tell."""
    if not isinstance(value, str):
        return value
    for kind in (date, time, datetime):
        try:
            found = kind.fromisoformat(value)
        except ValueError:
            continue
        return None if getattr(found, "tzinfo", None) else found
    return None
