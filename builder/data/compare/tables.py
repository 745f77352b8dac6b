"""Two files of rows compared: their columns, their rows, and what the values of each column are like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.data.compare.tables_change import ColumnChange, TableComparison, measures
from builder.data.compare.tables_rows import compare_rows
from builder.data.profile.make import Manner, profile_table
from builder.data.tables import Database, Limits, Table, TableFile, format_of, table_paths

_BEFORE, _AFTER = "before", "after"


@dataclass(frozen=True, slots=True)
class Types:
    """Columns of two tables."""

    before: dict[str, str]
    after: dict[str, str]


def compare_tables(before: Path, after: Path, key: Sequence[str] = (), limits: Limits | None = None) -> TableComparison:
    """What differs between two tables, each a file, a folder or a pattern.

    Rows are told apart by the columns of `key`; without one they are compared as wholes. Keys of columns that seem to
    be about people are counted, not shown.

    Raises: EnvbuildError, if a file cannot be read, or a key is missing in a row or there twice; QueryError.
    """
    files = {name: _file(path) for name, path in ((_BEFORE, before), (_AFTER, after))}
    with Database.opened(files, limits) as database:
        types = Types(_types(database.tables[_BEFORE]), _types(database.tables[_AFTER]))
        profiles = [profile_table(database, name, manner=Manner(floor=1)) for name in (_BEFORE, _AFTER)]
        hidden = {each.name for profile in profiles for each in profile.columns if each.confidential}
        rows = compare_rows(database, _BEFORE, _AFTER, key, told=not hidden & set(key))
    found = [(one, other) for one in profiles[0].columns if (other := profiles[1].column(one.name))]
    return TableComparison(
        before=str(before),
        after=str(after),
        rows_before=profiles[0].rows,
        rows_after=profiles[1].rows,
        columns_added=tuple((name, type_) for name, type_ in types.after.items() if name not in types.before),
        columns_removed=tuple((name, type_) for name, type_ in types.before.items() if name not in types.after),
        columns_retyped=tuple(_retyped(types)),
        rows=rows,
        measures=tuple(measure for one, other in found for measure in measures(one, other)),
    )


def _file(path: Path) -> TableFile:
    paths = table_paths(path)
    return TableFile(paths, format_of(paths[0]))


def _types(table: Table) -> dict[str, str]:
    return {each.name: each.type for each in table.columns}


def _retyped(types: Types) -> list[ColumnChange]:
    both = [name for name in types.before if name in types.after]
    return [
        ColumnChange(name, types.before[name], types.after[name])
        for name in both
        if types.before[name] != types.after[name]
    ]
