"""What new data are like, in the terms of a reference: counted into its bins and categories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from builder.data.profile import questions
from builder.data.profile.asked import Asked, asked_table
from builder.data.profile.document import ColumnProfile, Histogram, Kind, Profile
from builder.data.profile.numbers import as_histogram, as_parted
from builder.data.tables import Column, Database, quoted
from builder.data.tables.sql import counted

_TOGETHER = 50
_GROUPED_TOGETHER = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """A column of new data."""

    kind: Kind
    rows: int
    missing: int
    values: int
    """Finite and present."""
    bins: Histogram | None = None
    """In the reference's bins, or, of a profile, in its own."""
    plot: Histogram | None = None
    beyond: int | None = None
    """Values outside of the reference's range; None if that cannot be told."""
    categories: Mapping[str, int] | None = None
    """Rows of each value that is listed; None if none are."""
    unreadable: int = 0
    """Values that are not of the reference's type."""
    smirnov: float | None = None
    """The exact statistic of Kolmogorov and Smirnov, where both are data."""


def seen_profile(profile: Profile, reference: Profile) -> dict[str, Seen]:
    """The columns of new data of which there is a profile."""
    result = {}
    for column in profile.columns:
        own = reference.column(column.name)
        categories = {each.value: each.count for each in column.categories} if column.other is not None else None
        seen = Seen(column.kind, column.count, column.missing, column.values, column.bins, column.plot)
        result[column.name] = replace(seen, categories=categories, beyond=_none_beyond(column, own))
    return result


def _none_beyond(column: ColumnProfile, reference: ColumnProfile | None) -> int | None:
    """None beyond, if the ends say so; how many else is not known."""
    if reference is None or None in (reference.minimum, reference.maximum, column.minimum, column.maximum):
        return None
    least, greatest = reference.minimum or 0.0, reference.maximum or 0.0
    return 0 if least <= (column.minimum or 0.0) and (column.maximum or 0.0) <= greatest else None


def seen_table(database: Database, name: str, reference: Profile, other: str | None = None) -> dict[str, Seen]:
    """The columns of a table; `other` is the reference's table, if that is open too. Raises: QueryError."""
    asked = asked_table(database, name)
    columns = database.tables[name].columns
    seen: dict[str, Seen] = {}
    for start in range(0, len(columns), _TOGETHER):
        part = columns[start : start + _TOGETHER]
        known = {each.name: reference.column(each.name) for each in part}
        answers = asked.aggregates([_questions(each, known[each.name]) for each in part])
        for column, answer in zip(part, answers, strict=True):
            seen[column.name] = _seen(asked.rows, column, known[column.name], answer)
    seen |= _with_categories(asked, seen, reference)
    seen |= _with_unreadable(database, name, seen, reference)
    return seen | (_with_smirnov(database, (other, name), seen) if other else {})


def _questions(column: Column, reference: ColumnProfile | None) -> list[str | questions.Aggregate]:
    """Present and finite values, those beyond, and bins: the same number of questions for each column."""
    present = f"count({quoted(column.name)})"
    kind = questions.kind_of(column.type)
    if kind in ("category", "other"):
        return [present, present, "NULL", "NULL", "NULL"]
    value = questions.number(column)
    if reference is None or reference.bins is None or reference.kind != kind:
        return [present, f"count({value})", "NULL", "NULL", "NULL"]
    ends = (reference.minimum, reference.maximum)
    outside = "NULL"
    if ends[0] is not None and ends[1] is not None:
        test = f"{value} NOT BETWEEN {questions.literal(ends[0])} AND {questions.literal(ends[1])}"
        outside = counted(test)
    plot = questions.histogram(value, reference.plot.edges) if reference.plot else "NULL"
    return [present, f"count({value})", outside, questions.parted_histogram(value, reference.bins.edges), plot]


def _seen(rows: int, column: Column, reference: ColumnProfile | None, answer: Sequence[Any]) -> Seen:
    present, values, beyond, counts, plotted = answer
    kind = questions.kind_of(column.type)
    seen = Seen(kind, rows, rows - present, values, beyond=beyond)
    if reference is None or reference.bins is None or counts is None:
        return seen
    plot = as_histogram(reference.plot.edges, plotted) if reference.plot else None
    bins = as_parted(reference.bins.edges, counts)
    return replace(seen, bins=bins if reference.bins.on_edge else replace(bins, on_edge=()), plot=plot)


def _with_categories(asked: Asked, seen: Mapping[str, Seen], reference: Profile) -> dict[str, Seen]:
    listed = [each.name for each in reference.columns if each.categories and _is_category(seen.get(each.name))]
    result: dict[str, Seen] = {}
    for start in range(0, len(listed), _GROUPED_TOGETHER):
        names = listed[start : start + _GROUPED_TOGETHER]
        found: dict[int, dict[str, int]] = {number: {} for number in range(len(names))}
        for number, value, count in asked.database.rows(questions.categories(names, quoted(asked.name))):
            found[number][value] = count
        result |= {name: replace(seen[name], categories=found[number]) for number, name in enumerate(names)}
    return result


def _is_category(seen: Seen | None) -> bool:
    return seen is not None and seen.kind == "category"


def _with_unreadable(database: Database, name: str, seen: Mapping[str, Seen], reference: Profile) -> dict[str, Seen]:
    """With the values that the file has and that are not of the type that they are read as."""
    read = [each for each in database.tables[name].file.readings if each in seen and reference.column(each)]
    if not read:
        return {}
    steps = [database.steps(name, each) for each in read]
    counts = ", ".join(f"count({present}) - count({value})" for present, value in steps)
    answer = database.row(f"SELECT {counts} FROM raw.{quoted(name)}")
    return {each: replace(seen[each], unreadable=count) for each, count in zip(read, answer, strict=True)}


def _with_smirnov(database: Database, tables: tuple[str, str], seen: Mapping[str, Seen]) -> dict[str, Seen]:
    """With the exact statistic, of columns of numbers of both tables."""
    result = {}
    for name, each in seen.items():
        columns = [database.tables[table].column(name) for table in tables]
        if each.bins and each.values and columns[0] and columns[1]:
            query = _smirnov_query(
                [(questions.number(one), table) for one, table in zip(columns, tables, strict=True) if one]
            )
            result[name] = replace(each, smirnov=database.row(query)[0])
    return result


def _smirnov_query(sides: Sequence[tuple[str, str]]) -> str:
    """The largest difference of two cumulative distributions, at each value of either."""
    (one, reference), (two, new) = sides
    return (
        "WITH each_value AS (SELECT x, sum(a) AS a, sum(b) AS b FROM ("
        f"SELECT {one} AS x, 1 AS a, 0 AS b FROM {quoted(reference)} "
        f"UNION ALL SELECT {two}, 0, 1 FROM {quoted(new)}) WHERE x IS NOT NULL GROUP BY x), "
        "sums AS (SELECT sum(a) OVER (ORDER BY x) AS a, sum(b) OVER (ORDER BY x) AS b FROM each_value), "
        "whole AS (SELECT sum(a) AS a, sum(b) AS b FROM each_value) "
        "SELECT max(abs(CAST(sums.a AS DOUBLE) / whole.a - CAST(sums.b AS DOUBLE) / whole.b)) FROM sums, whole"
    )
