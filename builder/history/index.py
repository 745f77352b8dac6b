"""The index of a project's runs: what lists and searches ten thousand of them without reading them.

Made from the folders and brought up to date each time, so that it may be deleted, damaged or old at any time. Where
it cannot be kept, or another process is at it for long, it is made in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from builder.errors import EnvbuildError
from builder.history.entry import Entry, Read, read_entry
from builder.history.layout import RECORD_FILE, RUN_ID, RUNS, TAGS_FILE
from builder.history.search import Expression, names_of, predicate
from builder.history.search.facts import Fact
from builder.progress import Progress, Silent

T = TypeVar("T")
INDEX_FORMAT = 1
"""Moves where the index of a run would be another; an index of another format is made again."""
_BUSY_SECONDS = 20.0
_AT_ONCE = 2000
"""Runs whose facts are held in memory at a time."""
_LONGEST = 1 << 63
_TABLES = """
CREATE TABLE runs (key INTEGER PRIMARY KEY AUTOINCREMENT, folder TEXT UNIQUE NOT NULL, stamp TEXT NOT NULL,
    start TEXT NOT NULL, whole INTEGER NOT NULL, problem TEXT, running INTEGER NOT NULL, entry TEXT NOT NULL,
    names TEXT NOT NULL);
CREATE INDEX by_start ON runs (whole, start, folder);
CREATE TABLE names (name_key INTEGER PRIMARY KEY, name TEXT UNIQUE NOT NULL);
CREATE TABLE facts (name_key INTEGER, key INTEGER, value, PRIMARY KEY (name_key, key)) WITHOUT ROWID;
CREATE TABLE told (key INTEGER PRIMARY KEY, told TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Broken:
    """A folder that is no run."""

    folder: str
    """Its name."""
    problem: str


class RunIndex:
    """Asks for runs; made by `open_index`."""

    def __init__(self, connection: sqlite3.Connection, rebuild: Callable[[], sqlite3.Connection]) -> None:
        self._connection = connection
        self._rebuild = rebuild

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def entries(self, where: Expression | None = None, limit: int | None = None) -> tuple[Entry, ...]:
        """The runs for which an expression holds, the latest first: by their start, then by their id."""
        return self._asked(lambda: tuple(self._entries(where, limit)))

    def _entries(self, where: Expression | None, limit: int | None) -> Iterator[Entry]:
        count = -1 if limit is None else limit
        if where is None:
            rows = self._rows("SELECT entry FROM runs WHERE whole = 1 ORDER BY start DESC, folder DESC LIMIT ?", count)
            yield from (Entry.from_dict(json.loads(row[0])) for row in rows)
            return
        found = list(self._matching(where))[: None if limit is None else limit]
        for key in found:
            for (text,) in self._rows("SELECT entry FROM runs WHERE key = ?", key):
                yield Entry.from_dict(json.loads(text))

    def ids(self, part: str, *, last: bool = False) -> list[str]:
        """The ids of runs that begin with `part`, or whose last digits do, the latest first."""
        pattern = f"*-{part}*" if last else f"{part}*"
        query = "SELECT folder FROM runs WHERE whole = 1 AND folder GLOB ? ORDER BY start DESC, folder DESC"
        rows = self._asked(lambda: list(self._rows(query, pattern)))
        return [row[0] for row in rows if not last or row[0].rpartition("-")[2].startswith(part)]

    def told(self) -> Iterator[dict[str, Any]]:
        """What each run read and wrote (`Read.told`), the latest first."""
        rows = self._rows("SELECT told FROM told JOIN runs USING (key) ORDER BY start DESC, folder DESC")
        yield from (json.loads(row[0]) for row in rows)

    def count(self) -> int:
        """How many runs there are."""
        return self._asked(lambda: int(next(iter(self._rows("SELECT count(*) FROM runs WHERE whole = 1")))[0]))

    def broken(self) -> tuple[Broken, ...]:
        """Folders that are no runs, by name."""
        query = "SELECT folder, problem FROM runs WHERE problem IS NOT NULL ORDER BY folder"
        return self._asked(lambda: tuple(Broken(*row) for row in self._rows(query)))

    def names(self) -> frozenset[str]:
        """Every name that a run has something under, or had."""
        return self._asked(lambda: frozenset(row[0] for row in self._rows("SELECT name FROM names")))

    def _asked(self, ask: Callable[[], T]) -> T:
        """What is asked for; of a file that turns out to be damaged, once more of a new one."""
        try:
            return ask()
        except (sqlite3.Error, ValueError, TypeError):
            self.close()
            self._connection = self._rebuild()
            return ask()

    def _matching(self, where: Expression) -> Iterator[int]:
        facts: defaultdict[int, dict[str, Fact]] = defaultdict(dict)
        for name in names_of(where):
            rows = self._rows("SELECT key, value FROM facts JOIN names USING (name_key) WHERE name = ?", _text(name))
            for key, value in rows:
                facts[key][name] = json.loads(value) if isinstance(value, bytes) else value
        nothing: dict[str, Fact] = {}
        test = predicate(where)
        for (key,) in self._rows("SELECT key FROM runs WHERE whole = 1 ORDER BY start DESC, folder DESC"):
            if test(facts.get(key, nothing)):
                yield key

    def _rows(self, query: str, *values: object) -> Iterable[Any]:
        return self._connection.execute(query, values)


def index_file(store: Path, root: Path) -> Path:
    """Where the index of the project in `root` is kept, in the folder of a store."""
    name = hashlib.sha256(os.fsencode(root.resolve())).hexdigest()
    return store / "records" / "run-indexes" / f"{name}.sqlite"


@contextmanager
def open_index(
    root: Path,
    file: Path | None,
    progress: Progress | None = None,
) -> Iterator[RunIndex]:
    """The index of the project in `root`, as its folders are now, kept in `file`."""
    shown = progress or Silent()
    connection = _connected(file)
    try:
        _refresh(connection, root / RUNS, shown)
    except sqlite3.Error as error:
        connection.close()
        connection = _rebuilt(None if _is_barred(error) else file, root, shown)
    except BaseException:
        connection.close()
        raise
    index = RunIndex(connection, lambda: _rebuilt(file, root, shown))
    try:
        yield index
    finally:
        index.close()


def _connected(file: Path | None) -> sqlite3.Connection:
    """A connection to a file that is made if it is not there, or to memory."""
    if file is not None:
        with suppress(OSError, sqlite3.Error):
            file.parent.mkdir(parents=True, exist_ok=True)
            return sqlite3.connect(file, timeout=_BUSY_SECONDS, isolation_level=None)
    return sqlite3.connect(":memory:", isolation_level=None)


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
    for place in (file, None):
        connection = _connected(place)
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
    progress.start(label, sum(_size(stamps[folder]) for folder in changed))
    try:
        with _transaction(connection):
            _forget(connection, [*gone, *changed])
            names: dict[str, int] = dict(connection.execute("SELECT name, name_key FROM names"))
            for start in range(0, len(changed), _AT_ONCE):
                facts: list[tuple[int, int, Any]] = []
                for folder in changed[start : start + _AT_ONCE]:
                    found = read_entry(runs / folder)  # which may write down that it was killed
                    facts += _keep(connection, names, (folder, _stamp(str(runs / folder))), found)
                    progress.advance(label, _size(stamps[folder]))
                facts.sort(key=lambda row: row[:2])  # so that a tree of a million grows at its ends
                connection.executemany("INSERT INTO facts VALUES (?, ?, ?)", facts)
    finally:
        progress.finish(label)


def _ensure_tables(connection: sqlite3.Connection) -> None:
    """Raises: sqlite3.Error, if what is there is of another format, or no index."""
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA trusted_schema = OFF")
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


def _size(stamp: str) -> int:
    """Bytes of the record."""
    number = stamp.partition(":")[0]
    return int(number) if number.isdecimal() else 0


def _of_file(path: str) -> str:
    try:
        found = os.lstat(path)
    except OSError:
        return ""
    return f"{found.st_size}:{found.st_ctime_ns}:{found.st_ino}"


def _forget(connection: sqlite3.Connection, folders: Sequence[str]) -> None:
    for folder in folders:
        row = connection.execute("SELECT key, names FROM runs WHERE folder = ?", (folder,)).fetchone()
        if row:
            names = [(int(name), row[0]) for name in row[1].split()]
            connection.executemany("DELETE FROM facts WHERE name_key = ? AND key = ?", names)
            connection.execute("DELETE FROM runs WHERE key = ?", row[:1])
            connection.execute("DELETE FROM told WHERE key = ?", row[:1])


def _keep(
    connection: sqlite3.Connection, names: dict[str, int], folder: tuple[str, str], found: Read
) -> list[tuple[int, int, Any]]:
    """Keep the run of a folder and its stamp; the rows of facts that are to be kept too."""
    facts = {_name_key(connection, names, _text(name)): _value(value) for name, value in found.facts.items()}
    entry = found.entry
    row = (
        *folder,
        entry.start if entry else "",
        entry is not None,
        found.problem,
        found.running,
        json.dumps(entry.to_dict()) if entry else "",
        " ".join(map(str, facts)),
    )
    columns = "folder, stamp, start, whole, problem, running, entry, names"
    insert = f"INSERT INTO runs ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - names of columns
    key = connection.execute(insert, row).lastrowid or 0
    if found.told is not None:
        connection.execute("INSERT INTO told VALUES (?, ?)", (key, json.dumps(found.told)))
    return [(name, key, value) for name, value in facts.items()]


def _name_key(connection: sqlite3.Connection, names: dict[str, int], name: str) -> int:
    if name not in names:
        names[name] = connection.execute("INSERT INTO names (name) VALUES (?)", (name,)).lastrowid or 0
    return names[name]


def _value(fact: Fact) -> str | int | float | bytes:
    """A fact as SQLite has it; JSON of what it has not: lists, truth values, long numbers."""
    if isinstance(fact, str):
        return _text(fact)
    if isinstance(fact, float) or (type(fact) is int and -_LONGEST < fact < _LONGEST):
        return fact
    return json.dumps(fact).encode()


def _text(text: str) -> str:
    """Without halves of pairs, which are no text."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
