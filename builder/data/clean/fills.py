"""What takes the place of missing values: exact statistics of the rows that stay, whatever the number of threads."""

from __future__ import annotations

from typing import Any

from builder.data.clean.steps import Steps, constant
from builder.data.contract.cleaning import Fill
from builder.data.tables.database import Database
from builder.data.tables.files import Column, ColumnReading
from builder.data.tables.reading import is_number
from builder.data.tables.sql import literal
from builder.errors import EnvbuildError

DIGITS = 12
"""Of a mean: the sum of floating-point numbers depends on their order in the last ones."""


def fills(database: Database, steps: Steps) -> dict[int, str]:
    """By the column's number, the text that is filled in; nothing for `previous`, and where no value is there.

    Raises: QueryError; EnvbuildError, if a column cannot store it.
    """
    found = {}
    for number, rules in steps.ruled:
        if rules.fill is None or rules.fill.statistic == "previous":
            continue
        column = steps.table.columns[number]
        value = rules.fill.text if rules.fill.statistic is None else _statistic(database, steps, number)
        if value is not None:
            text = _as_stored(database, value, column, steps.table.file.readings[column.name])
            _check_storable(database, text, column, rules.fill)
            found[number] = text
    return found


def _statistic(database: Database, steps: Steps, number: int) -> Any:
    """The statistic's value; None if no value is there."""
    rules = dict(steps.ruled)[number]
    statistic = rules.fill.statistic if rules.fill else None
    values = steps.present(number, rules)
    if statistic == "mode":
        found = database.rows(f"SELECT v FROM ({values}) GROUP BY v ORDER BY count(*) DESC, v LIMIT 1")
        return found[0][0] if found else None
    if statistic == "mean":
        (mean,) = database.row(f"SELECT favg(v) FROM ({values})")
        return None if mean is None else float(f"{mean:.{DIGITS}g}")
    (count,) = database.row(f"SELECT count(*) FROM ({values})")
    if not count:
        return None
    middle = database.rows(f"SELECT v FROM ({values}) ORDER BY v LIMIT {2 - count % 2} OFFSET {(count - 1) // 2}")
    is_between = rules.column.logical_type == "number" and len(middle) == 2
    return (middle[0][0] + middle[1][0]) / 2 if is_between else middle[0][0]


def _as_stored(database: Database, value: Any, column: Column, reading: ColumnReading) -> str:
    """A value as a text of the column: a date as the column writes dates."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if reading.format and column.stored == "VARCHAR":
        return str(database.row(f"SELECT strftime({literal(text)}::TIMESTAMP, {literal(reading.format)})")[0])
    return text


def _check_storable(database: Database, text: str, column: Column, fill: Fill) -> None:
    """Raises: EnvbuildError, if the value is another one, or none, when it is stored."""
    if column.stored in ("VARCHAR", "JSON"):
        return
    stored = constant(text, column.stored)
    same = f"{stored}::DOUBLE = {literal(text)}::DOUBLE" if is_number(column.stored) else f"{stored} IS NOT NULL"
    if not database.row(f"SELECT coalesce({same}, false)")[0]:
        shown = f"the {fill.statistic}" if fill.statistic else "the value that is declared"
        raise EnvbuildError(
            f"the column `{column.name}` cannot be filled with {shown}",
            f"the file stores it as {column.stored}, which does not hold it exactly",
            "Declare another value, or `median`, or store the column as another type",
        )
