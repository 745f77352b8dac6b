"""What the columns of a table hold, asked of the table itself; nothing is promised here."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from builder.data.check.planning.formats import TEXT_FORMATS
from builder.data.contract.common import CustomProperty
from builder.data.contract.document import LogicalType, Property
from builder.data.infer import sentinels
from builder.data.promised import reading
from builder.data.tables.database import Database
from builder.data.tables.files import ColumnReading
from builder.data.tables.reading import cast, typed
from builder.data.tables.sql import counted, listed, literal, quoted

_GROUP = 40
"""Columns of one query."""
_OF_TEXT: Mapping[str, Sequence[LogicalType]] = {
    "csv": ("integer", "number", "boolean", "date", "timestamp"),
    "json": ("date", "timestamp"),
}
"""What a text may be, by the file's format: the first that all values are."""
_STORED: dict[str, LogicalType] = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT"), "integer"),
    **dict.fromkeys(("UINTEGER", "UBIGINT", "UHUGEINT"), "integer"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "number"),
    **dict.fromkeys(("VARCHAR", "UUID"), "string"),
    **dict.fromkeys(("TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMP WITH TIME ZONE"), "timestamp"),
    "TIMESTAMP": "timestamp",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIME": "time",
}
MOST_CATEGORIES = 40
_LISTED = ("string", "integer")
"""Types whose values are names: those that can be categories or keys."""
_FORMATS = {name: TEXT_FORMATS[name] for name in ("uuid", "email")}
_VALUES = 500
"""How many a guess of what they say about people is made from."""
_SHAPED = 40
"""The longest text whose form is looked at."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a column holds."""

    name: str
    stored: str
    """DuckDB's name of the type that the file gives it."""
    type: LogicalType | None
    """None where nobody can tell."""
    missing: tuple[str, ...] = ()
    """Texts that seem to stand for no value."""
    rows: int = 0
    present: int = 0
    least: Any = None
    """The smallest value; of numbers, the smallest that is finite; dates and times as text."""
    most: Any = None
    unending: int = 0
    """How many numbers are NaN or infinite."""
    shortest: int | None = None
    """Letters of the shortest text."""
    longest: int | None = None
    different: int = 0
    """How many different values there are, more or less."""
    values: tuple[Any, ...] | None = None
    """All its different values, in order, where they are few."""
    unique: bool = False
    """Whether no value is there twice."""
    shape: str | None = None
    """The one form that all its texts have, letters as `A` and `a`, digits as `9`."""
    format: str | None = None
    """`uuid` or `email`, if all its texts are."""
    samples: tuple[Any, ...] = ()
    """Some values; never to be shown."""

    @property
    def value(self) -> str:
        """SQL of a value as a contract that says its type and what is missing has it read; from `Looked.source`."""
        return typed(self.name, self.stored, reading_of(self.type, self.missing))


def reading_of(type_: LogicalType | None, missing: tuple[str, ...]) -> ColumnReading | None:
    """How a column of a contract with this type and these sentinels is read."""
    if type_ in (None, "object", "array", "map", "vector"):
        return None
    clean = (CustomProperty("clean", {"missing": list(missing)}),) if missing else ()
    return reading(Property("column", logical_type=type_, custom_properties=clean))


@dataclass(frozen=True, slots=True)
class Looked:
    """A table and how much of it is looked at."""

    database: Database
    name: str
    rows: int | None
    """The first so many; None for all."""

    @property
    def source(self) -> str:
        """SQL of the rows, as the file has them, for `FROM`."""
        table = f"raw.{quoted(self.name)}"
        return f"(SELECT * FROM {table} LIMIT {self.rows})" if self.rows is not None else table

    def ask(self, expressions: Sequence[str]) -> tuple[Any, ...]:
        """One value of each expression."""
        found: list[Any] = []
        for start in range(0, len(expressions), _GROUP):
            group = ", ".join(expressions[start : start + _GROUP])
            found += self.database.row(f"SELECT {group} FROM {self.source}")
        return tuple(found)


