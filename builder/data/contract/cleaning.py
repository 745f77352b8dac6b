"""The custom property `clean` of a column or a table: what is wrong with it. Pure; `data.clean` does what it says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

from builder.data.contract.common import CustomProperty, Problems
from builder.spec.reader import nearest

if TYPE_CHECKING:
    from builder.data.contract.document import Property, SchemaObject

STATISTICS = ("median", "mean", "mode", "previous")
_FATES = ("keep", "drop", "quarantine")
ACTIONS: Mapping[str, tuple[str, ...]] = {
    "whenMissing": _FATES,
    "invalid": (*_FATES, "missing"),
    "outliers": (*_FATES, "clip", "missing"),
}
"""What each key of a column can say, apart from `{fill: …}` of the first."""
_KEYS = ("missing", *ACTIONS)
_NUMBERS = ("number", "integer")
_DATED: dict[str, Any] = {"date": date, "timestamp": datetime, "time": time}
_SCALARS = ("string", "boolean", *_NUMBERS, *_DATED)
ENDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")


@dataclass(frozen=True, slots=True)
class Fill:
    """What takes the place of a missing value: the one of a statistic, or one that is given."""

    statistic: str | None
    value: Any = None

    @property
    def text(self) -> str:
        """The value that is given, as text."""
        return str(self.value).lower() if isinstance(self.value, bool) else str(self.value)


def column_problems(column: Property) -> Problems:
    """What is wrong with what a column declares, which may be read in part."""
    for place, value in _cleans(column.custom_properties):
        for key, message, hint in _column_problems(value, column):
            yield f"{place}.{key}".rstrip("."), message, hint


def table_problems(table: SchemaObject) -> Problems:
    """What is wrong with what a table declares, likewise."""
    for place, value in _cleans(table.custom_properties):
        for key, message, hint in _table_problems(value, table):
            yield f"{place}.{key}".rstrip("."), message, hint


def _cleans(properties: Sequence[CustomProperty | None]) -> Iterator[tuple[str, Any]]:
    """Each property `clean`, with the way to its value."""
    for number, each in enumerate(properties):
        if each is not None and each.property == "clean":
            yield f"customProperties[{number}].value", each.value


def _table_problems(value: Any, table: SchemaObject) -> Problems:
    if not isinstance(value, Mapping):
        yield "", "`clean` of a table is a mapping", "`duplicates: drop`"
        return
    for key in value:
        if key != "duplicates":
            yield key, "this key is not known", nearest(key, ("duplicates",))
    fate = value.get("duplicates", "keep")
    if fate not in _FATES:
        yield "duplicates", *_not_one_of(fate, _FATES)
    elif fate != "keep" and not any(each is not None and each.primary_key for each in table.properties):
        yield "duplicates", "the table has no key to know them by", "say `primaryKey: true` of its columns"


def _column_problems(value: Any, column: Property) -> Problems:
    if not isinstance(value, Mapping):
        yield "", "`clean` of a column is a mapping", "known are " + ", ".join(f"`{key}`" for key in _KEYS)
        return
    if column.logical_type not in _SCALARS:
        yield "", "only a column with a `logicalType` of single values can be cleaned", ", ".join(_SCALARS)
        return
    for key in value:
        if key not in _KEYS:
            yield key, "this key is not known", nearest(key, _KEYS)
    yield from _sentinel_problems(value.get("missing", []))
    for key in ACTIONS:
        action = value.get(key, "keep")
        if key == "whenMissing" and isinstance(action, Mapping):
            yield from _fill_problems(action, column)
        elif action not in ACTIONS[key]:
            yield key, *_not_one_of(action, ACTIONS[key])
    yield from _range_problems(value, column)


def _sentinel_problems(missing: Any) -> Problems:
    if not isinstance(missing, list):
        yield "missing", "a list of the values that stand for none is expected here", "`[NA, -999]`"
        return
    for number, each in enumerate(missing):
        if not _is_scalar(each):
            yield f"missing[{number}]", "a single value is expected here", None
        elif isinstance(each, bool):
            yield f"missing[{number}]", "YAML reads this as a truth value, not as a text", "put it into quotes"


def _range_problems(value: Mapping[str, Any], column: Property) -> Problems:
    options = column.logical_type_options
    if value.get("outliers", "keep") != "keep" and not any(end in options for end in ENDS):
        yield "outliers", "the column has no range", "declare `minimum` or `maximum` in `logicalTypeOptions`"
    elif value.get("outliers") == "clip":
        if column.logical_type not in _NUMBERS:
            yield "outliers", "only numbers can be clipped", None
        elif any(end in options for end in ENDS[2:]):
            yield "outliers", "nothing can be clipped to an end that is not in the range", "use `minimum`, `maximum`"
        elif column.logical_type == "integer" and any(_number(options.get(end), 0) % 1 for end in ENDS[:2]):
            yield "outliers", "whole numbers cannot be clipped to an end that is none", None


def _fill_problems(action: Mapping[str, Any], column: Property) -> Problems:
    if list(action) != ["fill"]:
        yield "whenMissing", "`{fill: …}` is expected here", "a value, or " + ", ".join(STATISTICS)
        return
    if column.unique or column.primary_key:
        yield "whenMissing.fill", "a column of unique values cannot be filled: its values would be equal", None
    fill = read_fill(action["fill"])
    type_ = column.logical_type
    if fill is None:
        yield "whenMissing.fill", "a value is expected here, or one of " + ", ".join(STATISTICS), "`{value: mean}`"
    elif fill.statistic == "mean" and type_ != "number":
        yield "whenMissing.fill", f"a column of the type {type_} has no mean of its type", "`median`, `mode`"
    elif fill.statistic == "median" and type_ in ("string", "boolean"):
        yield "whenMissing.fill", f"a column of the type {type_} has no median", "`mode`"
    elif not fill.statistic and not _is_of(fill.value, str(type_)):
        yield "whenMissing.fill", f"the value is not of the column's type, {type_}", None
    elif not fill.statistic:
        yield from _invalid_fill(fill, column)


def _invalid_fill(fill: Fill, column: Property) -> Problems:
    """What a column promises is promised of what is filled in too, as far as it can be told without the data."""
    readable = all(each is not None and not list(each.problems()) for each in column.quality)
    allowed, options = column.allowed if readable else None, column.logical_type_options
    if allowed is not None and fill.text not in {Fill(None, each).text for each in allowed}:
        yield "whenMissing.fill", "the value is not among those that the column may have", None
    if column.logical_type in _NUMBERS:
        low, high = (_number(options.get(end), fill.value) for end in ENDS[:2])
        if not low <= fill.value <= high:
            yield "whenMissing.fill", "the value is outside of the column's range", None


def read_fill(value: Any) -> Fill | None:
    """What `fill` says; None if it says nothing that is known."""
    if value in STATISTICS:
        return Fill(value)
    if isinstance(value, Mapping):
        value = value["value"] if list(value) == ["value"] else None
    return Fill(None, value) if _is_scalar(value) else None


def _number(value: Any, otherwise: Any) -> Any:
    """A limit that is a number; what else stands there is told elsewhere."""
    return value if isinstance(value, (int, float)) else otherwise


def _is_scalar(value: Any) -> bool:
    return isinstance(value, (str, int, float, bool))


def _is_of(value: Any, type_: str) -> bool:
    """Whether a value is of a logical type."""
    if type_ in _DATED:
        try:
            _DATED[type_].fromisoformat(str(value))
        except ValueError:
            return False
        return True
    if isinstance(value, bool):
        return type_ in ("boolean", "string")
    kinds: dict[str, Any] = {"integer": int, "number": (int, float), "boolean": bool}
    return isinstance(value, kinds.get(type_, object))


def _not_one_of(value: Any, known: tuple[str, ...]) -> tuple[str, str | None]:
    shown = f"`{value}`" if _is_scalar(value) else "it"
    return f"{shown} is not one of " + ", ".join(f"`{each}`" for each in known), nearest(str(value), known)
