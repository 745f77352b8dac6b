"""Profiles of tables, as a database answers. What is asked is in `questions`, what becomes of the answers in `bins`.

A table is scanned a few times, many columns at once, and of each column a few thousand counts are kept. Of a table with
few rows quantiles are exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from builder.data.contract.document import Property, SchemaObject
from builder.data.profile import bins as binned
from builder.data.profile import questions
from builder.data.profile.asked import Asked, asked_table
from builder.data.profile.document import (
    FORMAT_VERSION,
    MOST_CATEGORIES,
    MOST_COLUMNS,
    Category,
    ColumnProfile,
    Profile,
)
from builder.data.profile.numbers import FEW_ROWS, rounded, with_numbers
from builder.data.tables import Column, Database, quoted
from builder.errors import EnvbuildError

_TOGETHER = 50
"""Columns that are asked for in one query."""
_GROUPED_TOGETHER = 16
"""Columns whose values are grouped in one query."""
_COUNTED_TOGETHER = 8
"""Columns whose values are all held in memory at a time, of few rows."""
_LOOKED_AT = 500
"""Rows by which it is guessed whether a column is about people, where no contract says its class."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a table is described."""

    floor: int = 10
    """Rows that a category, and a bin of a confidential column, has at least."""
    bins: int = 100
    """Of about equal counts, of each column of numbers."""


def profile_table(
    database: Database, name: str, table: SchemaObject | None = None, *, digest: str = "", manner: Manner | None = None
) -> Profile:
    """The profile of a table of a database; `table` is what the contract says of it. Raises: QueryError."""
    manner = manner or Manner()
    columns = database.tables[name].columns
    if len(columns) > MOST_COLUMNS:
        raise EnvbuildError(f"`{name}` has too many columns for a profile", f"it has more than {MOST_COLUMNS}")
    asked = asked_table(database, name)
    promised = {each.column: each for each in table.properties} if table else {}
    hidden = _confidential(asked, columns, promised)
    made: list[ColumnProfile] = []
    for start in range(0, len(columns), _TOGETHER):
        made += _profiles(asked, columns[start : start + _TOGETHER], hidden, manner)
    made = [_described(each, promised.get(each.name)) for each in made]
    return Profile(FORMAT_VERSION, name, digest, asked.rows, manner.floor, tuple(made))


def _described(column: ColumnProfile, promised: Property | None) -> ColumnProfile:
    """With what a contract says of it."""
    if promised is None:
        return column
    return replace(column, unit=str(promised.custom("unit") or ""), description=promised.description)


def _confidential(asked: Asked, columns: Sequence[Column], promised: Mapping[str, Property]) -> frozenset[str]:
    """The columns whose values may not be told: by the contract, or because they seem to be about people."""
    from builder.data.privacy.guess import guess

    hidden = {name for name, each in promised.items() if each.is_confidential}
    said = hidden | {name for name, each in promised.items() if each.classification is not None}
    unknown = [each.name for each in columns if each.name not in said]
    listed = ", ".join(map(quoted, unknown))
    query = f"SELECT {listed} FROM {quoted(asked.name)} LIMIT {_LOOKED_AT}"
    rows = asked.database.rows(query) if unknown else []
    hidden |= {name for number, name in enumerate(unknown) if guess(name, [row[number] for row in rows])}
    return frozenset(hidden)


def _profiles(asked: Asked, columns: Sequence[Column], hidden: frozenset[str], manner: Manner) -> list[ColumnProfile]:
    """Of some columns, in their order."""
    answers = asked.aggregates([questions.overview(each) for each in columns])
    made = {
        each.name: _overview(asked.rows, each, answer, confidential=each.name in hidden)
        for each, answer in zip(columns, answers, strict=True)
    }
    numbers = [each for each in columns if made[each.name].minimum is not None]
    if numbers:
        described = with_numbers(asked, numbers, [made[each.name] for each in numbers], manner.bins)
        made |= {each.name: each for each in described}
    made |= _counted_texts(asked, list(made.values()))
    listed = [each for each in made.values() if _is_listed(each)]
    for start in range(0, len(listed), _GROUPED_TOGETHER):
        made |= _with_categories(asked, listed[start : start + _GROUPED_TOGETHER], manner.floor)
    return [_open(made[each.name], manner.floor) for each in columns]


def _overview(rows: int, column: Column, answer: tuple[Any, ...], *, confidential: bool) -> ColumnProfile:
    present, distinct, nan, infinite, least, greatest, length = answer
    kind = questions.kind_of(column.type)
    values = present - nan - infinite
    made = ColumnProfile(
        column.name, column.type, kind, rows, rows - present, min(distinct, values), values == 0, confidential,
        nan=nan, infinite=infinite,
    )  # fmt: skip
    if kind == "category":
        mean = rounded(length / present, 12) if present else None
        return replace(made, shortest=least, longest=greatest, mean_length=mean)
    return made if kind == "other" else replace(made, minimum=least, maximum=greatest)


def _counted_texts(asked: Asked, made: Sequence[ColumnProfile]) -> dict[str, ColumnProfile]:
    """Their distinct values, counted where the rows are few."""
    if asked.rows > FEW_ROWS:
        return {}
    texts = [each for each in made if each.kind in ("category", "other")]
    result = {}
    for start in range(0, len(texts), _COUNTED_TOGETHER):
        part = texts[start : start + _COUNTED_TOGETHER]
        questions_ = [[f"count(DISTINCT CAST({quoted(each.name)} AS VARCHAR))"] for each in part]
        for each, (distinct,) in zip(part, asked.aggregates(questions_), strict=True):
            result[each.name] = replace(each, distinct=distinct, distinct_is_exact=True)
    return result


def _is_listed(column: ColumnProfile) -> bool:
    return column.kind == "category" and not column.confidential and 0 < column.distinct <= MOST_CATEGORIES


def _with_categories(asked: Asked, columns: Sequence[ColumnProfile], floor: int) -> dict[str, ColumnProfile]:
    """With the values that enough rows have."""
    query = questions.categories([each.name for each in columns], quoted(asked.name))
    found: dict[int, list[Category]] = {}
    for number, value, count in asked.database.rows(query):
        found.setdefault(number, []).append(Category(value, count))
    result = {}
    for number, column in enumerate(columns):
        kept = tuple(each for each in found.get(number, []) if each.count >= floor)
        other = column.values - sum(each.count for each in kept)
        result[column.name] = replace(column, categories=kept, other=other)
    return result


def _open(column: ColumnProfile, floor: int) -> ColumnProfile:
    """What may be told of a column: all, or of a confidential one counts, and bins of several rows each."""
    if not column.confidential:
        return column
    bins = binned.merged(column.bins, floor) if column.bins else None
    return replace(
        column,
        minimum=None,
        maximum=None,
        mean=column.mean if bins else None,
        deviation=column.deviation if bins else None,
        quantiles=(),
        bins=bins,
        shortest=None,
        longest=None,
        mean_length=None,
    )
