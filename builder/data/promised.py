"""The tables of a contract with the files that hold them: what both sides need before anything is asked. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.data.contract.document import Contract, Property, SchemaObject
from builder.data.tables.files import ColumnReading, TableFile, format_of
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
        result[table.name] = TableFile(tuple(paths), format_of(paths[0]), readings(table))
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
    """How a column is read."""
    clean = column.custom("clean")
    missing = clean.get("missing", ()) if isinstance(clean, dict) else ()
    return ColumnReading(_TYPES[column.logical_type or "string"], tuple(map(str, missing)))
