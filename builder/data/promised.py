"""The tables of a contract with the files that hold them: what both sides need before anything is asked. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.data.contract.document import Contract, Property, SchemaObject
from builder.data.tables.files import ColumnReading, TableFile, format_of
from builder.data.tables.patterns import strptime_of
from builder.errors import EnvbuildError
from builder.spec.project import Project

_TYPES = {
    "string": "VARCHAR",
    "integer": "HUGEINT",
    "number": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "time": "TIME",
}
"""DuckDB's types of logical ones; objects and arrays are as the file has them."""


def promised_files(contract: Contract, files: Mapping[str, Sequence[Path]]) -> dict[str, TableFile]:
    """The files of each table of a contract, read as it says; `files` by the table's name.

    Raises: EnvbuildError, if a name is of no table, or a file's of no format.
    """
    tables = [(named_table(contract, name), paths) for name, paths in files.items()]
    return {table.name: promised_file(table, paths) for table, paths in tables}


def promised_file(table: SchemaObject, paths: Sequence[Path]) -> TableFile:
    """Files of a table, read as its contract says. Raises: EnvbuildError, if their names say no format."""
    return TableFile(tuple(paths), format_of(paths[0]), readings(table), str(table.custom("encoding") or ""))


def named_table(contract: Contract, name: str) -> SchemaObject:
    """The table of a name. Raises: EnvbuildError, if there is none."""
    table = contract.table(name)
    if table is None:
        raise EnvbuildError(f"the contract `{contract.id}` has no table `{name}`", f"it has {_known(contract)}")
    return table


def table_of_file(contract: Contract, path: Path, name: str | None = None) -> SchemaObject:
    """The table that a file is: the one that is named, or else that of the file's name, or the only one.

    Raises: EnvbuildError, if there is none.
    """
    if name is not None:
        return named_table(contract, name)
    own = file_stem(path)
    return named_table(contract, table_names(contract, [own])[own])


def file_stem(path: Path) -> str:
    """A file's name, without what says its format: what its table is called if nobody says otherwise."""
    return path.name.partition(".")[0]


def contract_users(project: Project) -> dict[str, list[str]]:
    """The data of a project that name each contract, by its path; both sorted."""
    users: dict[str, list[str]] = {}
    for name, reference in sorted(project.data.items()):
        if reference.contract:
            users.setdefault(posixpath.normpath(reference.contract), []).append(name)
    return dict(sorted(users.items()))


def data_groups(contract: Contract, data: Sequence[str]) -> list[dict[str, str]]:
    """Which table of a contract is in each data entry of a project, in groups that are held to it together.

    Of a contract with one table, each entry is held to it by itself: it may be that of training data and of test data.

    Raises: EnvbuildError, if an entry is in none.
    """
    tables = table_names(contract, data)
    return [{name: table} for name, table in tables.items()] if len(contract.schema) == 1 else [tables]


def table_names(contract: Contract, data: Sequence[str]) -> dict[str, str]:
    """Which table of a contract is in each data entry of a project: that of its name, or the only one there is.

    Raises: EnvbuildError, if one is in none.
    """
    result = {}
    for name in data:
        table = contract.table(name) or (contract.schema[0] if len(contract.schema) == 1 else None)
        if table is None:
            hint = "Name the table as the data, or write a contract for each"
            raise EnvbuildError(
                f"the contract `{contract.id}` does not say which table the data `{name}` is",
                f"it has {_known(contract)}",
                hint,
            )
        result[name] = table.name
    return result


def readings(table: SchemaObject) -> dict[str, ColumnReading]:
    """How the columns of a table are read, by their names in the file."""
    return {each.column: reading(each) for each in table.properties if each.logical_type in _TYPES}


def reading(column: Property) -> ColumnReading:
    """How a column is read. Raises: EnvbuildError, if its format is not one that is read."""
    clean = column.custom("clean")
    missing = clean.get("missing", ()) if isinstance(clean, dict) else ()
    listed = missing if isinstance(missing, (list, tuple)) else (missing,)
    return ColumnReading(_TYPES[column.logical_type or "string"], tuple(map(_text, listed)), _format(column))


def _known(contract: Contract) -> str:
    return ", ".join(f"`{each.name}`" for each in contract.schema) or "none"


def _text(value: object) -> str:
    """A value of YAML as a file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _format(column: Property) -> str:
    pattern = column.logical_type_options.get("format")
    if column.logical_type not in ("date", "timestamp", "time") or not isinstance(pattern, str):
        return ""
    try:
        return strptime_of(pattern)
    except ValueError as error:
        raise EnvbuildError(
            f"the format of the column `{column.name}` cannot be used",
            str(error),
            "Write it as Java's DateTimeFormatter does, of y M d H h m s S a E X z and quoted text: `dd.MM.yyyy HH:mm`",
        ) from error
