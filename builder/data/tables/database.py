"""Tables asked in SQL through DuckDB: bounded in memory and time, blind to all other files, and never written to."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from builder.data.tables.files import Table, TableFile
from builder.data.tables.prepare import prepare
from builder.data.tables.reading import misfit, present, typed
from builder.data.tables.reasons import TOO_LONG, broken, reason
from builder.data.tables.select import written
from builder.data.tables.sql import listed, literal
from builder.data.tables.sql import quoted as quoted
from builder.data.tables.views import file_error, make_views
from builder.errors import EnvbuildError

_BATCH_ROWS = 1 << 16
"""Of an Arrow record batch."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a database may take."""

    memory: int = 300 << 20
    """Bytes; what is more goes to a temporary folder, which takes half of what is free there."""
    seconds: float = 600
    """Of one query."""
    threads: int | None = None
    """By default as many as there are processors."""


class QueryError(EnvbuildError):
    """A query that could not be answered; `why` is DuckDB's reason, without values of the data."""


class Database:
    """Some tables, open."""

    def __init__(
        self,
        connection: Any,
        tables: Mapping[str, Table],
        limits: Limits,
        scratch: Path,
        sources: Mapping[str, Sequence[Path]],
    ) -> None:
        self.tables = dict(tables)
        self.scratch = scratch
        """The one folder that a query can write to; it goes when the database is closed."""
        self._connection = connection
        self._limits = limits
        self._sources = sources  # the paths that DuckDB reads: a table's own, or copies
        self._totals: dict[str, int] = {}
        self._variables: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def opened(cls, files: Mapping[str, TableFile], limits: Limits | None = None) -> Iterator[Database]:
        """The tables of some files, by name, until the block ends.

        Raises: EnvbuildError, if one cannot be read as what it says it is.
        """
        import duckdb

        limits = limits or Limits()
        with TemporaryDirectory(prefix="envbuild-data-") as folder:
            scratch = Path(folder).resolve()
            ready = {name: prepare(file, _room(scratch, number)) for number, (name, file) in enumerate(files.items())}
            connection = duckdb.connect(":memory:")
            try:
                _confine(connection, [path for _, paths in ready.values() for path in paths], limits, scratch)
                connection.execute("CREATE SCHEMA raw")
                tables = {name: make_views(connection, name, files[name], *ready[name]) for name in files}
                yield cls(connection, tables, limits, scratch, {name: paths for name, (_, paths) in ready.items()})
            finally:
                connection.close()

    def remember(self, name: str, value: Any) -> None:
        """Let queries have a value as `getvariable('NAME')`, so that it stands in the text of none."""
        self._variables[name] = value

    def _cursor(self) -> Any:
        """One of its own for each query, so that another can be asked meanwhile."""
        cursor = self._connection.cursor()
        for name, value in self._variables.items():
            cursor.execute(f"SET VARIABLE {quoted(name)} = ?", [value])
        return cursor

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
        cursor = self._cursor()
        alarm = threading.Timer(limit, cursor.interrupt)
        alarm.daemon = True
        alarm.start()
        try:
            cursor.execute(query, list(parameters))
            while chunk := cursor.fetchmany(1024):
                yield from chunk
        except duckdb.InterruptException as error:
            raise QueryError("a query was stopped", f"{TOO_LONG} {limit:g} s") from error
        except duckdb.Error as error:
            raise self._error(error, query) from error
        except (OverflowError, ValueError) as error:
            raise QueryError("a query failed", "a date or number of its answer is beyond what Python holds") from error
        except RuntimeError as error:  # so DuckDB names a signal whose handler raised an exception
            raise KeyboardInterrupt if str(error) == "Query interrupted" else error from error
        finally:
            alarm.cancel()
            cursor.close()

    def arrow_reader(self, query: str) -> Any:
        """The rows of a query's answer as a `pyarrow.RecordBatchReader`. Raises: QueryError."""
        import duckdb

        try:
            return self._cursor().sql(query).to_arrow_reader(_BATCH_ROWS)
        except duckdb.Error as error:
            raise self._error(error, query) from error

    def check_query(self, query: str) -> None:
        """Check that a query of somebody else is one SELECT that writes nothing; it is not run.

        Raises: QueryError, with the reason.
        """
        import duckdb

        try:
            statements = self._connection.extract_statements(query)
            if len(statements) != 1:
                raise QueryError(
                    "a query is not taken", f"it has to be one SELECT, and is {len(statements)} statements"
                )
            kind = statements[0].type.name
            if kind != "SELECT":
                raise QueryError("a query is not taken", f"it has to be a SELECT, and is {kind.replace('_', ' ')}")
            if statements[0].named_parameters:
                raise QueryError("a query is not taken", "it has parameters, which nobody fills in")
            (tree,) = self.row("SELECT json_serialize_sql(?)", [statements[0].query.strip().rstrip(";")])
        except duckdb.Error as error:
            raise QueryError("a query is not taken", reason(error, query)) from error
        if forbidden := written(str(tree)):
            raise QueryError("a query is not taken", f"it has to be one SELECT, and has {forbidden}")

    def _error(self, error: Exception, query: str) -> EnvbuildError:
        """A failure is the query's, or that of a file that is not whole."""
        named = [name for name, paths in self._sources.items() if any(str(path) in str(error) for path in paths)]
        if broken(error) and (named or len(self.tables) == 1):
            name = (named or list(self.tables))[0]
            return file_error(self.tables[name].file, self._sources[name], error)
        return QueryError("a query failed", reason(error, query))

    def total(self, name: str) -> int:
        """How many rows a table has. Raises: TableError, if it cannot be read to its end."""
        if name not in self._totals:
            (self._totals[name],) = self.row(f"SELECT count(*) FROM raw.{quoted(name)}")
        return int(self._totals[name])

    def misfits(self, name: str, column: str) -> str:
        """SQL for the values that are there, do not stand for none, and are not what they should be, for `FROM`.

        `value` as the file has it; `_row`, its row, as of `numbered`. Of a column that nothing is declared of, those
        that are not as the first rows are.
        """
        table = self.tables[name]
        stored = next(each.stored for each in table.columns if each.name == column)
        found = misfit(column, stored, table.file.readings.get(column) or table.guesses.get(column))
        return f"(SELECT _row, {quoted(column)} AS value FROM {self.numbered(name, raw=True)} WHERE {found})"

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
            parts.append(f"{typed(column.name, column.stored, reading)} AS {quoted(column.name)}")
            if reading is not None:
                parts.append(f"{present(column.name, column.stored, reading)} AS {quoted(unread(column.name))}")
        return f"(SELECT {', '.join(parts)} FROM raw.{quoted(name)})"

    def steps(self, name: str, column: str) -> tuple[str, str]:
        """SQL for a column in `FROM raw.NAME`: without what stands for no value, and as it is read."""
        table = self.tables[name]
        reading = table.file.readings.get(column)
        stored = next(each.stored for each in table.columns if each.name == column)
        return present(column, stored, reading), typed(column, stored, reading)


def unread(column: str) -> str:
    """The name in `Database.paired` of a column as the file has it, where a reading says how it is read."""
    return f"\x01{column}"


def _room(scratch: Path, number: int) -> Path:
    """A folder for the copies of a table's files."""
    folder = scratch / str(number)
    folder.mkdir()
    return folder


def _confine(connection: Any, paths: Sequence[Path], limits: Limits, scratch: Path) -> None:
    """Let the connection read these files and nothing else, whatever it is asked; its settings stay so."""
    settings = {
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "python_enable_replacements": "false",
        "temp_directory": literal(scratch),
        "max_temp_directory_size": literal(f"{shutil.disk_usage(scratch).free // 2}B"),
        "memory_limit": literal(f"{limits.memory}B"),
        "allowed_paths": f"[{listed(paths)}]",
        "allowed_directories": f"[{literal(scratch)}]",
        "enable_external_access": "false",
        "GLOBAL TimeZone": "'UTC'",
        **({"threads": str(limits.threads)} if limits.threads else {}),
        "lock_configuration": "true",
    }
    for name, value in settings.items():
        connection.execute(f"SET {name} = {value}")
