"""The first rows that a rule does not hold for: asked once more, of violated rules alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder.data.check.evaluate import groups
from builder.data.check.outcome import Sample
from builder.data.check.rule import Repeated, Rows, Rule
from builder.data.privacy.mask import MASK
from builder.data.tables.database import Database, QueryError
from builder.data.tables.files import Table

_LONGEST = 80
"""Characters of a value that are shown."""


def sampled(database: Database, table: Table, rules: Sequence[Rule], most: int) -> list[tuple[Sample, ...]]:
    """Of each rule that many rows at most, in the order of the file; none where there are no rows to show."""
    if not most:
        return [()] * len(rules)
    together = [rule for rule in rules if isinstance(rule.measure, Rows) and not rule.measure.apart]
    found = _of_rows(database, table, together, most) if together else {}
    return [found[rule.id] if rule.id in found else _of_one(database, table, rule, most) for rule in rules]


def _of_rows(database: Database, table: Table, rules: Sequence[Rule], most: int) -> dict[str, tuple[Sample, ...]]:
    """Of all in one scan, by the rules' ids; nothing if it cannot be had so."""
    parts = [
        f"arg_min({{'row': _row, 'values': {_values(rule)}}}, _row, {most}) FILTER (WHERE {_condition(rule)})"
        for rule in rules
    ]
    query = f"SELECT {', '.join(parts)} FROM {database.paired(table.name, numbered=True)} AS paired"
    try:
        answer = database.row(query)
    except QueryError:
        return {}
    return {
        rule.id: tuple(_sample(rule, each["row"], each["values"]) for each in kept or ())
        for rule, kept in zip(rules, answer, strict=True)
    }


def _condition(rule: Rule) -> str:
    return rule.measure.condition if isinstance(rule.measure, Rows) else "true"


def _of_one(database: Database, table: Table, rule: Rule, most: int) -> tuple[Sample, ...]:
    source = f"{database.paired(table.name, numbered=True)} AS paired"
    if isinstance(rule.measure, Repeated):
        twice = groups(database, table, rule.measure)
        source += f" SEMI JOIN ({twice}) AS twice USING ({', '.join(rule.measure.columns)})"
    elif not isinstance(rule.measure, Rows):
        return ()
    query = f"SELECT _row, {_values(rule)} FROM {source} WHERE {_condition(rule)} ORDER BY _row LIMIT {most}"
    try:
        return tuple(_sample(rule, row, values) for row, values in database.rows(query))
    except QueryError:
        return ()


def _values(rule: Rule) -> str:
    if rule.masked or not rule.shown:
        return "CAST([] AS VARCHAR[])"
    return "[" + ", ".join(f"left(CAST({each} AS VARCHAR), {_LONGEST + 1})" for each in rule.shown) + "]"


def _sample(rule: Rule, row: Any, values: Sequence[str | None]) -> Sample:
    if rule.masked:
        return Sample(int(row), MASK)
    if len(values) == 1 or not values:
        return Sample(int(row), _shortened(values[0]) if values and values[0] is not None else None)
    return Sample(int(row), ", ".join("null" if each is None else _shortened(each) for each in values))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
