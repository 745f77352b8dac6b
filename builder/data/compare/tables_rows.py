"""How the rows of two tables of a database differ: by a key, else as wholes.

Only columns that both have are compared, as the type of both or the wider one. All is counted in one query, which
DuckDB answers beyond its memory on disk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder.data.compare.tables_change import RowChange
from builder.data.tables import Database, quoted
from builder.data.tables.reading import is_number
from builder.data.tables.sql import literal
from builder.errors import EnvbuildError

SAMPLES = 5
_KINDS = ("added", "removed", "changed")
_TOGETHER = 200
"""Columns that are compared in one query."""


def compare_rows(database: Database, before: str, after: str, key: Sequence[str], *, told: bool) -> RowChange:
    """How the rows of two tables differ; keys are shown if they may be `told`.

    Raises: EnvbuildError, if a key is not in both tables, missing in a row, or there twice; QueryError.
    """
    common = _common(database, before, after)
    if not key:
        return _as_wholes(database, before, after, common)
    for name in key:
        if name not in common:
            raise EnvbuildError(f"the key `{name}` is not a column of both tables")
    for table in (before, after):
        _check_key(database, table, key)
    return _by_key(database, (before, after), common, key, told=told)


def _common(database: Database, before: str, after: str) -> dict[str, str]:
    """The columns of both tables and the type that they are compared as."""
    here = {each.name: each.type for each in database.tables[after].columns}
    return {
        each.name: _type(each.type, here[each.name]) for each in database.tables[before].columns if each.name in here
    }


def _type(before: str, after: str) -> str:
    if before == after:
        return before
    return "DOUBLE" if is_number(before) and is_number(after) else "VARCHAR"


def _as_wholes(database: Database, before: str, after: str, common: dict[str, str]) -> RowChange:
    values = ", ".join(f"CAST({quoted(name)} AS {type_})" for name, type_ in common.items()) or "NULL"
    # A digest of each row, counted in both tables: a row that is there three times and then twice is removed once.
    hashed = "SELECT md5_number(CAST(row({}) AS VARCHAR)) AS digest, {} AS one FROM {}"
    union = f"{hashed.format(values, 1, quoted(after))} UNION ALL {hashed.format(values, -1, quoted(before))}"
    counts = f"SELECT sum(one) AS more FROM ({union}) GROUP BY digest"
    answer = f"SELECT coalesce(sum(greatest(more, 0)), 0), coalesce(-sum(least(more, 0)), 0) FROM ({counts})"
    added, removed = database.row(answer)
    return RowChange(int(added), int(removed))


def _check_key(database: Database, table: str, key: Sequence[str]) -> None:
    shown = ", ".join(f"`{name}`" for name in key)
    source = ", ".join(f"`{path}`" for path in database.tables[table].file.paths[:3])
    columns = ", ".join(map(quoted, key))
    absent = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
    found, first = database.row(f"SELECT count(*), min(_row) FROM {database.numbered(table)} WHERE {absent}")
    if found:
        raise EnvbuildError(
            f"the rows of {source} cannot be told apart by {shown}", f"{found} have no key, the first is row {first}"
        )
    again = f"SELECT list_sort(min(_row, 2))[2] AS again FROM {database.numbered(table)} GROUP BY {columns}"
    repeated = f"{again} HAVING count(*) > 1"
    found, first = database.row(f"SELECT count(*), min(again) FROM ({repeated})")
    if found:
        raise EnvbuildError(
            f"the rows of {source} cannot be told apart by {shown}",
            f"{found} keys are there twice or more, the first again in row {first}",
            "Name more columns with `--key`, or none: rows are then compared as wholes",
        )


def _by_key(
    database: Database, tables: tuple[str, str], common: dict[str, str], key: Sequence[str], *, told: bool
) -> RowChange:
    others = [name for name in common if name not in key]
    counts: dict[str, int] = dict.fromkeys(_KINDS, 0)
    columns: dict[str, int] = {}
    names = ", ".join(f"coalesce({_side('b', name, common)}, {_side('a', name, common)})" for name in key)
    joined = _joined(tables, common, key)
    different = " OR ".join(_differs(name, common) for name in others) or "false"
    kinds = f"CASE WHEN _old IS NULL THEN 'added' WHEN _new IS NULL THEN 'removed' WHEN {different} THEN 'changed' END"
    keys = f"row({names})"
    found = [f"count(*) FILTER (_kind = {literal(kind)})" for kind in _KINDS]
    found += [f"min(_key, {SAMPLES}) FILTER (_kind = {literal(kind)})" for kind in _KINDS]
    changed = [f"count(*) FILTER (_kind = 'changed' AND {_differs(name, common)})" for name in others]
    for start in range(0, max(len(others), 1), _TOGETHER):
        part = changed[start : start + _TOGETHER]
        rows = f"SELECT *, {kinds} AS _kind, {keys} AS _key FROM {joined}"
        answer = database.row(f"SELECT {', '.join(found + part)} FROM ({rows})")
        counts = dict(zip(_KINDS, answer[:3], strict=True))
        samples = {kind: _texts(smallest) for kind, smallest in zip(_KINDS, answer[3:6], strict=True)}
        columns |= dict(zip(others[start:], answer[6:], strict=False))
    return RowChange(
        counts["added"], counts["removed"], counts["changed"], tuple(key),
        {name: count for name, count in columns.items() if count}, samples if told else {},
    )  # fmt: skip


def _texts(keys: Sequence[Sequence[Any]] | None) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(map(str, key)) for key in keys or ())


def _joined(tables: tuple[str, str], common: dict[str, str], key: Sequence[str]) -> str:
    """Both tables side by side, `b.NAME` and `a.NAME` as columns `b:NAME` and `a:NAME`."""
    sides = []
    for side, table, mark in (("b", tables[0], "_old"), ("a", tables[1], "_new")):
        values = ", ".join(
            f"CAST({quoted(name)} AS {type_}) AS {_side(side, name, common)}" for name, type_ in common.items()
        )
        sides.append(f"(SELECT true AS {mark}, {values} FROM {quoted(table)})")
    on = " AND ".join(f"{_side('b', name, common)} = {_side('a', name, common)}" for name in key)
    return f"{sides[0]} FULL OUTER JOIN {sides[1]} ON {on}"


def _side(side: str, name: str, common: dict[str, str]) -> str:
    """A column's name in the join; numbered, for names differ in case alone only in their tables."""
    return quoted(f"{side}:{list(common).index(name)}")


def _differs(name: str, common: dict[str, str]) -> str:
    return f"{_side('b', name, common)} IS DISTINCT FROM {_side('a', name, common)}"
