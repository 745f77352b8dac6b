"""Hashing files of this machine: streamed, several at a time, and only those that changed since they were hashed last.

What was hashed is kept in the store by folder: a file counts as unchanged if its device, inode, size, and times of
change are the same, and if it was at rest when it was hashed. A file that is not known is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.data.entry import LockedFile, check_path
from builder.oci.digest import Digest
from builder.oci.layout import CHUNK
from builder.oci.sourced import identity_of
from builder.oci.store import Store
from builder.progress import Progress, Silent

_RECORDS = "hashed-files"
_WORKERS = 4
AT_REST = 2_000_000_000
"""Nanoseconds since the last change, from which on the times of a file tell whether it changes again."""
_AGAIN = "Run the command again when nothing writes to it"


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file, as it was found."""

    path: str
    """Below the folder that was walked; empty for a file by itself."""
    identity: tuple[int, ...]
    """Device, inode, size, times of change of content and of anything, in nanoseconds."""

    @property
    def size(self) -> int:
        """In bytes."""
        return self.identity[2]


@dataclass(frozen=True, slots=True)
class Hasher:
    """Hashes files, and remembers what it hashed."""

    store: Store
    now: Callable[[], int]
    """The time, in nanoseconds; it decides only what is remembered."""
    progress: Progress = Silent()
    rehash: bool = False
    """Read all files, whatever is remembered."""
    remembers: bool = True
    """Whether what is hashed is kept for the next time: not of a folder that goes away."""

    def hash(self, root: Path, files: Iterable[Found], label: str) -> tuple[tuple[LockedFile, ...], bool]:
        """The digests of files below `root` (or of `root` itself), sorted; and whether any was read for it.

        Raises: EnvbuildError, if one cannot be read or changes meanwhile.
        """
        files = sorted(files, key=lambda file: file.path)
        known = {} if self.rehash else self._known(_key(root))
        digests = {file.path: digest for file in files if (digest := _digest_in(known, file)) is not None}
        missing = [file for file in files if file.path not in digests]
        if missing:
            digests |= self._read_all(root, missing, label)
            settled = self.now() - AT_REST
            if self.remembers:
                resting = [file for file in files if max(file.identity[3:]) < settled]
                self.note(root, {file: digests[file.path] for file in resting})
        return tuple(LockedFile(file.path, Digest(digests[file.path]), file.size) for file in files), bool(missing)

    def note(self, root: Path, digests: Mapping[Found, str]) -> None:
        """Remember the hexadecimal digests of all files below `root`, or of `root` itself, and nothing else of it."""
        record = {file.path: [*file.identity, digest] for file, digest in digests.items()}
        self.store.keep_record(_RECORDS, _key(root), record)

    def _known(self, key: str) -> Mapping[str, Any]:
        record = self.store.record(_RECORDS, key)
        return record if isinstance(record, dict) else {}

    def _read_all(self, root: Path, files: list[Found], label: str) -> dict[str, str]:
        from concurrent.futures import ThreadPoolExecutor

        self.progress.start(label, sum(file.size for file in files))
        pool = ThreadPoolExecutor(_WORKERS)
        try:
            large = {file.path: pool.submit(self._read, root, file, label) for file in files if file.size > CHUNK}
            small = {file.path: self._read(root, file, label) for file in files if file.size <= CHUNK}
            return small | {path: future.result() for path, future in large.items()}
        finally:
            pool.shutdown(cancel_futures=True)
            self.progress.finish(label)

    def _read(self, root: Path, file: Found, label: str) -> str:
        path = os.path.join(root, file.path) if file.path else str(root)
        checksum = hashlib.sha256()
        try:
            with open(path, "rb", buffering=0) as stream:
                before = identity_of(os.fstat(stream.fileno()))
                while data := stream.read(CHUNK):
                    checksum.update(data)
                    self.progress.advance(label, len(data))
                after = identity_of(os.fstat(stream.fileno()))
        except OSError as error:
            raise EnvbuildError(f"`{shown(Path(path))}` cannot be read", error.strerror or str(error)) from error
        if not before == after == file.identity:
            raise EnvbuildError(f"`{shown(Path(path))}` changed while it was read", hint=_AGAIN)
        return checksum.hexdigest()


def _key(root: Path) -> str:
    return hashlib.sha256(os.fsencode(os.path.abspath(root))).hexdigest()


def _digest_in(known: Mapping[str, Any], file: Found) -> str | None:
    entry = known.get(file.path)
    return str(entry[-1]) if isinstance(entry, list) and tuple(entry[:-1]) == file.identity else None


LEFT_OUT = frozenset({".DS_Store", "Thumbs.db", ".ipynb_checkpoints"})
"""What file managers and notebooks leave in folders, and is no data. The launcher has the same list."""


def walk(root: Path) -> tuple[Found, ...]:
    """Every regular file below a folder, in order; `LEFT_OUT` apart.

    A link is followed to a file inside of the same folder, and to nothing else.

    Raises: EnvbuildError, if something else is there, or cannot be looked at.
    """
    found: list[Found] = []
    waiting = [""]
    top = os.fspath(root)
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(os.path.join(top, folder)) as entries:
                for entry in entries:
                    if entry.name in LEFT_OUT:
                        continue
                    path = folder + entry.name
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(f"{path}/")
                    else:
                        found.append(Found(_text(root, path), identity_of(_status(root, entry))))
        except OSError as error:
            raise EnvbuildError(f"`{shown(root / folder)}` cannot be read", error.strerror or str(error)) from error
    return tuple(sorted(found, key=lambda file: file.path))


def _status(root: Path, entry: os.DirEntry[str]) -> os.stat_result:
    if entry.is_symlink():
        _check_link(root, Path(entry.path))
    status = entry.stat()
    if not stat.S_ISREG(status.st_mode):
        raise EnvbuildError(f"`{shown(Path(entry.path))}` is no regular file", hint="Only files and folders are data")
    return status


def _check_link(root: Path, place: Path) -> None:
    """Refuse a link that means something else, or nothing, where the folder is mounted by itself."""
    relative = not os.path.isabs(os.readlink(place))
    try:
        target = place.resolve(strict=True)
    except (OSError, RuntimeError) as error:
        raise EnvbuildError(f"`{shown(place)}` is a link that leads nowhere", hint="Remove it") from error
    if not (relative and target.is_relative_to(root.resolve()) and target.is_file()):
        raise EnvbuildError(
            f"`{shown(place)}` is a link that leads out of `{shown(root)}`, or to a folder",
            hint="Put the files themselves there",
        )


def _text(root: Path, path: str) -> str:
    try:
        return check_path(path)
    except ValueError as error:
        raise EnvbuildError(f"a file in `{shown(root)}` cannot be locked", str(error), "Rename it") from error


def shown(path: Path) -> str:
    """A path for messages: relative where that is shorter, whatever bytes it has."""
    relative = os.path.relpath(path)
    text = str(path) if relative.startswith("..") and len(relative) > len(str(path)) else relative
    return text.encode("utf-8", "replace").decode()
