"""The rules of one table, measured: those that need only the rows in one scan, all others each by itself.

What stands beside a bad rule is measured all the same: each is tried on no rows before it joins the scan, and if the
scan fails for a reason that only the values give, or takes too long, each rule is measured alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from builder.data.check.planning.queries import asks_for_all
from builder.data.check.rule import Figure, Known, Query, Refused, Repeated, Rows, Rule
from builder.data.tables.database import Database, QueryError, unread
from builder.data.tables.files import Table
from builder.data.tables.room import little_room
from builder.data.tables.sql import counted, quoted


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured for a rule."""

    value: Any = None
    violations: int | None = None
    refused: str = ""
    """Why nothing was."""


@dataclass(frozen=True, slots=True)
class Measurements:
    """What was measured of a table, for each rule in their order."""

    rows: int
    each: tuple[Measured, ...]


def measure(database: Database, table: Table, rules: Sequence[Rule]) -> Measurements:
    """Measure the rules of a table. Raises: EnvbuildError, if its file cannot be read."""
    found: dict[int, Measured] = {}
    joint = [(number, _aggregate(rule)) for number, rule in enumerate(rules) if _aggregate(rule)]
    tried = _tried(database, table, joint, found)
    rows = _scan(database, table, tried, found)
    repeated = [(number, rule.measure) for number, rule in enumerate(rules) if isinstance(rule.measure, Repeated)]
    found |= _repetitions(database, table, repeated)
    for number, rule in enumerate(rules):
        if number not in found:
            found[number] = _alone(database, table, rule)
    return Measurements(rows, tuple(found[number] for number in range(len(rules))))


def _aggregate(rule: Rule) -> str:
    """What measures a rule in one scan with others; empty if nothing does."""
    if isinstance(rule.measure, Rows) and not rule.measure.apart:
        return counted(rule.measure.condition)
    return rule.measure.expression if isinstance(rule.measure, Figure) else ""


def _tried(
    database: Database, table: Table, joint: list[tuple[int, str]], found: dict[int, Measured]
) -> list[tuple[int, str]]:
    """Those that can be asked at all; of the others it is noted why not."""
    nothing = _no_rows(table)
    try:
        database.row(f"SELECT {', '.join(['count(*)', *(each for _, each in joint)])} FROM {nothing}")
    except QueryError:
        return [(number, each) for number, each in joint if _is_sound(database, nothing, each, number, found)]
    return joint


def _is_sound(database: Database, nothing: str, expression: str, number: int, found: dict[int, Measured]) -> bool:
    try:
        database.row(f"SELECT {expression} FROM {nothing}")
    except QueryError as error:
        found[number] = Measured(refused=_why(error))
        return False
    return True


def _no_rows(table: Table) -> str:
    """The columns of `Database.paired` without a row."""
    columns = ["NULL AS _none"]
    for column in table.columns:
        columns.append(f"CAST(NULL AS {column.type}) AS {quoted(column.name)}")
        if column.name in table.file.readings:
            columns.append(f"CAST(NULL AS {column.stored}) AS {quoted(unread(column.name))}")
    return f"(SELECT {', '.join(columns)} WHERE false) AS paired"


def _scan(database: Database, table: Table, joint: list[tuple[int, str]], found: dict[int, Measured]) -> int:
    """Measure all in one scan, or else each in its own; how many rows there are."""
    source = f"{database.paired(table.name)} AS paired"
    try:
        rows, *values = database.row(f"SELECT {', '.join(['count(*)', *(each for _, each in joint)])} FROM {source}")
    except QueryError:
        (rows,) = database.row(f"SELECT count(*) FROM {source}")
        for number, each in joint:
            found[number] = _single(database, f"SELECT {each} FROM {source}")
        return int(rows)
    found |= {number: Measured(value) for (number, _), value in zip(joint, values, strict=True)}
    return int(rows)


def _repetitions(
    database: Database, table: Table, repeated: list[tuple[int, Repeated]]
) -> Iterator[tuple[int, Measured]]:
    for number, each in repeated:
        yield number, _repetition(database, table, each)


def _repetition(database: Database, table: Table, repeated: Repeated) -> Measured:
    """How many values are there more than once, in how many rows."""
    try:
        keys, rows = database.row(f"SELECT count(*), coalesce(sum(n), 0) FROM ({groups(database, table, repeated)})")
    except QueryError as error:
        return Measured(refused=_why(error))
    return Measured(int(keys), int(rows))


def groups(database: Database, table: Table, repeated: Repeated) -> str:
    """SQL for what is there more than once, and in how many rows as `n`."""
    names = ", ".join(repeated.columns)
    there = " AND ".join(f"{each} IS NOT NULL" for each in repeated.columns)
    source = database.paired(table.name)
    return f"SELECT {names}, count(*) AS n FROM {source} WHERE {there} GROUP BY {names} HAVING count(*) > 1"


def _alone(database: Database, table: Table, rule: Rule) -> Measured:
    match rule.measure:
        case Known(measured=value):
            return Measured(value)
        case Refused(reason=reason):
            return Measured(refused=reason)
        case Rows(condition=condition):
            return _single(database, f"SELECT count(*) FROM {database.paired(table.name)} AS paired WHERE {condition}")
        case Query(text=text):
            return _asked(database, text)
    return Measured()


def _asked(database: Database, query: str) -> Measured:
    """The answer to a query of the contract's author, which is one that reads and nothing else."""
    try:
        database.check_query(query)
    except QueryError as error:
        return Measured(refused=_why(error))
    if doubt := next(_doubts(database, query), ""):
        return Measured(refused=doubt)
    with little_room():
        return _single(database, f"SELECT * FROM (\n{query.strip().rstrip(';')}\n) LIMIT 2")


def _doubts(database: Database, query: str) -> Iterator[str]:
    """Columns that a query may ask for whose type was guessed, and of which some values would be none to it."""
    text, has_all = query.lower(), asks_for_all(query)
    for name, table in database.tables.items():
        for column, guess in table.guesses.items():
            if has_all or column.lower() in text:
                (found,) = database.row(f"SELECT count(*) FROM {database.misfits(name, column)}")
                if found:
                    values = f"{found} value of `{column}` is" if found == 1 else f"{found} values of `{column}` are"
                    like = f"not of the type {guess.type}, as the first rows are"
                    yield f"{values} {like}, and the contract does not say its type"


def _single(database: Database, query: str) -> Measured:
    """The one value of an answer."""
    try:
        rows = database.rows(query)
    except QueryError as error:
        return Measured(refused=_why(error))
    if len(rows) != 1 or len(rows[0]) != 1:
        shape = f"{len(rows)} rows" if len(rows) != 1 else f"{len(rows[0])} columns"
        return Measured(refused=f"it gives {'several rows' if len(rows) > 1 else shape}, not one value")
    return Measured(rows[0][0])


def _why(error: QueryError) -> str:
    return "; ".join(error.why) or error.what
