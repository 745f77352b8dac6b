"""`quality` of a column or a table as rules: the library's metrics, SQL, and what no machine evaluates. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from builder.data.check.planning.columns import NOT_THERE, ColumnSubject
from builder.data.check.planning.limits import not_among, not_matching
from builder.data.check.planning.queries import filled, names_confidential
from builder.data.check.rule import NONE, Figure, Measure, Query, Refused, Repeated, Rows, Rule, Subject, Told
from builder.data.contract.document import Quality
from builder.data.tables.sql import literal, quoted

_SEVERITIES = {"warning": "warning", "warn": "warning", "info": "info", "information": "info"}
"""What is told alone; any other word is an error."""
_UNITS = {None: "rows", "": "rows", "rows": "rows", "percent": "percent"}


def quality_rules(subject: Subject, column: ColumnSubject | None) -> Iterator[Rule]:
    """The rules in `quality`, of a column or else of the table."""
    owner = column.promised if column else subject.promised
    place = f"{column.place if column else subject.place}.quality"
    for number, quality in enumerate(owner.quality):
        yield _rule(subject, column, quality, f"{place}[{number}]")


def _rule(subject: Subject, column: ColumnSubject | None, quality: Quality, place: str) -> Rule:
    kind = (quality.metric or quality.rule or "") if quality.type == "library" else quality.type
    names = [subject.promised.name, *([column.promised.name] if column else []), kind]
    measure = _measure(subject, column, quality, kind)
    compared = quality.type in ("library", "sql")
    combined = () if column else _combined(quality.arguments)
    shown = (column.original,) if column and column.column else tuple(map(quoted, combined))
    return Rule(
        id=quality.id or ".".join(names),
        table=subject.promised.name,
        column=column.promised.name if column else ", ".join(combined) or None,
        kind=kind,
        text=quality.name or quality.description or _text(quality, kind),
        measure=measure,
        threshold=quality.threshold if compared else NONE,
        unit=_unit(quality, measure),
        severity=_SEVERITIES.get((quality.severity or "").strip().lower(), "error"),
        line=subject.line(place),
        shown=shown,
        masked=_is_masked(subject, column, quality, combined),
    )


def _is_masked(subject: Subject, column: ColumnSubject | None, quality: Quality, combined: tuple[str, ...]) -> bool:
    if column and column.promised.is_confidential:
        return True
    if quality.type == "sql":
        return names_confidential(str(quality.query), subject.contract)
    found = [subject.promised.property(name) for name in combined]
    return any(each is not None and each.is_confidential for each in found)


def _text(quality: Quality, kind: str) -> str:
    unit = f" {quality.unit}" if quality.unit else ""
    return f"{kind} {quality.threshold}{unit}" if quality.type in ("library", "sql") else kind


def _unit(quality: Quality, measure: Measure) -> str:
    if quality.type != "library":
        return ""
    if isinstance(measure, Repeated):
        return "values" if quality.unit != "percent" else "percent"
    return _UNITS.get(quality.unit, quality.unit or "")


def _measure(subject: Subject, column: ColumnSubject | None, quality: Quality, kind: str) -> Measure:
    if quality.type == "text":
        return Told()
    if quality.type == "custom":
        return Refused(f"a rule of `{quality.engine or 'another engine'}` is not evaluated here")
    if column is not None and column.column is None:
        return Refused(NOT_THERE)
    if quality.type == "sql":
        return Query(filled(str(quality.query), subject.promised.name, column.promised.column if column else None))
    if quality.unit not in _UNITS:
        return Refused(f"the unit `{quality.unit}` is not known")
    if kind == "rowCount":
        return Figure("count(*)") if quality.unit != "percent" else Refused("rows are not counted in percent of rows")
    if kind == "duplicateValues":
        return _repeated(subject, column, quality.arguments)
    if column is None or column.column is None:
        return Refused(f"`{kind}` is of a column, and this is a rule of a table")
    return _of_column(column, column.column.type, quality.arguments, kind)


def _repeated(subject: Subject, column: ColumnSubject | None, arguments: Mapping[str, Any]) -> Measure:
    if column is not None:
        return Repeated((column.value,))
    names = _combined(arguments)
    found = [subject.promised.property(name) for name in names]
    columns = [each.column if each is not None else name for name, each in zip(names, found, strict=True)]
    absent = [name for name in columns if subject.table.column(name) is None]
    if not columns or absent:
        return Refused(f"the column `{absent[0]}` is not in the file" if absent else "it names no `properties`")
    return Repeated(tuple(map(quoted, columns)))


def _combined(arguments: Mapping[str, Any]) -> tuple[str, ...]:
    listed = arguments.get("properties")
    return tuple(map(str, listed)) if isinstance(listed, (list, tuple)) else ()


def _of_column(column: ColumnSubject, type_: str, arguments: Mapping[str, Any], kind: str) -> Measure:
    if kind == "nullValues":
        return Rows(f"{column.original} IS NULL")
    if kind == "missingValues":
        listed = [each for each in arguments.get("missingValues") or () if each is not None]
        among = f" OR CAST({column.original} AS VARCHAR) IN ({', '.join(map(literal, listed))})" if listed else ""
        return Rows(f"({column.original} IS NULL{among})")
    if kind == "invalidValues":
        return _invalid(column, type_, arguments)
    return Refused(f"the metric `{kind}` is not known")


def _invalid(column: ColumnSubject, type_: str, arguments: Mapping[str, Any]) -> Measure:
    """Values that are none of the valid ones, match no pattern, or do not fit the type of their column."""
    conditions = []
    if arguments.get("validValues") is not None:
        conditions.append(not_among(column.value, list(arguments["validValues"]), type_))
    if arguments.get("pattern") is not None:
        conditions.append(not_matching(f"CAST({column.value} AS VARCHAR)", str(arguments["pattern"])))
    if not conditions:
        return Refused("it needs `validValues` or `pattern` in its `arguments`")
    if column.value != column.original:
        conditions.append(f"({column.original} IS NOT NULL AND {column.value} IS NULL)")
    return Rows("(" + " OR ".join(conditions) + ")")
