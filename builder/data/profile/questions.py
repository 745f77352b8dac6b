"""What a database is asked for a profile, as SQL. Pure."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from builder.data.profile.bins import parted_edges
from builder.data.profile.document import MOST_CATEGORIES, Kind
from builder.data.tables import Column, quoted
from builder.data.tables.sql import counted

LONGEST_CATEGORY = 200
"""Characters; a longer text is no category."""
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL\(.*\)|BIGNUM")
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DATE")
_BOUND = "1e300"
"""What is beyond is as good as infinite, and differences of what is within are finite."""
_MANTISSA = 1 << 40
_ROOT = 1 << 31


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What is asked of all rows, with its one parameter: edges in the text would take more memory than the data."""

    text: str
    parameter: list[float]


def kind_of(type_: str) -> Kind:
    """How a column of one of DuckDB's types is described."""
    if _NUMBER.fullmatch(type_):
        return "number"
    if type_ == "DATE":
        return "date"
    if type_.startswith("TIMESTAMP"):
        return "timestamp"
    return "category" if type_ in ("VARCHAR", "BOOLEAN") or type_.startswith("ENUM") else "other"


def is_whole(type_: str) -> bool:
    """Whether numbers of a type have no fractions."""
    return bool(_WHOLE.fullmatch(type_))


def number(column: Column) -> str:
    """A column's values as finite numbers: dates in days, times in seconds since 1970; else NULL."""
    name = quoted(column.name)
    kind = kind_of(column.type)
    if kind == "date":
        return f"CASE WHEN isfinite({name}) THEN CAST({name} - DATE '1970-01-01' AS DOUBLE) END"
    if kind == "timestamp":
        return f"CASE WHEN isfinite({name}) THEN epoch({name}) END"
    if column.type in ("FLOAT", "DOUBLE"):
        return f"CASE WHEN abs(CAST({name} AS DOUBLE)) < {_BOUND} THEN CAST({name} AS DOUBLE) END"
    return f"TRY_CAST({name} AS DOUBLE)"


def overview(column: Column) -> tuple[str, ...]:
    """Aggregates: present, distinct (about), NaN, infinite, least, greatest, length of all texts; the same for all.

    None has a FILTER: for each, DuckDB would copy the references to all columns, which takes most of the time.
    """
    name, kind = quoted(column.name), kind_of(column.type)
    floating = column.type in ("FLOAT", "DOUBLE")
    endless = (
        f"NOT abs(CAST({name} AS DOUBLE)) < {_BOUND} AND NOT isnan({name})" if floating else f"NOT isfinite({name})"
    )
    nan = counted(f"isnan({name})") if floating else "0"
    infinite = counted(endless) if floating or kind in ("date", "timestamp") else "0"
    if kind == "other":
        return f"count({name})", f"approx_count_distinct(CAST({name} AS VARCHAR))", "0", "0", "NULL", "NULL", "NULL"
    if kind == "category":
        length = f"length(CAST({name} AS VARCHAR))"
        return (
            f"count({name})", f"approx_count_distinct({name})", "0", "0",
            f"min({length})", f"max({length})", f"sum({length})",
        )  # fmt: skip
    value = number(column)
    return f"count({name})", f"approx_count_distinct({value})", nan, infinite, f"min({value})", f"max({value})", "NULL"


def moments(value: str, least: float, scale: float, root_scale: float) -> tuple[str, str]:
    """Aggregates: sums of the values above the least one and of their squares, as whole numbers.

    A sum of floats depends on its order, and that on the threads; a sum of whole numbers does not.
    """
    above = f"({value} - {literal(least)})"
    root = f"CAST({above} * {literal(root_scale)} AS BIGINT)"
    return f"sum(CAST({above} * {literal(scale)} AS BIGINT))", f"sum({root} * {root})"


def scales(least: float, greatest: float) -> tuple[float, float]:
    """By which powers of two `moments` multiplies values, so that their sums are exact and fit."""
    exponent = math.frexp(greatest - least)[1] if greatest > least else 0
    return _power(math.log2(_MANTISSA) - exponent), _power(math.log2(_ROOT) - exponent)


def _power(exponent: float) -> float:
    return float(2.0 ** max(min(exponent, 1000), -1000))


def histogram(value: str, edges: Sequence[float]) -> Aggregate:
    """How many values each bin has, the last one being open; the last is left out if it has none."""
    return Aggregate(f"map_values(histogram({value}, ?::DOUBLE[]))", list(edges))


def parted_histogram(value: str, edges: Sequence[float]) -> Aggregate:
    """As `histogram`, of edges and of what lies just below each: what lies on an edge has a bin of its own."""
    return histogram(value, parted_edges(edges))


def categories(names: Sequence[str], source: str, most: int = MOST_CATEGORIES) -> str:
    """Rows `(column's number, value, rows)` of several columns' values in one scan; too long ones are one, as NULL."""
    texts = [f"CAST({quoted(name)} AS VARCHAR)" for name in names]
    short = [f"CASE WHEN length({text}) <= {LONGEST_CATEGORY} THEN {text} END AS c{n}" for n, text in enumerate(texts)]
    sets = ", ".join(f"(c{number})" for number in range(len(names)))
    which = " ".join(f"WHEN GROUPING(c{number}) = 0 THEN {number}" for number in range(len(names)))
    value = ", ".join(f"c{number}" for number in range(len(names)))
    return (
        f"SELECT CASE {which} END AS which, coalesce({value}) AS value, count(*) AS rows "
        f"FROM (SELECT {', '.join(short)} FROM {source}) GROUP BY GROUPING SETS ({sets}) "
        f"HAVING coalesce({value}) IS NOT NULL "
        f"QUALIFY row_number() OVER (PARTITION BY which ORDER BY count(*) DESC, coalesce({value})) <= {most} "
        f"ORDER BY 1, 3 DESC, 2"
    )


def literal(value: float) -> str:
    """A number as SQL takes it, exactly: without an exponent it would be a decimal of few digits."""
    text = repr(float(value))
    return text if "e" in text else f"{text}e0"
