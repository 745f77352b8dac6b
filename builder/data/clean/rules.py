"""The custom property `clean` of a table and its columns: read strictly, all problems together. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from builder.data.contract.document import Property, SchemaObject
from builder.data.contract.read import LoadedContract
from builder.errors import EnvbuildError
from builder.spec.reader import Problem, SpecError, nearest

Found = Iterator[tuple[str, str, str | None]]
"""What is wrong: the way to it from the property's value, a message, a hint."""
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


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """What is declared of a column."""

    column: Property
    missing: tuple[str, ...] = ()
    """Texts that stand for no value."""
    when_missing: str = "keep"
    """`keep`, `drop`, `quarantine` or `fill`."""
    fill: Fill | None = None
    invalid: str = "keep"
    outliers: str = "keep"

    @property
    def does_something(self) -> bool:
        """Whether any value could be changed by it, or any row be left out."""
        return bool(self.missing) or (self.when_missing, self.invalid, self.outliers) != ("keep",) * 3

    def limit(self, name: str) -> Any:
        """One of `logicalTypeOptions`; None if there is none."""
        return self.column.logical_type_options.get(name)


@dataclass(frozen=True, slots=True)
class TableRules:
    """What is declared of a table."""

    table: SchemaObject
    columns: tuple[ColumnRules, ...]
    """Those that have anything declared, in the order of the contract."""
    duplicates: str = "keep"
    """Rows with a key that an earlier one has: `keep`, `drop` or `quarantine`."""

    @property
    def does_something(self) -> bool:
        """Whether anything is declared that could change the file."""
        return self.duplicates != "keep" or any(each.does_something for each in self.columns)

    @property
    def quarantines(self) -> bool:
        """Whether rows could be put aside."""
        fates = [self.duplicates]
        fates += [fate for each in self.columns for fate in (each.when_missing, each.invalid, each.outliers)]
        return "quarantine" in fates


def table_rules(loaded: LoadedContract, name: str) -> TableRules:
    """What a contract declares of the table of a name. Raises: SpecError; EnvbuildError, if it has none of it."""
    table = loaded.contract.table(name)
    if table is None:
        raise EnvbuildError(f"the contract `{loaded.contract.id}` has no table `{name}`")
    place = f"schema[{loaded.contract.schema.index(table)}]"
    problems: list[Problem] = []
    duplicates = "keep"
    for path, value in _cleans(table, place):
        _report(loaded, path, _table_problems(value, table), problems)
        if isinstance(value, Mapping) and not problems:
            duplicates = value.get("duplicates", "keep")
    columns = []
    for number, column in enumerate(table.properties):
        for path, value in _cleans(column, f"{place}.properties[{number}]"):
            found = list(_column_problems(value, column))
            _report(loaded, path, iter(found), problems)
            columns += [] if found else [_column_rules(value, column)]
    if problems:
        raise SpecError(str(loaded.file), problems)
    return TableRules(table, tuple(columns), duplicates)


def _cleans(of: SchemaObject | Property, place: str) -> Iterator[tuple[str, Any]]:
    """Each property `clean`, with the way to its value."""
    for number, each in enumerate(of.custom_properties):
        if each.property == "clean":
            yield f"{place}.customProperties[{number}].value", each.value


def _report(loaded: LoadedContract, path: str, found: Found, problems: list[Problem]) -> None:
    for key, message, hint in found:
        way = whole = f"{path}.{key}" if key else path
        while way and way not in loaded.lines:
            way = way[: max(way.rfind("."), way.rfind("["), 0)]
        problems.append(Problem(str(loaded.file), loaded.lines.get(way, 1), whole, message, hint))


def _table_problems(value: Any, table: SchemaObject) -> Found:
    if not isinstance(value, Mapping):
        yield "", "`clean` of a table is a mapping", "`duplicates: drop`"
        return
    for key in value:
        if key != "duplicates":
            yield key, "this key is not known", nearest(key, ("duplicates",))
    fate = value.get("duplicates", "keep")
    if fate not in _FATES:
        yield "duplicates", *_not_one_of(fate, _FATES)
    elif fate != "keep" and not table.primary_key:
        yield "duplicates", "the table has no key to know them by", "say `primaryKey: true` of its columns"


def _column_problems(value: Any, column: Property) -> Found:
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


def _sentinel_problems(missing: Any) -> Found:
    if not isinstance(missing, list):
        yield "missing", "a list of the values that stand for none is expected here", "`[NA, -999]`"
        return
    for number, each in enumerate(missing):
        if not _is_scalar(each):
            yield f"missing[{number}]", "a single value is expected here", None
        elif isinstance(each, bool):
            yield f"missing[{number}]", "YAML reads this as a truth value, not as a text", "put it into quotes"


def _range_problems(value: Mapping[str, Any], column: Property) -> Found:
    options = column.logical_type_options
    if value.get("outliers", "keep") != "keep" and not any(end in options for end in ENDS):
        yield "outliers", "the column has no range", "declare `minimum` or `maximum` in `logicalTypeOptions`"
    elif value.get("outliers") == "clip":
        if column.logical_type not in _NUMBERS:
            yield "outliers", "only numbers can be clipped", None
        elif any(end in options for end in ENDS[2:]):
            yield "outliers", "nothing can be clipped to an end that is not in the range", "use `minimum`, `maximum`"
        elif column.logical_type == "integer" and any(options.get(end, 0) % 1 for end in ENDS[:2]):
            yield "outliers", "whole numbers cannot be clipped to an end that is none", None


def _fill_problems(action: Mapping[str, Any], column: Property) -> Found:
    if list(action) != ["fill"]:
        yield "whenMissing", "`{fill: …}` is expected here", "a value, or " + ", ".join(STATISTICS)
        return
    if column.unique or column.primary_key:
        yield "whenMissing.fill", "a column of unique values cannot be filled: its values would be equal", None
    fill = _fill(action["fill"])
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


def _invalid_fill(fill: Fill, column: Property) -> Found:
    """What a column promises is promised of what is filled in too, as far as it can be told without the data."""
    allowed, options = column.allowed, column.logical_type_options
    if allowed is not None and fill.text not in {Fill(None, each).text for each in allowed}:
        yield "whenMissing.fill", "the value is not among those that the column may have", None
    if column.logical_type in _NUMBERS:
        low, high = options.get("minimum", fill.value), options.get("maximum", fill.value)
        if not low <= fill.value <= high:
            yield "whenMissing.fill", "the value is outside of the column's range", None


def _column_rules(value: Mapping[str, Any], column: Property) -> ColumnRules:
    action = value.get("whenMissing", "keep")
    fill = _fill(action["fill"]) if isinstance(action, Mapping) else None
    return ColumnRules(
        column,
        tuple(map(str, value.get("missing", ()))),
        "fill" if fill else str(action),
        fill,
        value.get("invalid", "keep"),
        value.get("outliers", "keep"),
    )


def _fill(value: Any) -> Fill | None:
    if value in STATISTICS:
        return Fill(value)
    if isinstance(value, Mapping):
        value = value["value"] if list(value) == ["value"] else None
    return Fill(None, value) if _is_scalar(value) else None


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
