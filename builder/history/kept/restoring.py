"""Laying out again what is kept: whole or not at all, and nothing that was there and is kept nowhere is lost."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from builder.errors import EnvbuildError
from builder.history.content import Content, Row
from builder.history.kept import files
from builder.history.kept.place import Kept, check_rows, is_sealed
from builder.lock.data.hashing import Found, Hasher, shown, walk
from builder.oci.digest import Digest
from builder.oci.sourced import identity_of
from builder.oci.store import Store, remove_tree
from builder.progress import Progress, Silent

LINKED = 1 << 20
"""Bytes from which on a file is linked where its blocks cannot be shared; smaller ones may be written to."""
_DRAFT = ".envbuild-"
_EXECUTE = 0o111


@dataclass(frozen=True, slots=True)
class Restored:
    """What was done to have something at a path."""

    how: Literal["there", "placed"]
    """Whether it was there already."""
    aside: Path | None = None
    """Where what was there before is now, if it was kept nowhere else."""


def has(store: Store, content: Content) -> bool:
    """Whether all files of a content are kept, each as it was."""
    return _rows(Kept.of(store), content) is not None


def holds(store: Store, content: Content, target: Path) -> bool:
    """Whether this is what is at a path now; files are read where nothing tells that they were not written to."""
    try:
        found = _found(target)
        rows = Kept.of(store).rows(content)
        if rows is None or sorted((file.path, file.size) for file in found) != sorted((row[0], row[2]) for row in rows):
            return False
        expected = {row[0]: row[1] for row in rows}
        unsure = [file for file in found if not is_sealed((target / file.path).stat(), expected[file.path])]
        if not unsure:
            return True
        locked, _ = Hasher(store, time.time_ns).hash(target, found, f"hashing {shown(target)}")
    except (EnvbuildError, OSError):  # nothing, or something else
        return False
    return all(file.digest.hex == expected[file.path] for file in locked)


def restore(store: Store, content: Content, target: Path, progress: Progress | None = None) -> Restored:
    """Have a content at a path: files that share blocks with the store's, read-only links of large ones, or copies.

    It appears by a rename. What was there is dropped if it is kept, else put aside beside it, as `NAME.changed-1`.

    Raises: EnvbuildError, if it is not kept (any more), or cannot be written; nothing has changed then.
    """
    target = Path(os.path.abspath(target))
    if holds(store, content, target):
        return Restored("there")
    kept = Kept.of(store)
    rows = _rows(kept, content)
    if rows is None:
        raise EnvbuildError(
            f"`{shown(target)}` cannot be restored", f"sha256:{content.sha256} is not kept (any more)",
            "Run the stage again: `envbuild repro --force`",
        )  # fmt: skip
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _drop_leftovers(target)
        with _draft(target) as draft:
            _Layer(kept, kept.executable(content), progress or Silent()).lay(content, rows, draft / "new")
            aside = _swap(store, draft, target)
    except OSError as error:
        raise EnvbuildError(f"`{shown(target)}` cannot be restored", error.strerror or str(error)) from error
    _remember(store, target, rows)
    return Restored("placed", aside)


def _rows(kept: Kept, content: Content) -> tuple[Row, ...] | None:
    """The files of a content, if all are kept."""
    rows = kept.rows(content)
    if rows is None or not all(kept.has(Digest(row[1]), row[2]) for row in rows):
        return None
    return rows


def _found(target: Path) -> tuple[Found, ...]:
    status = target.lstat()
    if stat.S_ISDIR(status.st_mode):
        return walk(target)
    if not stat.S_ISREG(status.st_mode):
        raise EnvbuildError(f"`{target}` is no regular file")
    return (Found("", identity_of(status)),)


@dataclass(slots=True)
class _Layer:
    """Lays out files of the store."""

    kept: Kept
    executable: frozenset[str]
    progress: Progress
    clones: bool = True
    """Whether blocks can be shared, as far as was seen."""

    def lay(self, content: Content, rows: tuple[Row, ...], place: Path) -> None:
        label = f"restoring {content.sha256[:12]}"
        made = set()
        self.progress.start(label, sum(row[2] for row in rows))
        try:
            if content.kind == "folder":
                place.mkdir()
                check_rows(rows)
            for path, sha256, size in rows:
                at = place / path if path else place
                if at.parent not in made:
                    at.parent.mkdir(parents=True, exist_ok=True)
                    made.add(at.parent)
                self._lay_file(self.kept.path(Digest(sha256)), at, size, is_executable=path in self.executable)
                self.progress.advance(label, size)
        finally:
            self.progress.finish(label)

    def _lay_file(self, source: Path, place: Path, size: int, *, is_executable: bool) -> None:
        self.clones = self.clones and files.clone(source, place)
        if not self.clones:
            if size >= LINKED and not is_executable and files.link(source, place):
                return
            files.copy(source, place)
        if is_executable:
            os.chmod(place, place.stat().st_mode | _EXECUTE)


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """A folder beside the target for what becomes it, locked as long as somebody works in it."""
    import secrets

    folder = target.parent / f".{target.name}{_DRAFT}{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        remove_tree(folder)
        os.close(descriptor)


def _drop_leftovers(target: Path) -> None:
    """Remove what killed processes left of restoring the same."""
    beginning = f".{target.name}{_DRAFT}"
    for entry in [Path(entry) for entry in os.scandir(target.parent) if entry.name.startswith(beginning)]:
        with suppress(OSError):
            descriptor = os.open(entry, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove_tree(entry)
            finally:
                os.close(descriptor)


def _swap(store: Store, draft: Path, target: Path) -> Path | None:
    """Put what was made into its place; where what was there is now, if it is kept nowhere else."""
    if not os.path.lexists(target):
        os.rename(draft / "new", target)
        return None
    aside = None if _is_kept(store, target) else _free_name(target)
    if aside is None and (draft / "new").is_file() and target.is_file():
        os.replace(draft / "new", target)
        return None
    old = aside or draft / "old"
    os.rename(target, old)
    try:
        os.rename(draft / "new", target)
    except BaseException:
        os.rename(old, target)
        raise
    return aside


def _is_kept(store: Store, target: Path) -> bool:
    kept = Kept.of(store)
    try:
        locked, _ = Hasher(store, time.time_ns).hash(target, _found(target), f"hashing {shown(target)}")
    except EnvbuildError:
        return False
    return all(kept.has(file.digest, file.size) for file in locked)


def _free_name(target: Path) -> Path:
    number = 1
    while os.path.lexists(path := target.with_name(f"{target.name}.changed-{number}")):
        number += 1
    return path


def _remember(store: Store, target: Path, rows: tuple[Row, ...]) -> None:
    """Spare the next command to hash what was just laid out."""
    with suppress(OSError, EnvbuildError):
        expected = {row[0]: row[1] for row in rows}
        found = {file: expected[file.path] for file in _found(target) if file.path in expected}
        Hasher(store, time.time_ns).note(target, found)
