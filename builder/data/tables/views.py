"""The two views of a table: `raw.NAME`, as the file has it, and `NAME`, as columns are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.data.tables.files import Column, ColumnReading, Table, TableError, TableFile
from builder.data.tables.guess import TYPES, guessed, look
from builder.data.tables.lines import line_of_other_bytes, line_of_other_end
from builder.data.tables.prepare import ENCODING_HINT, text_of
from builder.data.tables.reading import typed
from builder.data.tables.reasons import broken, is_encoding, is_line_end, reason
from builder.data.tables.sql import literal, quoted

_AS_TEXT = ("DATE", "TIME", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_NS", "UUID", '"NULL"')
"""Types that DuckDB sees in a text of JSON: it stays the text that it is."""

_GUESSED = {"csv": TYPES, "json": ("DATE", "TIMESTAMP")}
"""What a text may be, by format: where the format has types, a text is a text."""


def make_views(connection: Any, name: str, file: TableFile, source: str, paths: list[Path]) -> Table:
    """Make a table's views. Raises: TableError, if its file cannot be read."""
    import duckdb

    raw = f"raw.{quoted(name)}"
    try:
        stored = _stored(connection, source)
        if file.format == "json":
            source, stored = _json_source(source, stored, file.readings)
        elif file.format == "parquet":
            _check_names(connection, file, paths)
        if len(paths) > 1 and file.format in ("parquet", "arrow"):
            _check_same(connection, file, paths, stored)
        connection.execute(f"CREATE VIEW {raw} AS SELECT * FROM {source}")
        guesses = _guesses(connection, raw, stored, file.readings, _GUESSED.get(file.format, ()))
    except duckdb.Error as error:
        raise file_error(file, paths, error) from error
    readings = {**guesses, **file.readings}
    shown = [f"{typed(each, type_, readings.get(each))} AS {quoted(each)}" for each, type_ in stored.items()]
    connection.execute(f"CREATE VIEW {quoted(name)} AS SELECT {', '.join(shown)} FROM {raw}")
    read = connection.execute(f"DESCRIBE {quoted(name)}").fetchall()
    columns = tuple(Column(each[0], each[1], stored[each[0]]) for each in read)
    return Table(name, file, columns, guesses)


def file_error(file: TableFile, paths: Sequence[Path], error: Exception) -> TableError:
    """What is wrong with a table's file, where DuckDB says so; `paths` are those that DuckDB reads."""
    named = [shown for shown, path in zip(file.paths, paths, strict=True) if str(path) in str(error)]
    meant = (named or file.paths)[:3]
    shown = ", ".join(f"`{path}`" for path in meant)
    where = _where(meant[0], error) if file.format == "csv" and len(meant) == 1 else ("", None)
    why = where[0] or broken(error) or reason(error)
    return TableError(f"{shown} cannot be read as {file.format}", why, where[1])


def _where(path: Path, error: Exception) -> tuple[str, str | None]:
    """The line that a complaint is about, which names none or a wrong one, and what to do."""
    with text_of(path) as stream:
        if is_line_end(error):
            return line_of_other_end(stream), "Write all lines with one end: `dos2unix FILE`"
        if is_encoding(error) and (line := line_of_other_bytes(stream)):
            return f"line {line} is not UTF-8", ENCODING_HINT
    return "", None


def _stored(connection: Any, source: str) -> dict[str, str]:
    """The columns of a source and their types."""
    described = connection.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return {each[0]: each[1] for each in described}


def _json_source(
    source: str, found: Mapping[str, str], readings: Mapping[str, ColumnReading]
) -> tuple[str, dict[str, str]]:
    """The source with its types said: texts that look like dates stay texts, and long integers keep their digits."""
    types = dict(found)
    for name, type_ in found.items():
        wanted = readings[name].type if name in readings else ""
        if type_ in _AS_TEXT:
            types[name] = "VARCHAR"
        elif type_ == "DOUBLE" and wanted == "HUGEINT":
            types[name] = "JSON"
    said = ", ".join(f"{literal(name)}: {literal(type_)}" for name, type_ in types.items())
    kept = source.replace("sample_size = -1, ", "").partition("maximum_sample_files")[0]
    return f"{kept}maximum_object_size = {16 << 20}, columns = {{{said}}})", types


def _guesses(
    connection: Any, raw: str, stored: Mapping[str, str], readings: Mapping[str, ColumnReading], types: Sequence[str]
) -> Mapping[str, ColumnReading]:
    """How columns of text are read that nothing is said of."""
    names = [name for name, type_ in stored.items() if type_ == "VARCHAR" and name not in readings]
    if not names or not types:
        return {}
    return guessed(names, connection.execute(look(names, raw, types)).fetchall(), types)


def _check_names(connection: Any, file: TableFile, paths: list[Path]) -> None:
    """A name that stands twice, of which DuckDB makes two."""
    for path, shown in zip(paths, file.paths, strict=True):
        seen: set[str] = set()
        parts = 0  # of the column before, still to come
        schema = connection.execute(f"SELECT name, num_children FROM parquet_schema({literal(path)})").fetchall()
        for name, children in schema[1:]:
            if not parts and name.casefold() in seen:
                raise TableError(f"`{shown}` cannot be read as parquet", f"the column `{name}` stands twice")
            if not parts:
                seen.add(name.casefold())
            parts += (children or 0) - bool(parts)


def _check_same(connection: Any, file: TableFile, paths: list[Path], stored: Mapping[str, str]) -> None:
    for path, shown in zip(paths, file.paths, strict=True):
        here = _stored(connection, f"read_parquet([{literal(path)}], hive_partitioning = false)")
        if list(here.items()) == list(stored.items()):
            continue
        names = [name for name in {**stored, **here} if stored.get(name) != here.get(name)][:5]
        what = ", ".join(f"`{name}`" for name in names)
        raise TableError(
            f"`{shown}` is not of the same table as `{file.paths[0]}`",
            f"its columns differ: {what}" if what else "its columns stand in another order",
            "Files of one table have the same columns, of the same types, in the same order",
        )
