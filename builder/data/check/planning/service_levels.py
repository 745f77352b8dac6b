"""`slaProperties` as rules: how old the newest, or the oldest, value of a column may be. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.data.check.rule import Figure, Measure, Refused, Rule, Subject, Told
from builder.data.contract.document import ServiceLevel
from builder.data.contract.references import resolve
from builder.data.contract.thresholds import Threshold
from builder.data.tables.sql import quoted

AGE = "age"
"""The unit of figures that are a moment: what is measured is how old it is, by the time that is handed in."""
_NEWEST = ("freshness", "latency")
_OLDEST = ("retention",)
_DAY = 86400
_SECONDS = {
    1: ("s", "sec", "second", "seconds"),
    60: ("m", "min", "minute", "minutes"),
    3600: ("h", "hr", "hour", "hours"),
    _DAY: ("d", "day", "days"),
    7 * _DAY: ("w", "week", "weeks"),
    30 * _DAY: ("mo", "month", "months"),
    365 * _DAY: ("y", "yr", "year", "years"),
}
_DURATION = re.compile(
    r"P(?=\d|T\d)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?"
)
_PARTS = (365 * _DAY, 30 * _DAY, 7 * _DAY, _DAY, 3600, 60, 1)


def service_level_rules(subject: Subject) -> Iterator[Rule]:
    """The service levels of a table's columns; those of no column are told with the first table."""
    for number, level in enumerate(subject.contract.sla_properties):
        yield from _rules(subject, level, number)


def _rules(subject: Subject, level: ServiceLevel, number: int) -> Iterator[Rule]:
    place = f"slaProperties[{number}]"
    element = level.element or subject.contract.sla_default_element or ""
    elements = [each.strip() for each in element.split(",") if each.strip()]
    is_first = subject.contract.schema[0] is subject.promised
    if level.property.lower() not in (*_NEWEST, *_OLDEST):
        if is_first:
            yield _rule(subject, level, None, Told(), place)
        return
    for each in elements or [""]:
        found = resolve(subject.contract, each)
        if found is None and is_first:
            yield _rule(subject, level, None, Refused(f"there is no column `{each}`"), place)
        elif found is not None and found[0].name == subject.promised.name:
            yield _rule(subject, level, found[1].name, _measure(subject, level, found[1].column), place)


def seconds_of(level: ServiceLevel) -> int | None:
    """How long a service level is; None if nobody can tell."""
    value = level.value
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip().upper())):
        return sum(int(amount) * part for amount, part in zip(match.groups(), _PARTS, strict=True) if amount)
    unit = (level.unit or "d").strip().lower()
    try:
        amount = float(value)
    except (TypeError, ValueError):
        return None
    if unit == "m" and level.property.lower() in _OLDEST:
        unit = "mo"
    return next((round(amount * factor) for factor, names in _SECONDS.items() if unit in names), None)


def _measure(subject: Subject, level: ServiceLevel, name: str) -> Measure:
    column = subject.table.column(name)
    if column is None:
        return Refused("the column is not in the file")
    if seconds_of(level) is None:
        return Refused(f"`{level.value}` of the unit `{level.unit}` is no time that is known")
    if column.type != "DATE" and not column.type.startswith("TIMESTAMP"):
        return Refused(f"values of the type {column.type} are no moments")
    aggregate = "max" if level.property.lower() in _NEWEST else "min"
    return Figure(f"epoch(CAST({aggregate}({quoted(name)}) AS TIMESTAMP))")


def _rule(subject: Subject, level: ServiceLevel, column: str | None, measure: Measure, place: str) -> Rule:
    kind = level.property.lower()
    text = level.description or f"{kind} {level.value} {level.unit or ''}".strip()
    parts = [subject.promised.name, *([column] if column else []), kind]
    return Rule(
        id=level.id or ".".join(parts),
        table=subject.promised.name,
        column=column,
        kind=kind,
        text=text,
        measure=measure,
        threshold=Threshold("mustBeLessOrEqualTo", seconds_of(level) or 0),
        unit=AGE if isinstance(measure, Figure) else "",
        line=subject.line(place),
    )
