"""The index of a project's runs: what lists and searches ten thousand of them without reading them.

Made from the folders and brought up to date each time, so that it may be deleted, damaged or old at any time. Where
it cannot be kept, or another process is at it for long, it is made in memory.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from builder.errors import EnvbuildError
from builder.history.entry import Entry, Read, read_entry
from builder.history.folder import RUNS, TAGS_FILE
from builder.history.record import RECORD_FILE, RUN_ID
from builder.history.search import Expression, holds, names_of
from builder.progress import Progress, Silent

INDEX_FORMAT = 1
"""Moves where the index of a run would be another; an index of another format is made again."""
_BUSY_SECONDS = 20.0
_LOOKED_AT = 500
"""Runs that are asked for their names."""
_PLAIN = re.compile(r"[A-Za-z0-9_./:@+ -]+")
_TABLES = """
CREATE TABLE runs (key INTEGER PRIMARY KEY, folder TEXT UNIQUE NOT NULL, stamp TEXT NOT NULL, start TEXT NOT NULL,
    whole INTEGER NOT NULL, problem TEXT, running INTEGER NOT NULL, entry TEXT NOT NULL);
CREATE INDEX by_start ON runs (whole, start, folder);
CREATE TABLE facts (key INTEGER PRIMARY KEY, facts TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Broken:
    """A folder that is no run."""

    folder: str
    """Its name."""
    problem: str


class RunIndex:
    """Asks for runs; made by `open_index`."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def entries(self, where: Expression | None = None, limit: int | None = None) -> Iterator[Entry]:
        """The runs for which an expression holds, the latest first: by their start, then by their id."""
        count = -1 if limit is None else limit
        if where is None:
            rows = self._rows("SELECT entry FROM runs WHERE whole = 1 ORDER BY start DESC, folder DESC LIMIT ?", count)
            yield from (Entry.from_dict(json.loads(row[0])) for row in rows)
            return
        found = list(self._matching(where))[: None if limit is None else limit]
        for key in found:
            for (text,) in self._rows("SELECT entry FROM runs WHERE key = ?", key):
                yield Entry.from_dict(json.loads(text))

    def count(self) -> int:
        """How many runs there are."""
        return int(next(iter(self._rows("SELECT count(*) FROM runs WHERE whole = 1")))[0])

    def broken(self) -> tuple[Broken, ...]:
        """Folders that are no runs, by name."""
        rows = self._rows("SELECT folder, problem FROM runs WHERE problem IS NOT NULL ORDER BY folder")
        return tuple(Broken(*row) for row in rows)

    def names(self) -> frozenset[str]:
        """Every name that one of the latest runs has something under."""
        keys = "SELECT key FROM runs WHERE whole = 1 ORDER BY start DESC, folder DESC LIMIT ?"
        rows = self._rows(f"SELECT facts FROM facts WHERE key IN ({keys})", _LOOKED_AT)  # noqa: S608 - no value in it
        return frozenset(unquote(name) for row in rows for name in json.loads(row[0]))

    def _matching(self, where: Expression) -> Iterator[int]:
        names = sorted(names_of(where))
        paths = [f'$."{_safe(name)}"' for name in names] or ["$"]
        values = f"json_array({', '.join(['json_extract(facts, ?)'] * len(paths))})"
        query = f"""SELECT runs.key, {values} FROM runs JOIN facts USING (key)
            WHERE whole = 1 ORDER BY start DESC, folder DESC"""  # noqa: S608 - all values are bound
        for key, text in self._rows(query, *paths):
            facts = {name: value for name, value in zip(names, json.loads(text), strict=False) if value is not None}
            if holds(where, facts):
                yield key

    def _rows(self, query: str, *values: object) -> Iterable[Any]:
        return self._connection.execute(query, values)


@contextmanager
def open_index(
    root: Path,
    file: Path | None,
    progress: Progress | None = None,
) -> Iterator[RunIndex]:
    """The index of the project in `root`, as its folders are now, kept in `file`."""
    connection = _connected(file)
    try:
        try:
            _refresh(connection, root / RUNS, progress or Silent())
        except sqlite3.Error as error:
            connection.close()
            connection = _rebuilt(None if _is_barred(error) else file, root, progress or Silent())
        yield RunIndex(connection)
    finally:
        connection.close()


def _connected(file: Path | None) -> sqlite3.Connection:
    """A connection to a file that is made if it is not there, or to memory."""
    if file is not None:
        with suppress(OSError, sqlite3.Error):
            file.parent.mkdir(parents=True, exist_ok=True)
            return _prepared(str(file))
    return _prepared(":memory:")


def _prepared(name: str) -> sqlite3.Connection:
    connection = sqlite3.connect(name, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA trusted_schema = OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_barred(error: sqlite3.Error) -> bool:
    """Whether the file may be sound, and cannot be used here and now: it is held, not to be written, the disk full."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN)


def _rebuilt(file: Path | None, root: Path, progress: Progress) -> sqlite3.Connection:
    """Instead of a damaged index a new one; in memory, where that cannot be written either."""
    if file is not None:
        with suppress(OSError):
            file.unlink(missing_ok=True)
            file.with_name(file.name + "-journal").unlink(missing_ok=True)
    for connection in (_connected(file), _prepared(":memory:")):
        try:
            _refresh(connection, root / RUNS, progress)
        except sqlite3.Error:
            connection.close()
        else:
            return connection
    raise EnvbuildError("the runs cannot be listed", "SQLite can write neither its file nor its memory")


def _refresh(connection: sqlite3.Connection, runs: Path, progress: Progress) -> None:
    """Read again what has changed, and forget what is gone."""
    _ensure_tables(connection)
    rows = connection.execute("SELECT folder, stamp, running FROM runs").fetchall()
    known = {folder: stamp for folder, stamp, running in rows if not running}  # who runs may have died
    stamps = _stamps(runs)
    changed = [folder for folder, stamp in stamps.items() if known.get(folder) != stamp]
    gone = [row[0] for row in rows if row[0] not in stamps]
    if not changed and not gone:
        return
    label = f"reading {len(changed)} runs"
    progress.start(label, sum(int(stamps[folder].split(":", 1)[0] or 0) for folder in changed))
    try:
        with _transaction(connection):
            _forget(connection, [*gone, *changed])
            for folder in changed:
                found = read_entry(runs / folder)  # which may write down that it was killed
                _keep(connection, folder, _stamp(str(runs / folder)), found)
                progress.advance(label, int(stamps[folder].split(":", 1)[0] or 0))
    finally:
        progress.finish(label)


def _ensure_tables(connection: sqlite3.Connection) -> None:
    """Raises: sqlite3.Error, if what is there is of another format, or no index."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version == INDEX_FORMAT:
        return
    if version or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
        raise sqlite3.DatabaseError("another format")
    with _transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] == INDEX_FORMAT:
            return  # another process was faster
        for statement in _TABLES.split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {INDEX_FORMAT}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _stamps(runs: Path) -> dict[str, str]:
    """What changes when a run does, by the name of its folder."""
    try:
        with os.scandir(runs) as found:
            folders = [one.name for one in found if RUN_ID.fullmatch(one.name)]
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise EnvbuildError(f"`{runs}` cannot be read", error.strerror or str(error)) from error
    parent = str(runs)
    return {folder: _stamp(f"{parent}/{folder}") for folder in folders}


def _stamp(folder: str) -> str:
    """The size of the record first."""
    return f"{_of_file(f'{folder}/{RECORD_FILE}')};{_of_file(f'{folder}/{TAGS_FILE}')}"


def _of_file(path: str) -> str:
    try:
        found = os.lstat(path)
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}:{found.st_ctime_ns}:{found.st_ino}"


def _forget(connection: sqlite3.Connection, folders: Sequence[str]) -> None:
    for folder in folders:
        row = connection.execute("SELECT key FROM runs WHERE folder = ?", (folder,)).fetchone()
        if row:
            connection.execute("DELETE FROM facts WHERE key = ?", row)
            connection.execute("DELETE FROM runs WHERE key = ?", row)


def _keep(connection: sqlite3.Connection, folder: str, stamp: str, found: Read) -> None:
    entry = found.entry
    row = (
        folder,
        stamp,
        entry.start if entry else "",
        entry is not None,
        found.problem,
        found.running,
        _json(entry.to_dict()) if entry else "",
    )
    insert = "INSERT INTO runs (folder, stamp, start, whole, problem, running, entry) VALUES (?, ?, ?, ?, ?, ?, ?)"
    key = connection.execute(insert, row).lastrowid
    facts = {_safe(name): value for name, value in found.facts.items()}
    connection.execute("INSERT INTO facts VALUES (?, ?)", (key, _json(facts)))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def _safe(name: str) -> str:
    """A name as a key that SQLite's paths of JSON can have between quotes."""
    return name if _PLAIN.fullmatch(name) else quote(name, safe="/:@+ ", errors="replace")
