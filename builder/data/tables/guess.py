"""What columns of text look like whose type nobody declared: a look at the first rows, the same each time. Pure.

A type is taken if every value of the look fits; values after it that do not are NULL in the view, as of a declared
type, and `Database.misfits` has them. Numbers with leading zeros are names (`00123`), not numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builder.data.tables.files import ColumnReading
from builder.data.tables.reading import cast
from builder.data.tables.sql import quoted

ROWS = 10_000
"""Of the look."""
TYPES = ("BIGINT", "HUGEINT", "DOUBLE", "BOOLEAN", "DATE", "TIMESTAMP")
"""The first one that fits is taken."""
_WIDTH = 500
"""Columns of one query."""


def looks(columns: Sequence[str], source: str, types: Sequence[str] = TYPES) -> list[str]:
    """The queries that count what fits; each answers of some columns, in their order."""
    groups = [columns[start : start + _WIDTH] for start in range(0, len(columns) if types else 0, _WIDTH)]
    shown = [", ".join(_counts(name, types) for name in group) for group in groups]
    return [f"SELECT {counts} FROM (SELECT * FROM {source} LIMIT {ROWS})" for counts in shown]


def guessed(columns: Sequence[str], counts: Sequence[int], types: Sequence[str] = TYPES) -> Mapping[str, ColumnReading]:
    """The readings of columns that look like something else than text; `counts` as the queries answer."""
    found = {}
    each = len(types) + 1
    for number, name in enumerate(columns if types else ()):
        there, *fitting = counts[number * each : (number + 1) * each]
        type_ = next((type_ for type_, fits in zip(types, fitting, strict=True) if fits == there), None)
        if there and type_:
            found[name] = ColumnReading(type_)
    return found


def _counts(name: str, types: Sequence[str]) -> str:
    value = quoted(name)
    parts = [f"count({value})"]
    for type_ in types:
        fits = f"{cast(name, 'VARCHAR', ColumnReading(type_))} IS NOT NULL"
        if type_ in ("BIGINT", "HUGEINT", "DOUBLE"):
            fits += f" AND NOT regexp_matches({value}, '^\\s*[+-]?0[0-9]')"
        if type_ == "BOOLEAN":
            fits = f"lower({value}) IN ('true', 'false')"
        parts.append(f"count(*) FILTER ({fits})")
    return ", ".join(parts)