def facts_of(database: Database, name: str, rows: int | None) -> tuple[Facts, ...]:
    """What each column of a table holds, by a look at its first `rows`."""
    looked = Looked(database, name, rows)
    (total,) = looked.ask(["count(*)"])
    known = [Facts(each.name, each.stored, _type_of(each.stored), rows=total) for each in database.tables[name].columns]
    for step in (_with_types, _with_numbers_missing, _with_extremes, _with_values, _with_forms):
        known = step(looked, known)
    return tuple(_with_samples(looked, known))


def _type_of(stored: str) -> LogicalType | None:
    if stored.endswith("]"):
        return "array"
    if stored.startswith(("STRUCT", "MAP")):
        return "object"
    return "number" if stored.startswith("DECIMAL") else _STORED.get(stored)


def _with_types(looked: Looked, known: Sequence[Facts]) -> list[Facts]:
    """The type of each column of texts, and which of them stand for no value in it."""
    texts = [each for each in known if each.stored == "VARCHAR"]
    wanted = listed(sentinels.TEXTS)
    lists = [f"list(DISTINCT {quoted(each.name)}) FILTER ({quoted(each.name)} IN ({wanted}))" for each in texts]
    seen = {each.name: tuple(found or ()) for each, found in zip(texts, looked.ask(lists), strict=True)}
    types = _OF_TEXT.get(looked.database.tables[looked.name].file.format, ())
    counts = _by_column(looked, texts, [_type_counts(each.name, types, seen[each.name]) for each in texts])
    return [
        _of_text(each, types, seen[each.name], counts[each.name]) if each.name in counts else each for each in known
    ]


def _type_counts(name: str, types: Sequence[LogicalType], seen: Sequence[str]) -> list[str]:
    there = f"{quoted(name)} NOT IN ({listed(sorted(seen))})" if seen else "true"
    return [
        f"count({quoted(name)}) FILTER ({there})",
        f"max(length({quoted(name)})) FILTER ({there})",
        *(counted(f"{there} AND {_fits(name, type_)}") for type_ in types),
    ]


def _of_text(known: Facts, types: Sequence[LogicalType], seen: tuple[str, ...], counts: Sequence[Any]) -> Facts:
    there, longest, *fits = counts
    here = tuple(text for text in sentinels.TEXTS if text in seen)
    if not there and types:
        return replace(known, type=None, missing=here)
    for type_, count in zip(types, fits, strict=True):
        if count == there:
            return replace(known, type=type_, missing=here)
    return replace(known, missing=sentinels.of_texts(seen, longest or 0))


def _fits(name: str, type_: LogicalType) -> str:
    condition = f"{cast(name, 'VARCHAR', reading_of(type_, ()) or ColumnReading())} IS NOT NULL"
    if type_ in ("integer", "number"):  # a name such as 00123 or a number of an account is none to reckon with
        return f"{condition} AND NOT regexp_matches({quoted(name)}, '^\\s*[+-]?(0[0-9]|[0-9]{{19,}}\\s*$)')"
    return f"{condition} AND lower({quoted(name)}) IN ('true', 'false')" if type_ == "boolean" else condition


def _with_numbers_missing(looked: Looked, known: Sequence[Facts]) -> list[Facts]:
    numbers = [each for each in known if each.type in ("integer", "number")]
    listed_ = ", ".join(map(str, sentinels.NUMBERS))
    expressions = []
    for each in numbers:
        value = each.value
        others = f"isfinite({value}::DOUBLE) AND {value} NOT IN ({listed_})"
        ends = [f"{end}({value}) FILTER ({others})" for end in ("min", "max")]
        expressions.append(ends + [counted(f"{value} = {number}") for number in sentinels.NUMBERS])
    found = {}
    for name, (least, most, *counts) in _by_column(looked, numbers, expressions).items():
        found[name] = sentinels.of_numbers(dict(zip(sentinels.NUMBERS, counts, strict=True)), least, most)
    return [replace(each, missing=(*each.missing, *found.get(each.name, ()))) for each in known]


def _with_extremes(looked: Looked, known: Sequence[Facts]) -> list[Facts]:
    asked = _by_column(looked, known, [_extremes(each) for each in known])
    result = []
    for each in known:
        present, least, most, unending, shortest, longest, different = asked[each.name]
        more = replace(each, present=present, least=_plain(least), most=_plain(most), unending=unending)
        result.append(replace(more, shortest=shortest, longest=longest, different=different))
    return result


