"""What a file of rows is, and how its columns are read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from builder.errors import EnvbuildError

Format = Literal["csv", "json", "parquet", "arrow"]
_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
}
_COMPRESSED = (".gz", ".zst")
"""Of text formats."""


@dataclass(frozen=True, slots=True)
class ColumnReading:
    """How the values of a column are read, where the file alone does not tell."""

    type: str = "VARCHAR"
    """DuckDB's name of its type."""
    missing: tuple[str, ...] = ()
    """Texts that stand for no value, besides an empty one."""
    format: str = ""
    """Of dates and times in text, as `strptime` has it; empty for ISO 8601."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of rows, or several of the same columns."""

    paths: tuple[Path, ...]
    format: Format
    readings: Mapping[str, ColumnReading] = field(default_factory=dict)
    """By the name of the column in the file; columns without one are read as what they look like."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it is read."""

    name: str
    type: str
    """DuckDB's name of its type: `BIGINT`, `DOUBLE`, `VARCHAR`, `DATE`, `TIMESTAMP` …"""
    stored: str
    """The type that the file gives it: `VARCHAR` of all columns of a CSV file."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of a Database: a view `NAME`, as columns are read, and `raw.NAME`, as the file has them."""

    name: str
    file: TableFile
    columns: tuple[Column, ...]

    def column(self, name: str) -> Column | None:
        """The column of a name."""
        return next((each for each in self.columns if each.name == name), None)


def format_of(path: Path) -> Format:
    """The format that a file's name says. Raises: EnvbuildError, if it says none that is read."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    found = _FORMATS.get(suffixes[-1]) if suffixes else None
    if found is None:
        known = ", ".join(sorted(_FORMATS))
        raise EnvbuildError(f"`{path}` is no table that is read", f"its name ends in none of {known}")
    return found
