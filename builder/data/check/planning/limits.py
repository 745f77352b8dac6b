"""`logicalTypeOptions` and `enum` as conditions on the rows that are not so. Pure.

What is missing, or does not fit its type, breaks no limit: `required` and the type have rules of their own. NaN is
outside of every range.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

from builder.data.check.planning.formats import TEXT_FORMATS, UNCHECKED_FORMATS
from builder.data.check.planning.types import family, is_float, is_instant, is_number
from builder.data.check.rule import Known, Measure, Refused, Rows
from builder.data.contract.document import EnumValue, Property
from builder.data.tables.files import Column
from builder.data.tables.sql import literal, quoted

_RANGE = {
    "minimum": (">=", "not below {}"),
    "maximum": ("<=", "not above {}"),
    "exclusiveMinimum": (">", "above {}"),
    "exclusiveMaximum": ("<", "below {}"),
}
_LENGTHS = {
    "minLength": (">=", "length", "texts have {} characters or more"),
    "maxLength": ("<=", "length", "texts have {} characters at most"),
    "minItems": (">=", "len", "lists have {} elements or more"),
    "maxItems": ("<=", "len", "lists have {} elements at most"),
}


@dataclass(frozen=True, slots=True)
class Limit:
    """What values of a column have to be."""

    kind: str
    text: str
    measure: Measure
    place: str


def limits_of(promised: Property, column: Column) -> Iterator[Limit]:
    """The limits of a column, in the order of the contract."""
    for name, value in promised.logical_type_options.items():
        place = f".logicalTypeOptions.{name}"
        found = _option(name, value, promised, column)
        if found is not None:
            text, measure = found
            yield Limit(name, text, measure if not isinstance(measure, str) else Rows(measure), place)
    if promised.enum:
        values = [each.value if isinstance(each, EnumValue) else each for each in promised.enum]
        yield Limit("enum", enum_text(values), Rows(not_among(quoted(promised.column), values, column.type)), ".enum")


def enum_text(values: list[Any]) -> str:
    """Which values there may be, for people."""
    shown = ", ".join(map(str, values[:5])) + (f" and {len(values) - 5} more" if len(values) > 5 else "")
    return f"values are among {shown}"


def not_among(value: str, allowed: list[Any], type_: str) -> str:
    """The condition on a value that is none of those that are allowed; what is missing is not such."""
    known = [each for each in allowed if each is not None]
    if not known:
        return f"{value} IS NOT NULL"
    if is_number(type_) and all(isinstance(each, (int, float)) and not isinstance(each, bool) for each in known):
        listed = ", ".join(map(str, known))
    else:
        value, listed = f"CAST({value} AS VARCHAR)", ", ".join(literal(_text(each)) for each in known)
    return f"{value} NOT IN ({listed})"


def not_matching(value: str, pattern: str) -> str:
    """The condition on a text in which a regular expression (RE2) is found nowhere."""
    return f"NOT regexp_matches({value}, {literal(pattern)})"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _option(name: str, limit: Any, promised: Property, column: Column) -> tuple[str, Measure | str] | None:
    value = quoted(promised.column)
    if name in _RANGE:
        return _range(name, limit, value, column)
    if name in _LENGTHS:
        sign, function, text = _LENGTHS[name]
        return text.format(limit), f"NOT ({function}({value}) {sign} {limit})"
    if name == "pattern":
        return f"texts match {limit}", not_matching(value, limit)
    if name == "multipleOf":
        return f"values are multiples of {limit}", _no_multiple(value, limit, column)
    if name == "uniqueItems":
        return ("lists have no element twice", f"NOT list_unique({value}) = len({value})") if limit else None
    if name == "format":
        return _format(limit, promised, value)
    if name in ("timezone", "defaultTimezone", "distanceMetric", "embeddingModel", "embeddingModelVersion"):
        return None  # says how values are to be understood, not which there may be
    if name == "dimensions":
        return f"vectors have {limit} elements", f"NOT len({value}) = {limit}"
    return f"`{name}` is {limit}", Refused(f"`{name}` is not evaluated")


def _range(name: str, limit: Any, value: str, column: Column) -> tuple[str, Measure | str]:
    sign, text = _RANGE[name]
    described = f"values are {text.format(limit)}"
    if is_number(column.type) and isinstance(limit, (int, float)) and not isinstance(limit, bool):
        beyond = f" OR isnan({value})" if is_float(column.type) and sign.startswith(">") else ""
        return described, f"(NOT {value} {sign} {limit}{beyond})"
    if is_instant(column.type) and isinstance(limit, str):
        if not _is_moment(limit, column.type):
            return described, Refused(f"`{limit}` is no value of the type {column.type}")
        return described, f"NOT {value} {sign} CAST({literal(limit)} AS {column.type})"
    return described, Refused(f"values of the type {column.type} cannot be compared with {limit!r}")


def _is_moment(text: str, type_: str) -> bool:
    kinds = (time,) if type_.startswith("TIME") and not type_.startswith("TIMESTAMP") else (date, datetime)
    for kind in kinds:
        with suppress(ValueError):
            kind.fromisoformat(text)
            return True
    return False


def _no_multiple(value: str, factor: float, column: Column) -> str:
    if isinstance(factor, int) and not is_float(column.type) and family(column.type) != "DECIMAL":
        return f"{value} % {factor} <> 0"
    quotient = f"(CAST({value} AS DOUBLE) / {float(factor)!r})"
    return f"(NOT isfinite({quotient}) OR abs({quotient} - round({quotient})) > 1e-9 * greatest(1, abs({quotient})))"


def _format(name: str, promised: Property, value: str) -> tuple[str, Measure | str] | None:
    if promised.logical_type == "string":
        if name in UNCHECKED_FORMATS:
            return None
        text = f"texts are of the format {name}"
        pattern = TEXT_FORMATS.get(name)
        return text, not_matching(value, pattern) if pattern else Refused(f"the format `{name}` is not known")
    if promised.logical_type == "integer":
        signed, bits = name[0] == "i", int(name[1:])
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if bits == 128:
            return f"values fit {name}", f"{value} < 0" if not signed else Known(0)
        return f"values fit {name}", f"NOT {value} BETWEEN {low} AND {high}"
    return None  # of dates and times it says how they are read; what cannot be read does not fit the type
