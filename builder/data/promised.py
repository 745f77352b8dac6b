"""The tables of a contract with the files that hold them: what both sides need before anything is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.data.contract.document import Contract, Property, SchemaObject
from builder.data.tables.files import ColumnReading, TableFile, format_of
from builder.data.tables.patterns import strptime_of
from builder.errors import EnvbuildError

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
    result = {}
    for name, paths in files.items():
        table = contract.table(name)
        if table is None:
            known = ", ".join(f"`{each.name}`" for each in contract.schema)
            raise EnvbuildError(f"the contract `{contract.id}` has no table `{name}`", f"it has {known or 'none'}")
        result[table.name] = TableFile(
            tuple(paths), format_of(paths[0]), readings(table), str(table.custom("encoding") or "")
        )
    return result


def table_names(contract: Contract, data: Sequence[str]) -> dict[str, str]:
    """Which table of a contract is in each data entry of a project: that of its name, or the only one there is.

    Raises: EnvbuildError, if one is in none.
    """
    result = {}
    for name in data:
        table = contract.table(name) or (contract.schema[0] if len(contract.schema) == len(data) == 1 else None)
        if table is None:
            known = ", ".join(f"`{each.name}`" for each in contract.schema)
            hint = "Name the table as the data, or write a contract for each"
            raise EnvbuildError(
                f"the contract `{contract.id}` does not say which table the data `{name}` is",
                f"it has {known or 'none'}",
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
