"""The store: one OCI layout in the user's cache folder, with small indexes from keys to what was made for them.

Everything in it can be made or fetched again, so any file may be deleted at any time, and none is synced to
disk. What is hard to get again (a wheel that was built from source) is kept when the rest is deleted. Safe for many
processes at once.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from builder.errors import EnvbuildError
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.layout import Layout, claimed_file
from builder.oci.sourced import Sourced

BUILT_WHEELS, CHECKOUTS = "built-wheels", "checkouts"
"""Kinds of records that name what no index has: wheels that were built here, and archives of commits."""

_SOURCED = "sourced-blobs"
"""The kind of the records of blobs that are not written, by digest."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Usage:
    """What one part of the store takes on disk."""

    name: str
    files: int
    size: int
    """In bytes."""


class Store(Layout):
    """A layout with keyed records, locks and folders for unpacked layers.

    Blobs may be there as a description alone, as long as the files that they are read from do not change: such a one
    is to be opened, and has nothing at its `path`.
    """

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there with this size in bytes, written or described."""
        if super().has(digest, size):
            return True
        content = self._sourced(digest)
        return content is not None and content.size == size and content.is_current()

    def open(self, digest: Digest) -> IO[bytes]:
        """The blob as an unbuffered file.

        Raises: EnvbuildError, if it is missing; while it is read, if a file that it is in has changed.
        """
        try:
            return super().open(digest)
        except EnvbuildError:
            content = self._sourced(digest)
            if content is None:
                raise
            return content.open()

    def describe(self, digest: Digest, content: Sourced) -> None:
        """Have the blob without writing it: it is what `content` gives, which has this digest."""
        self.keep_record(_SOURCED, digest.hex, content.to_value())

    def discard(self, digest: Digest) -> None:
        """Forget a blob that was found to be damaged, so that it is made or fetched again."""
        super().discard(digest)
        self._record_path(_SOURCED, digest.hex).unlink(missing_ok=True)

    def blobs(self) -> Iterator[Digest]:
        """The digest of every blob that is there, written or described."""
        written = set(super().blobs())
        yield from written
        folder = self.root / "records" / _SOURCED
        found = {Digest(file.stem) for file in folder.glob("*.json")} if folder.is_dir() else set()
        yield from found - written

    def _sourced(self, digest: Digest) -> Sourced | None:
        value = self.record(_SOURCED, digest.hex)
        return None if value is None else Sourced.from_value(value)

    def record(self, kind: str, key: str) -> Any | None:
        """The JSON value kept under `key`, or None if there is none (or it was cut short)."""
        try:
            return json.loads(self._record_path(kind, key).read_bytes())
        except (FileNotFoundError, ValueError):
            return None

    def keep_record(self, kind: str, key: str, value: Any) -> None:
        """Keep a JSON value under `key`, atomically."""
        path = self._record_path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, draft = claimed_file(self.temporary, "record-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(canonical_json(value))
                file.flush()
                os.chmod(draft, 0o644)
                os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Keep other processes and threads out of the same work; released when the process ends, however it ends."""
        path = self._checked(self.root / "locks", name)
        path.parent.mkdir(exist_ok=True)
        with open(path, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def partial_path(self, name: str) -> Path:
        """Where an interrupted download of `name` is kept for resuming. Take `locked` before use."""
        return self._checked(self.temporary, f"partial-{name}")

    def unpacked_path(self, name: str) -> Path:
        """Where an unpacked layer of `name` is kept."""
        return self._checked(self.root / "unpacked", name)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A new folder, removed afterwards unless it was renamed. What a killed process leaves may be pruned."""
        folder, descriptor = self._claimed_folder()
        try:
            yield folder
        finally:
            remove_tree(folder)
            os.close(descriptor)

    def usage(self) -> tuple[Usage, ...]:
        """What each part of the store takes on disk."""
        return tuple(
            _usage(name, self.root / folder)
            for name, folder in (
                ("blobs", "blobs"), ("records", "records"), ("unpacked layers", "unpacked"),
                ("indexes of conda channels", "conda"), ("outputs of stages and runs", "kept"), ("unfinished", "tmp"),
            )
        )  # fmt: skip

    def named_blobs(self, kinds: Collection[str]) -> frozenset[Digest]:
        """The blobs that are there and that records of these kinds name, as their `digest`."""
        found = set()
        for kind in kinds:
            folder = self.root / "records" / kind
            for file in folder.glob("*.json") if folder.is_dir() else ():
                with suppress(FileNotFoundError, ValueError, TypeError, KeyError, EnvbuildError):
                    found.add(Digest.parse(json.loads(file.read_bytes())["digest"]))
        return frozenset(digest for digest in found if self.path(digest).exists())

    def prune(self, everything: bool = False, keep: Collection[str] = ()) -> int:
        """Delete leftovers of killed processes and broken-off downloads, or `everything`. Returns the bytes freed.

        Of everything, records of the kinds `keep` stay, and the blobs that they name.
        """
        before = sum(part.size for part in self.usage())
        for entry in self.temporary.iterdir():
            _remove_if_unused(entry)
        if everything:
            kept = {digest.hex for digest in self.named_blobs(keep)}
            records = self.root / "records"
            remove_tree(self.root / "conda")
            for folder in (self.root / "unpacked", *(records.iterdir() if records.is_dir() else ())):
                if folder.parent != records or folder.name not in keep:
                    remove_tree(folder)
            for blob in self._blobs.iterdir():
                if blob.name not in kept:
                    blob.unlink(missing_ok=True)
        return before - sum(part.size for part in self.usage())

    def drop_scratch(self) -> None:
        """Remove the scratch folders that killed processes left."""
        for entry in self.temporary.glob("scratch-*"):
            _remove_if_unused(entry)

    def _claimed_folder(self) -> tuple[Path, int]:
        """A new folder and its open descriptor, which holds its lock."""
        while True:
            folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=self.temporary)).resolve()
            with suppress(FileNotFoundError):
                descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if folder.exists():
                    return folder, descriptor
                os.close(descriptor)  # it was pruned before it was locked

    def _record_path(self, kind: str, key: str) -> Path:
        return self._checked(self.root / "records" / kind, f"{key}.json")

    @staticmethod
    def _checked(folder: Path, name: str) -> Path:
        if not _NAME.fullmatch(name):
            raise ValueError(f"not a name for a file of the store: {name!r}")
        return folder / name


def remove_tree(root: Path) -> None:
    """Remove a folder with whatever modes its folders have, and however deep they are; not to be there is no error."""
    with suppress(OSError):
        top = os.open(root, _FOLDER)
        try:
            _empty(top)
        finally:
            os.close(top)
        os.rmdir(root)


def _empty(top: int) -> None:
    """Remove what is in an open folder. Folders in folders are moved up first: no way to one is ever long."""
    waiting, beginning, number = ["."], f".{os.urandom(8).hex()}-", 0
    while waiting:
        name = waiting.pop()
        with suppress(OSError):
            if name != ".":
                os.chmod(name, 0o700, dir_fd=top)
            folder = os.open(name, _FOLDER, dir_fd=top)
            try:
                for inner, is_folder in [(one.name, one.is_dir(follow_symlinks=False)) for one in os.scandir(folder)]:
                    with suppress(OSError):
                        if not is_folder:
                            os.unlink(inner, dir_fd=folder)
                        elif name == ".":
                            waiting.append(inner)
                        else:
                            os.chmod(inner, 0o700, dir_fd=folder)
                            number += 1
                            os.rename(inner, f"{beginning}{number}", src_dir_fd=folder, dst_dir_fd=top)
                            waiting.append(f"{beginning}{number}")
            finally:
                os.close(folder)
            if name != ".":
                os.rmdir(name, dir_fd=top)


def _remove_if_unused(path: Path) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.is_dir():
                remove_tree(path)
            else:
                path.unlink()
        except BlockingIOError:
            return
        finally:
            os.close(descriptor)


def _usage(name: str, folder: Path) -> Usage:
    sizes = []
    for root, _, files in os.walk(folder):
        for file in files:
            with suppress(FileNotFoundError):  # another process may have finished with it
                sizes.append(os.lstat(os.path.join(root, file)).st_size)
    return Usage(name, len(sizes), sum(sizes))
