"""An OCI image layout on disk (image-spec, image-layout.md): blobs by digest, written atomically.

A blob is written to a temporary name, then renamed; so a blob that is there is whole. A file that a power
cut left short is noticed by its size, which every use compares.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter
from pathlib import Path
from types import TracebackType
from typing import IO, BinaryIO, Self

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.documents import DOCUMENT_LIMIT, Descriptor, Index, Manifest
from builder.oci.synced import SyncedFile

CHUNK = 1 << 20
"""Bytes that are read or written at a time."""


class Layout:
    """The blobs of an OCI layout folder. Many processes may read and write it at once."""

    is_remote = False
    """Whether each blob is received when it is opened."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        self.temporary = root / "tmp"

    def create(self) -> None:
        """Make the folders and the marker file, where they are not there."""
        self._blobs.mkdir(parents=True, exist_ok=True)
        self.temporary.mkdir(exist_ok=True)
        for name, content in (
            ("oci-layout", canonical_json({"imageLayoutVersion": "1.0.0"})),
            ("index.json", Index(()).to_bytes()),
        ):
            if not (self.root / name).exists():
                write_atomically(self.root / name, content)

    def path(self, digest: Digest) -> Path:
        """Where the blob of `digest` is, or would be."""
        return self._blobs / digest.hex

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there with this size in bytes."""
        try:
            return self.path(digest).stat().st_size == size
        except FileNotFoundError:
            return False

    def read(self, descriptor: Descriptor, limit: int = DOCUMENT_LIMIT) -> bytes:
        """The bytes of a small blob, verified.

        Raises: EnvbuildError, if it is missing or over `limit` bytes; DigestMismatchError, if it is another.
        """
        if descriptor.size > limit:
            raise EnvbuildError(f"blob {descriptor.digest} is too large to be a document", f"{descriptor.size} bytes")
        with self.open(descriptor.digest) as file:
            data = file.read(descriptor.size + 1)
        if len(data) != descriptor.size or Digest.of(data) != descriptor.digest:
            raise DigestMismatchError(
                f"blob {descriptor.digest} does not have the bytes that its digest promises",
                f"in `{self.root}`",
                "Delete it, or run `envbuild cache prune --all`, and try again",
            )
        return data

    def open(self, digest: Digest) -> IO[bytes]:
        """The blob as an unbuffered file.

        Raises: EnvbuildError, if it is missing.
        """
        try:
            return open_regular(self.path(digest))
        except FileNotFoundError as error:
            raise EnvbuildError(f"blob {digest} is not in `{self.root}`") from error

    def write(self, data: bytes) -> Digest:
        """Keep `data` as a blob."""
        digest = Digest.of(data)
        if not self.has(digest, len(data)):
            with self.new_blob() as blob:
                blob.write(data)
                blob.commit()
        return digest

    def new_blob(self) -> BlobWriter:
        """A blob to stream into, which is kept when it is committed."""
        return BlobWriter(self)

    def discard(self, digest: Digest) -> None:
        """Delete a blob that was found to be damaged, so that it is made or fetched again."""
        self.path(digest).unlink(missing_ok=True)

    def manifest(self, descriptor: Descriptor) -> Manifest:
        """The verified manifest that `descriptor` names."""
        return Manifest.from_bytes(self.read(descriptor))

    def index(self, descriptor: Descriptor) -> Index:
        """The verified index that `descriptor` names."""
        return Index.from_bytes(self.read(descriptor))

    def blobs(self) -> Iterator[Digest]:
        """The digest of every blob that is there."""
        with os.scandir(self._blobs) as entries:
            for entry in entries:
                yield Digest(entry.name)


def open_regular(path: Path) -> IO[bytes]:
    """An unbuffered file to read. What is none (a pipe, a device) is not waited for.

    Raises: EnvbuildError, if it is no regular file; OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise EnvbuildError(f"`{path}` is no regular file")
        return open(descriptor, "rb", buffering=0)
    except BaseException:
        os.close(descriptor)
        raise


def copy_blob(source: Layout, target: Layout, descriptor: Descriptor) -> None:
    """Keep a blob of `source` in `target`, where it is not there yet, checking its digest on the way.

    Raises: EnvbuildError, if it is missing; DigestMismatchError, if it is damaged.
    """
    if target.has(descriptor.digest, descriptor.size):
        return
    with source.open(descriptor.digest) as file, target.new_blob() as blob:
        while chunk := file.read(CHUNK):
            blob.write(chunk)
            if blob.size > descriptor.size:
                break
        if blob.size != descriptor.size:
            raise DigestMismatchError(
                f"blob {descriptor.digest} of `{source.root}` is not of {descriptor.size} bytes",
                hint="The file was cut short or changed; get it again",
            )
        blob.commit(descriptor.digest)


class BlobWriter:
    """Streams bytes into a layout. Nothing is left behind unless `commit` was called."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._hash = hashlib.sha256()
        self.size = 0

    def __enter__(self) -> Self:
        """Make the temporary file."""
        descriptor, self._path = claimed_file(self._layout.temporary, "blob-")
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        return self

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`."""
        self._hash.update(data)
        self.size += len(data)
        write_all(self._file, data)

    def commit(self, expected: Digest | None = None) -> Digest:
        """Keep what was written under its digest.

        Raises: DigestMismatchError, if that is not `expected`.
        """
        digest = Digest(self._hash.hexdigest())
        if expected is not None and digest != expected:
            raise DigestMismatchError(
                f"the bytes of blob {expected} have the digest {digest}", hint="The source was changed; get it again"
            )
        os.chmod(self._path, 0o644)
        os.replace(self._path, self._layout.path(digest))
        return digest

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Remove the temporary file, unless it became a blob."""
        self._file.close()
        self._path.unlink(missing_ok=True)


def write_all(file: IO[bytes], data: bytes | memoryview) -> None:
    """Write all of `data` to an unbuffered file, which may take several calls."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` at the end, durably: a crash leaves the old one or the new."""
    draft = path.parent / f".{path.name}-{secrets.token_hex(4)}"
    try:
        with (
            SyncedFile(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)) as raw,
            BufferedWriter(raw) as file,
        ):
            yield file
            file.flush()
            raw.sync()
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def write_atomically(path: Path, data: bytes) -> None:
    """Replace the file at `path` by `data`, as `replacing` does."""
    with replacing(path) as file:
        file.write(data)


def claimed_file(folder: Path, prefix: str) -> tuple[int, Path]:
    """A new temporary file, open for writing and locked: one without a lock belongs to nobody and may be pruned."""
    while True:
        descriptor, name = tempfile.mkstemp(prefix=prefix, dir=folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.path.exists(name):
            return descriptor, Path(name)
        os.close(descriptor)  # it was pruned before it was locked


@contextmanager
def partial_file(path: Path) -> Iterator[BinaryIO]:
    """The partial file at `path`, held by this process alone; it stays for resuming when the body fails."""
    while True:
        with open(path, "ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_at(file, path):  # else whoever held it has finished and renamed it
                yield file
                return


def _is_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False
