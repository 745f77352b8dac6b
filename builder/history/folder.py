"""The folder of a run, `runs/<id>/`: made, held while it runs, finished, and read again.

A folder appears whole, by a rename. Whoever runs holds a lock on its log; a record that says `running` while nobody
holds the lock is of a run that was killed, and the next who reads it writes that down. The crate beside the record
has the record's digest: a record that was changed by hand is told as such.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.layout import RECORD_FILE, RECORD_LIMIT, RUN_ID, RUNS
from builder.history.record import Log, RunRecord
from builder.oci.canonical import parse_json, readable_json

SWEEPS = "sweeps"
"""Below `runs`: the documents of sweeps."""
LOG_FILE = "log.txt"
PATCH_FILE = "changes.patch"
STEPS_FILE = "metrics.jsonl"
_DRAFT = ".new-"
_NEXT = ".next-"
"""Before the names of files that are about to take the place of those without it."""


@dataclass(frozen=True, slots=True)
class KeptRun:
    """A run as its folder tells it."""

    folder: Path
    record: RunRecord
    changed: str | None = None
    """What tells that the record was changed by hand, in one sentence; then nothing of it was measured."""


@dataclass(frozen=True, slots=True)
class Runs:
    """All runs of a project."""

    runs: tuple[KeptRun, ...]
    """The latest first."""
    failures: tuple[EnvbuildError, ...]
    """Folders that cannot be read, each named."""


def new_run_id(name: str, now: datetime) -> str:
    """A name for a run of the command or stage `name` that begins now."""
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{name}-{secrets.token_hex(3)}"


def time_text(now: datetime) -> str:
    """A time as records have it."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class OpenRun:
    """A run that is under way. Its lock ends with the process, whatever ends that."""

    def __init__(self, folder: Path, record: RunRecord, lock: int) -> None:
        self.folder = folder
        self.record = record
        self._lock: int | None = lock

    @classmethod
    def begin(cls, root: Path, record: RunRecord, files: Mapping[str, bytes] | None = None) -> OpenRun:
        """Make the folder of a run below `runs` of the folder `root`, with these files besides.

        Raises: EnvbuildError, if it cannot be written; then nothing is left behind.
        """
        runs = root / RUNS
        folder = runs / record.id
        draft = None
        try:
            runs.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=runs))
            draft.chmod(0o755)
            for name, data in (files or {}).items():
                _write(draft / name, data)
            lock = os.open(draft / LOG_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            _hold(lock)
            _replace(draft, record)
            draft.rename(folder)
        except OSError as error:
            if draft is not None:
                shutil.rmtree(draft, ignore_errors=True)
            raise _failed(runs, error) from error
        return cls(folder, record, lock)

    @property
    def log(self) -> Path:
        """The file for what is printed. It is there, and is appended to, never replaced: its lock says who runs."""
        return self.folder / LOG_FILE

    def finish(self, record: RunRecord, files: Mapping[str, bytes] | None = None) -> None:
        """Write what came of the run, and files besides; the run is under way no longer.

        Raises: EnvbuildError, if it cannot be written, of a full disk: then the run is taken for killed.
        """
        try:
            for name, data in (files or {}).items():
                _write(self.folder / name, data)
            _replace(self.folder, record)
            self.record = record
        except OSError as error:
            raise _failed(self.folder, error) from error
        finally:
            self._release()

    def discard(self) -> None:
        """Remove the folder, of a run that never began."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def is_run(folder: Path) -> bool:
    """Whether a folder was made for a run, or is about to be, or has what is told of sweeps."""
    if folder.parent.name != RUNS:
        return False
    if folder.name == SWEEPS or folder.name.startswith(_DRAFT):
        return True
    return bool(RUN_ID.fullmatch(folder.name) and (folder / RECORD_FILE).is_file())


def is_runs(folder: Path) -> bool:
    """Whether a folder is one that runs are in."""
    with suppress(OSError), os.scandir(folder) as entries:
        return any(is_run(folder / entry.name) for entry in entries)
    return False


def read_runs(root: Path) -> Runs:
    """The runs below `runs` of the folder `root`, the latest first; what cannot be read is told beside them."""
    runs, failures = [], []
    for folder in run_folders(root):
        try:
            runs.append(read_run(folder))
        except EnvbuildError as error:
            failures.append(error)
    return Runs(tuple(runs), tuple(failures))


def run_folders(root: Path) -> Iterator[Path]:
    """The folders that are runs by their names, the latest first."""
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(root / RUNS) as entries:
        names = [entry.name for entry in entries if RUN_ID.fullmatch(entry.name)]
        yield from (root / RUNS / name for name in sorted(names, reverse=True))


def read_run(folder: Path) -> KeptRun:
    """The run in a folder. One that says `running` and is not is written down as killed.

    Raises: EnvbuildError, naming the folder, if it holds no run.
    """
    try:
        kept = _read(folder)
        return _buried(kept) if kept.record.state == "running" else kept
    except OSError as error:
        why = error.strerror or str(error)
        raise EnvbuildError(f"the run `{folder}` cannot be read", f"`{error.filename or folder}`: {why}") from error


def is_running(folder: Path) -> bool:
    """Whether somebody holds the lock of a run. Raises: OSError, if its log is gone."""
    lock = os.open(folder / LOG_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return not _hold(lock, shared=True)
    finally:
        os.close(lock)


def _read(folder: Path) -> KeptRun:
    from builder.history.crate import CRATE_FILE, record_digest

    path = folder / RECORD_FILE
    crate = _bytes(folder / CRATE_FILE)
    promised = record_digest(crate) if crate is not None else None
    data = _bytes(path)
    following = _bytes(folder / f"{_NEXT}{RECORD_FILE}")
    if following is not None and promised == _sha256(following):  # it was finished between two renames
        data = following
    if data is None:
        raise EnvbuildError(f"`{folder}` is no run", f"`{RECORD_FILE}` is not there")
    record = RunRecord.from_dict(parse_json(data, f"`{path}`"), f"`{path}`")
    if record.id != folder.name:
        raise EnvbuildError(f"`{folder}` is no run", f"its record is of `{record.id[:100]}`", "Give it its name back")
    changed = None
    if promised is None:
        changed = f"`{CRATE_FILE}` is not there, or has no digest of `{RECORD_FILE}`"
    elif promised != _sha256(data):
        changed = f"`{RECORD_FILE}` is not what `{CRATE_FILE}` has the digest of"
    return KeptRun(folder, record, changed)


def _buried(kept: KeptRun) -> KeptRun:
    """The same, as killed, where nobody runs it; that is written down unless it was changed by hand."""
    try:
        lock = os.open(kept.folder / LOG_FILE, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # its log is gone, or nothing may be written here
        with suppress(OSError):
            if is_running(kept.folder):
                return kept
        return replace(kept, record=_killed(kept))
    try:
        if not _hold(lock):
            return kept
        current = _read(kept.folder)  # it may have been finished just now
        if current.record.state != "running":
            return current
        dead = replace(current, record=_killed(current))
        if dead.changed is None:
            with suppress(OSError):
                _replace(kept.folder, dead.record)
        return dead
    finally:
        os.close(lock)


def _killed(kept: KeptRun) -> RunRecord:
    """The record of a run that nobody finished: it ended when its folder was last written."""
    times, size = [], 0
    for name in (LOG_FILE, STEPS_FILE, RECORD_FILE):
        with suppress(OSError):
            status = os.stat(kept.folder / name)
            times.append(status.st_mtime)
            size = status.st_size if name == LOG_FILE else size
    end = time_text(datetime.fromtimestamp(max(times), UTC))
    return replace(
        kept.record,
        state="killed",
        end=end,
        log=kept.record.log or Log(LOG_FILE, size),
        notes=(*kept.record.notes, f"nobody finished it: it was killed, and was last written to at {end}"),
    )


def _hold(lock: int, *, shared: bool = False) -> bool:
    """Take the lock; whether it was free. A file system without locks cannot tell: nobody is taken for dead there."""
    try:
        fcntl.flock(lock, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _replace(folder: Path, record: RunRecord) -> None:
    """Write the record and its crate: what reads them sees both as they were, or both as they are. Raises: OSError."""
    from builder.history.crate import CRATE_FILE, crate_json

    data = readable_json(record.to_dict())
    crate = crate_json(record, folder, data)
    lasting = record.state != "running"
    _write(folder / f"{_NEXT}{RECORD_FILE}", data, renamed=False, lasting=lasting)
    try:
        _write(folder / CRATE_FILE, crate, lasting=lasting)
    except OSError:
        with suppress(OSError):
            os.unlink(folder / f"{_NEXT}{RECORD_FILE}")
        raise
    os.replace(folder / f"{_NEXT}{RECORD_FILE}", folder / RECORD_FILE)


def _write(path: Path, data: bytes, *, renamed: bool = True, lasting: bool = False) -> None:
    """Write a file whole, by a draft; one that is `lasting` also outlives a machine that stops. Raises: OSError."""
    draft = path.with_name(f"{_NEXT}{path.name}") if renamed else path
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        if renamed:
            os.replace(draft, path)
    except OSError:
        with suppress(OSError):
            os.unlink(draft)
        raise


def _bytes(path: Path) -> bytes | None:
    """A regular file of a bounded size; None where there is none. Raises: EnvbuildError, OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise EnvbuildError(f"`{path}` is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        data = file.read(RECORD_LIMIT + 1)
    if len(data) > RECORD_LIMIT:
        raise EnvbuildError(f"`{path}` is larger than the {RECORD_LIMIT} bytes of a record")
    return data


def _sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def _failed(path: Path, error: OSError) -> EnvbuildError:
    return EnvbuildError(
        f"the run cannot be recorded in `{path}`", error.strerror or str(error), "Make room, or let it be written to"
    )
