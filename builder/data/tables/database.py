"""Tables asked in SQL through DuckDB: bounded in memory and time, blind to all other files, and never written to."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from builder.data.tables.files import Column, ColumnReading, Table, TableFile
from builder.errors import EnvbuildError


_BATCH_ROWS = 1 << 16
"""Of an Arrow record batch."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a database may take."""

    memory: int = 300 << 20
    """Bytes; what is more goes to a temporary folder."""
    seconds: float = 600
    """Of one query."""
    threads: int | None = None
    """By default as many as there are processors."""


class QueryError(EnvbuildError):
    """A query that could not be answered; `why` is DuckDB's reason, without values of the data."""


class Database:
    """Some tables, open."""

    def __init__(self, connection: Any, tables: Mapping[str, Table], limits: Limits, scratch: Path) -> None:
        self.tables = dict(tables)
        self.scratch = scratch
        """The one folder that a query can write to; it goes when the database is closed."""
        self._connection = connection
        self._limits = limits

    @classmethod
    @contextmanager
    def opened(cls, files: Mapping[str, TableFile], limits: Limits | None = None) -> Iterator[Database]:
        """The tables of some files, by name, until the block ends.

        Raises: EnvbuildError, if one cannot be read as what it says it is.
        """
        import duckdb

        limits = limits or Limits()
        with TemporaryDirectory(prefix="envbuild-data-") as spilled:
            connection = duckdb.connect(":memory:")
            try:
                _confine(connection, files, limits, Path(spilled))
                tables = {name: _make_view(connection, name, file) for name, file in files.items()}
                yield cls(connection, tables, limits, Path(spilled))
            finally:
                connection.close()

    def rows(self, query: str, parameters: Sequence[Any] = (), seconds: float | None = None) -> list[tuple[Any, ...]]:
        """All rows of a query's answer, which has to be small. Raises: QueryError."""
        return list(self.each(query, parameters, seconds))

    def row(self, query: str, parameters: Sequence[Any] = (), seconds: float | None = None) -> tuple[Any, ...]:
        """The one row of a query's answer. Raises: QueryError."""
        rows = self.rows(query, parameters, seconds)
        if len(rows) != 1:
            raise QueryError("a query has not one answer", f"it has {len(rows)} rows")
        return rows[0]

    def each(
        self, query: str, parameters: Sequence[Any] = (), seconds: float | None = None
    ) -> Iterator[tuple[Any, ...]]:
        """The rows of a query's answer, one after the other; the time is that of the whole. Raises: QueryError."""
        import duckdb

        limit = self._limits.seconds if seconds is None else seconds
        alarm = threading.Timer(limit, self._connection.interrupt)
        alarm.daemon = True
        alarm.start()
        try:
            cursor = self._connection.execute(query, list(parameters))
            while chunk := cursor.fetchmany(1024):
                yield from chunk
        except duckdb.InterruptException as error:
            raise QueryError("a query was stopped", f"it took longer than {limit:g} s") from error
        except duckdb.Error as error:
            raise QueryError("a query failed", _reason(error)) from error
        finally:
            alarm.cancel()

    def arrow_reader(self, query: str) -> Any:
        """The rows of a query's answer as a `pyarrow.RecordBatchReader`. Raises: QueryError."""
        import duckdb

        try:
            return self._connection.sql(query).to_arrow_reader(_BATCH_ROWS)
        except duckdb.Error as error:
            raise QueryError("a query failed", _reason(error)) from error

    def numbered(self, name: str, *, raw: bool = False) -> str:
        """SQL for the table's rows with their number in the file as `_row`, from 1; for `FROM`."""
        return f"(SELECT row_number() OVER () AS _row, * FROM {'raw.' if raw else ''}{quoted(name)})"

    def paired(self, name: str, *, numbered: bool = False) -> str:
        """SQL for the table's rows with each column twice, for `FROM`.

        As it is read; and, as `unread` names it, as the file has it without what stands for no value: where this is
        something and the other is NULL, a value does not fit. Numbered as by `numbered`.
        """
        table = self.tables[name]
        parts = ["row_number() OVER () AS _row"] if numbered else []
        for column in table.columns:
            reading = table.file.readings.get(column.name)
            parts.append(_expression(column.name, column.stored, reading))
            if reading is not None:
                parts.append(f"{_present(column.name, column.stored, reading)} AS {quoted(unread(column.name))}")
        return f"(SELECT {', '.join(parts)} FROM raw.{quoted(name)})"

    def steps(self, name: str, column: str) -> tuple[str, str]:
        """SQL for a column in `FROM raw.NAME`: without what stands for no value, and as it is read."""
        table = self.tables[name]
        reading = table.file.readings.get(column)
        stored = next(each.stored for each in table.columns if each.name == column)
        return _present(column, stored, reading), _read(column, stored, reading)