def _extremes(known: Facts) -> list[str]:
    value = known.value
    ends, unending, lengths = ["NULL", "NULL"], "0", ["NULL", "NULL"]
    if known.type in ("integer", "number"):
        ends = [f"{end}({value}) FILTER (isfinite({value}::DOUBLE))" for end in ("min", "max")]
        unending = counted(f"NOT isfinite({value}::DOUBLE)")
    elif known.type in ("date", "timestamp", "time"):
        ends = [f"{end}({value})::VARCHAR" for end in ("min", "max")]
    elif known.type == "string":
        lengths = [f"{end}(length({value}::VARCHAR))" for end in ("min", "max")]
    return [f"count({value})", *ends, unending, *lengths, f"approx_count_distinct({value})"]


def _with_values(looked: Looked, known: Sequence[Facts]) -> list[Facts]:
    """Which columns have no value twice, and the values of those with few."""
    result = [replace(each, unique=_is_unique(looked, each)) for each in known]
    few = [each for each in result if each.type in _LISTED and each.different <= 2 * MOST_CATEGORIES]
    found = _by_column(
        looked, few, [[f"list(DISTINCT {each.value}) FILTER ({each.value} IS NOT NULL)"] for each in few]
    )
    values = {name: tuple(sorted(each or ())) for name, (each,) in found.items()}
    return [
        replace(each, values=values[each.name] if len(values.get(each.name, ())) in range(1, MOST_CATEGORIES) else None)
        for each in result
    ]


def _is_unique(looked: Looked, known: Facts) -> bool:
    """Whether no value is there twice; the estimate of different ones is a few percent off."""
    if known.type not in _LISTED or known.present < 2 or known.different < known.present * 0.8:
        return False
    there = f"SELECT {known.value} AS value FROM {looked.source}"
    twice = f"SELECT 1 FROM ({there}) WHERE value IS NOT NULL GROUP BY value HAVING count(*) > 1 LIMIT 1"
    return not looked.database.rows(twice)


def _with_forms(looked: Looked, known: Sequence[Facts]) -> list[Facts]:
    """Which form all texts of a column have."""
    texts = [each for each in known if each.type == "string" and each.present]
    expressions = []
    for each in texts:
        text = shape = f"{each.value}::VARCHAR"
        for letters, shown in (("[A-Z]", "A"), ("[a-z]", "a"), ("[0-9]", "9")):
            shape = f"regexp_replace({shape}, '{letters}', '{shown}', 'g')"
        formed = [counted(f"regexp_matches({text}, {literal(form)})") for form in _FORMATS.values()]
        same = each.shortest == each.longest and (each.longest or 0) <= _SHAPED
        expressions.append([*formed, *([f"min({shape})", f"max({shape})"] if same else ["'1'", "'2'"])])
    found = _by_column(looked, texts, expressions)
    result = []
    for each in known:
        if each.name in found:
            *counts, first, last = found[each.name]
            format_ = next((name for name, count in zip(_FORMATS, counts, strict=True) if count == each.present), None)
            result.append(replace(each, format=format_, shape=first if first == last and not format_ else None))
        else:
            result.append(each)
    return result


def _with_samples(looked: Looked, known: Sequence[Facts]) -> list[Facts]:
    """Some values of each column, from the first rows."""
    values = ", ".join(f"{each.value}::VARCHAR" for each in known)
    rows = looked.database.rows(f"SELECT {values} FROM {looked.source} LIMIT {_VALUES}")
    return [
        replace(each, samples=tuple(row[number] for row in rows if row[number] is not None))
        for number, each in enumerate(known)
    ]


def _by_column(
    looked: Looked, columns: Sequence[Facts], expressions: Sequence[Sequence[str]]
) -> dict[str, tuple[Any, ...]]:
    """What each column's expressions give, by its name."""
    answers = iter(looked.ask([each for group in expressions for each in group]))
    return {
        column.name: tuple(itertools.islice(answers, len(group)))
        for column, group in zip(columns, expressions, strict=True)
    }


def _plain(value: Any) -> Any:
    from decimal import Decimal

    return float(value) if isinstance(value, Decimal) else value
