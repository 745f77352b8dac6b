"""What columns of text look like whose type nobody declared: a look at the first rows, the same each time. Pure.

A type is taken if every value of the look fits; values after it that do not are NULL in the view, as of a declared
type, and `Database.misfits` has them. Numbers with leading zeros are names (`00123`), not numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from builder.data.tables.files import ColumnReading
from builder.data.tables.reading import cast
from builder.data.tables.sql import counted, quoted

ROWS = 10_000
"""Of the look."""
TYPES = ("BIGINT", "HUGEINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP")
"""The first one that fits is taken."""


def look(columns: Sequence[str], source: str, types: Sequence[str]) -> str:
    """The query that counts what fits: for each column that has a value its place, its values, and those of each type.

    All values stand in one column there, since a query of many expressions takes long to plan.
    """
    values = ", ".join(map(quoted, columns))
    counts = ", ".join(counted(_fits(type_)) for type_ in types)
    rows = (
        f"SELECT unnest([{values}]) AS value, unnest(range({len(columns)})) AS place FROM (FROM {source} LIMIT {ROWS})"
    )
    return f"SELECT place, count(*), {counts} FROM ({rows}) WHERE value IS NOT NULL GROUP BY place ORDER BY place"


def guessed(
    columns: Sequence[str], answer: Iterable[Sequence[int]], types: Sequence[str]
) -> Mapping[str, ColumnReading]:
    """The readings of columns that look like something else than text, from the query's answer."""
    found = {}
    for place, there, *fitting in answer:
        type_ = next((type_ for type_, fits in zip(types, fitting, strict=True) if fits == there), None)
        if type_:
            found[columns[place]] = ColumnReading(type_)
    return found


def _fits(type_: str) -> str:
    if type_ == "BOOLEAN":
        return "lower(value) IN ('true', 'false')"
    fits = f"{cast('value', 'VARCHAR', ColumnReading(type_))} IS NOT NULL"
    number = type_ in ("BIGINT", "HUGEINT", "DOUBLE")
    return f"{fits} AND NOT regexp_matches(value, '^\\s*[+-]?0[0-9]')" if number else fits