def unread(column: str) -> str:
    """The name in `Database.paired` of a column as the file has it, where a reading says how it is read."""
    return f"\x01{column}"


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def _literal(text: object) -> str:
    return "'" + str(text).replace("'", "''") + "'"


def _confine(connection: Any, files: Mapping[str, TableFile], limits: Limits, spilled: Path) -> None:
    """Let the connection read these files and nothing else, whatever it is asked; its settings stay so."""
    paths = [str(path.absolute()) for file in files.values() for path in file.paths]
    settings = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "temp_directory": _literal(spilled),
        "memory_limit": _literal(f"{limits.memory}B"),
        "allowed_paths": "[" + ", ".join(map(_literal, paths)) + "]",
        "allowed_directories": f"[{_literal(spilled)}]",
        "enable_external_access": "false",
        "TimeZone": "'UTC'",
        **({"threads": str(limits.threads)} if limits.threads else {}),
        "lock_configuration": "true",
    }
    for name, value in settings.items():
        connection.execute(f"SET {name} = {value}")


def _make_view(connection: Any, name: str, file: TableFile) -> Table:
    """The table's two views."""
    import duckdb

    connection.execute("CREATE SCHEMA IF NOT EXISTS raw")
    try:
        connection.execute(f"CREATE VIEW raw.{quoted(name)} AS SELECT * FROM {_source(file)}")
        stored = connection.execute(f"DESCRIBE raw.{quoted(name)}").fetchall()
    except duckdb.Error as error:
        shown = ", ".join(f"`{path}`" for path in file.paths)
        raise EnvbuildError(f"{shown} cannot be read as {file.format}", _reason(error)) from error
    expressions = [_expression(column, type_, file.readings.get(column)) for column, type_, *_ in stored]
    connection.execute(f"CREATE VIEW {quoted(name)} AS SELECT {', '.join(expressions)} FROM raw.{quoted(name)}")
    read = connection.execute(f"DESCRIBE {quoted(name)}").fetchall()
    columns = [Column(own[0], own[1], was[1]) for own, was in zip(read, stored, strict=True)]
    return Table(name, file, tuple(columns))


def _source(file: TableFile) -> str:
    paths = "[" + ", ".join(_literal(path.absolute()) for path in file.paths) + "]"
    if file.format == "csv":
        return f"read_csv({paths}, all_varchar = true, header = true)"
    if file.format == "json":
        return f"read_json({paths}, format = 'newline_delimited')"
    if file.format == "parquet":
        return f"read_parquet({paths})"
    raise EnvbuildError("Arrow files are not read yet")


def _expression(name: str, stored: str, reading: ColumnReading | None) -> str:
    """A column as it is read, under its name."""
    return f"{_read(name, stored, reading)} AS {quoted(name)}"


def _read(name: str, stored: str, reading: ColumnReading | None) -> str:
    """How a column is read: what cannot be is NULL, and a rule of its own counts it."""
    if reading is None:
        return quoted(name)
    value = _present(name, stored, reading)
    if reading.format and stored == "VARCHAR":
        value = f"try_strptime({value}, {_literal(reading.format)})"
    return f"TRY_CAST({value} AS {reading.type})"


def _present(name: str, stored: str, reading: ColumnReading | None) -> str:
    """A column as the file has it, without what stands for no value."""
    value = quoted(name)
    if reading is None or not reading.missing or stored != "VARCHAR":
        return value
    listed = ", ".join(map(_literal, reading.missing))
    return f"CASE WHEN {value} IN ({listed}) THEN NULL ELSE {value} END"


def _reason(error: Exception) -> str:
    """The first line of DuckDB's message, which has no values of the data in it."""
    return str(error).partition("\n")[0]
