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


class TableError(EnvbuildError):
    """A file that is not what it says it is: the input is wrong, not a rule."""


@dataclass(frozen=True, slots=True)
class ColumnReading:
    """How the values of a column are read, where the file alone does not tell."""

    type: str = "VARCHAR"
    """DuckDB's name of its type."""
    missing: tuple[str, ...] = ()
    """Texts that stand for no value, besides an empty one; of numbers, numbers as text: `-999`."""
    format: str = ""
    """Of dates and times in text, as `strptime` has it; empty for ISO 8601."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file of rows, or several of the same columns."""

    paths: tuple[Path, ...]
    format: Format
    readings: Mapping[str, ColumnReading] = field(default_factory=dict)
    """By the name of the column in the file; columns without one are read as what they look like."""
    encoding: str = ""
    """Of text, as Python names it: `latin-1`; empty for UTF-8, and for UTF-16 with its mark."""


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
    guesses: Mapping[str, ColumnReading] = field(default_factory=dict)
    """How columns of text are read that `file` has no reading of, by a look at the first rows."""

    def column(self, name: str) -> Column | None:
        """The column of a name."""
        return next((each for each in self.columns if each.name == name), None)


def format_of(path: Path) -> Format:
    """The format that a file's name says. Raises: EnvbuildError, if it says none that is read."""
    found = _FORMATS.get(_suffix(path))
    if found is None:
        known = ", ".join(sorted(_FORMATS))
        raise EnvbuildError(f"`{path}` is no table that is read", f"its name ends in none of {known}")
    if compression_of(path) and found not in ("csv", "json"):
        raise EnvbuildError(
            f"`{path}` is no table that is read", f"{found} compresses its columns itself", "decompress the file"
        )
    return found


def compression_of(path: Path) -> str:
    """`.gz`, `.zst` or nothing."""
    last = path.suffix.lower()
    return last if last in _COMPRESSED else ""


def is_tabbed(path: Path) -> bool:
    """Whether the name says that columns are parted by tabs."""
    return _suffix(path) == ".tsv"


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def table_paths(path: Path) -> tuple[Path, ...]:
    """The files that a path stands for, in order: itself, all below a folder, or what a pattern (`*.csv`) finds.

    Of a folder, names that begin with `_` or `.` are left out, as writers of tables mean them.

    Raises: EnvbuildError, if there are none, one is no table, or they are of different formats.
    """
    if path.is_dir():
        found = sorted(each for each in path.rglob("*") if each.is_file() and not _is_set_aside(each, path))
    elif not path.exists() and any(letter in path.name for letter in "*?["):
        found = sorted(each for each in path.parent.glob(path.name) if each.is_file())
    else:
        found = [path]
    if not found:
        raise EnvbuildError(f"`{path}` has no table", "no file there has a name of a format that is read")
    formats = {format_of(each) for each in found}
    if len(formats) > 1:
        raise EnvbuildError(
            f"`{path}` is not one table", f"its files are of different formats: {', '.join(sorted(formats))}"
        )
    return tuple(found)


def _is_set_aside(path: Path, folder: Path) -> bool:
    return any(part.startswith(("_", ".")) for part in path.relative_to(folder).parts)
