"""How a column's values are read, as SQL. Pure.

What a value must look like is stricter than DuckDB's casts are: `1.5` is no integer, `2020-01-02 10:00` no date, and a
time with an offset is not one without.
"""

from __future__ import annotations

from builder.data.tables.files import ColumnReading
from builder.data.tables.sql import listed, literal, quoted

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT")
_WIDE = (*_INTEGERS, "UHUGEINT")
_FLOATS = ("FLOAT", "DOUBLE")
_WHOLE = r"\s*[+-]?[0-9]+(\.0*)?\s*"


def typed(name: str, stored: str, reading: ColumnReading | None) -> str:
    """A column as it is read: NULL where it is missing, and where it does not fit."""
    return quoted(name) if reading is None else _unless_missing(cast(name, stored, reading), name, stored, reading)


def present(name: str, stored: str, reading: ColumnReading | None) -> str:
    """A column as the file has it, without what stands for no value."""
    return quoted(name) if reading is None else _unless_missing(quoted(name), name, stored, reading)


def misfit(name: str, stored: str, reading: ColumnReading | None) -> str:
    """The condition of values that are there, are not declared missing, and do not fit."""
    if reading is None:
        return "false"
    return f"({present(name, stored, reading)} IS NOT NULL AND {cast(name, stored, reading)} IS NULL)"


def _unless_missing(value: str, name: str, stored: str, reading: ColumnReading) -> str:
    absent = is_missing(name, stored, reading)
    return f"CASE WHEN {absent} THEN NULL ELSE {value} END" if absent else value


def is_missing(name: str, stored: str, reading: ColumnReading) -> str:
    """The condition of values that are declared missing; empty if none are."""
    if not reading.missing:
        return ""
    value = quoted(name)
    parts = []
    if stored == "VARCHAR":
        parts.append(f"{value} IN ({listed(reading.missing)})")
    elif stored == "JSON":
        parts.append(f"{value}->>'$' IN ({listed(reading.missing)})")
    numbers = [each for each in reading.missing if _is_number(each)]
    if numbers and (is_number(stored) or is_number(reading.type)):
        whole = stored in _WIDE  # compared exactly
        shown = [each if whole and each.lstrip("-").isdecimal() else f"{literal(each)}::DOUBLE" for each in numbers]
        parts.append(f"{_number(name, stored)} IN ({', '.join(shown)})")
    return "(" + " OR ".join(parts) + ")" if parts else ""


def cast(name: str, stored: str, reading: ColumnReading) -> str:
    """A value as its type; NULL if it does not fit."""
    value = quoted(name)
    if stored == "JSON" and reading.type != "JSON":
        value, stored = f"({value}->>'$')", "VARCHAR"
    if reading.format and (stored == "VARCHAR" or stored in _WIDE):
        return _of_formatted(value if stored == "VARCHAR" else f"CAST({value} AS VARCHAR)", reading)
    if stored == reading.type or (reading.type in _INTEGERS and stored in _WIDE):
        return value
    if stored == "VARCHAR":
        return _of_text(value, reading.type)
    return _of_value(value, stored, reading.type)


def _of_formatted(value: str, reading: ColumnReading) -> str:
    if "%z" in reading.format:
        value = f"regexp_replace({value}, 'Z$', '+00:00')"  # which DuckDB does not take for an offset
    return f"TRY_CAST(try_strptime({value}, {literal(reading.format)}) AS {reading.type})"


def _of_text(value: str, type_: str) -> str:
    dated = f"{value} LIKE '____-%'"  # not `2020/01/02`, and not the words `epoch` and `infinity`
    if type_ in _INTEGERS:
        short = f"TRY_CAST({value} AS BIGINT)"  # most values: cheaper than a regular expression
        strict = f"CASE WHEN regexp_full_match({value}, '{_WHOLE}') THEN TRY_CAST({value} AS {type_}) END"
        return f"CASE WHEN CAST({short} AS VARCHAR) = {value} THEN TRY_CAST({short} AS {type_}) ELSE {strict} END"
    if type_ in _FLOATS:
        return f"CASE WHEN NOT contains({value}, '_') THEN TRY_CAST({value} AS {type_}) END"
    if type_ == "DATE":
        midnight = f"TRY_CAST({value} AS TIMESTAMP) = date_trunc('day', TRY_CAST({value} AS TIMESTAMP))"
        fits = f"length({value}) <= 10 OR {midnight}"
        return f"CASE WHEN {dated} AND ({fits}) THEN TRY_CAST({value} AS DATE) END"
    if type_ == "TIMESTAMP":
        plain = f"length({value}) = 10 OR (length({value}) = 19 AND {value}[17] = ':')"  # no room for an offset
        other = f"CAST(TRY_CAST({value} AS TIMESTAMPTZ) AS TIMESTAMP)"
        whole = f"CASE WHEN {plain} THEN TRY_CAST({value} AS TIMESTAMP) ELSE {other} END"
        return f"CASE WHEN {dated} THEN {whole} END"
    if type_ == "TIME":
        return f"CASE WHEN length({value}) <= 15 AND NOT contains({value}, '-') THEN TRY_CAST({value} AS TIME) END"
    return f"TRY_CAST({value} AS {type_})"


def _of_value(value: str, stored: str, type_: str) -> str:
    fits = ""
    if type_ in _INTEGERS and (stored in _FLOATS or stored.startswith("DECIMAL")):
        fits = f"{value} = trunc({value})"
    elif type_ == "BOOLEAN" and is_number(stored):
        fits = f"{value} IN (0, 1)"
    elif type_ == "DATE" and stored.startswith("TIMESTAMP"):
        fits = f"{value} = date_trunc('day', {value})"
    result = f"TRY_CAST({value} AS {type_})"
    return f"CASE WHEN {fits} THEN {result} END" if fits else result


def is_number(type_: str) -> bool:
    """Whether DuckDB's type of a name is one of numbers."""
    return type_ in _WIDE or type_ in _FLOATS or type_.startswith("DECIMAL")


def _number(name: str, stored: str) -> str:
    if is_number(stored):
        return quoted(name)
    value = f"({quoted(name)}->>'$')" if stored == "JSON" else quoted(name)
    return f"TRY_CAST({value} AS DOUBLE)"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text
