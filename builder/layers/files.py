"""A package of files that are generated or lie on this machine: system files, code, a model, bundle documents.

Owns the checks on their paths and the way in which they are written as a segment; knows nothing of what they mean.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from pathlib import Path
from typing import BinaryIO

from builder.errors import DigestMismatchError, EnvbuildError
from builder.layers import tar_headers
from builder.layers.encode import EncodedWriter
from builder.layers.interface import PACKAGE_MTIME, Contents, Directory, Sink
from builder.oci.digest import Digest
from builder.oci.sourced import Part

_CHUNK = 1 << 20
_LONGEST_PATH = 4095
_WHITEOUT = ".wh."
"""What names begin with that engines take for deletions (image-spec, layer.md, "Whiteouts")."""


class Kind(Enum):
    """What a path is."""

    FILE = "file"
    SYMLINK = "symlink"
    DIRECTORY = "directory"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One path of a FileTree, with its content: `data`, or a `source` on disk of exactly `size` bytes."""

    path: str
    """Relative to the root, `/` between parts."""
    data: bytes = b""
    source: Path | None = None
    """A file to read when the segment is written; `data` is not used then."""
    size: int = 0
    """Of `source`, in bytes."""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    mtime: int = PACKAGE_MTIME
    """Seconds since the epoch."""
    kind: Kind = Kind.FILE
    target: str = ""
    """Where a symbolic link points to, as it is written in the link."""
    digest: Digest | None = None
    """The SHA-256 of `source`, where it is known: it is checked while the segment is written."""
    identity: tuple[int, ...] = ()
    """What `source` was when its digest was taken (`identity_of`); where it is known, a file that is still the same
    is not read again to check its digest."""

    @classmethod
    def link(cls, path: str, target: str) -> FileEntry:
        """A symbolic link."""
        return cls(path, kind=Kind.SYMLINK, target=target)

    @classmethod
    def directory(cls, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> FileEntry:
        """A directory that is empty, or has a mode or an owner of its own."""
        return cls(path, mode=mode, uid=uid, gid=gid, kind=Kind.DIRECTORY)

    @classmethod
    def on_disk(cls, path: str, source: Path, mode: int = 0o644) -> FileEntry:
        """The regular file `source`, with the size that it has now.

        Raises: EnvbuildError, if it cannot be read or is not a regular file.
        """
        try:
            status = source.stat()
        except OSError as error:
            raise EnvbuildError(f"`{source}` cannot be read", str(error)) from error
        if not source.is_file():
            raise EnvbuildError(f"`{source}` is not a regular file", "only files, links and directories can be packed")
        return cls(path, source=source, size=status.st_size, mode=mode)


class FileTree:
    """Entries as a Package: each path once, in the order of its UTF-8 bytes (which is that of its code points).

    Raises: EnvbuildError, if a path is not relative and plain, occurs twice, or lies below a file or a link.
    """

    def __init__(self, entries: Iterable[FileEntry]) -> None:
        ordered = sorted(entries, key=lambda entry: check_path(entry.path))
        _check_tree(ordered)
        self._entries = tuple(entry for entry in ordered if entry.kind is not Kind.DIRECTORY)
        self._directories = tuple(
            sorted(
                Directory(entry.path, entry.mode, entry.uid, entry.gid)
                for entry in ordered
                if entry.kind is Kind.DIRECTORY
            )
        )

    def contents(self) -> Contents:
        """The listing."""
        return Contents(self._directories, tuple(entry.path for entry in self._entries))

    def write(self, sink: Sink, left_out: Collection[str] = ()) -> None:
        """Write the segment, without the paths `left_out`.

        Raises: EnvbuildError, if a source on disk cannot be read or does not have its size any more;
        DigestMismatchError, if it does not have the digest that is known of it.
        """
        writer = EncodedWriter(sink)
        for entry in self._entries:
            if entry.path not in left_out:
                _write_entry(writer, entry)
        writer.finish()

    def parts(self) -> Iterator[Part]:
        """What `write` writes, not compressed: headers and padding, and between them the files themselves.

        Raises: EnvbuildError, if a source on disk is not there or does not have its size any more.
        """
        for entry in self._entries:
            yield Part(_header(entry))
            if entry.kind is Kind.FILE:
                yield _content(entry)
                yield Part(tar_headers.padding(_size(entry)))

    def sources(self) -> tuple[FileEntry, ...]:
        """The files that are read from disk."""
        return tuple(entry for entry in self._entries if entry.source is not None)


def check_path(path: str) -> str:
    """`path`, if it is relative, plain and fit for a tar header.

    Raises: EnvbuildError, if it is absolute or empty, has empty, `.` or `..` parts, control characters, is a whiteout,
        is not valid Unicode, or is longer than a Linux path may be.
    """
    parts = path.split("/")
    if any(part in ("", ".", "..") for part in parts):
        raise EnvbuildError(
            f"`{path[:200]}` cannot be a path in an image", "a relative path without `.` and `..` is expected"
        )
    if any(part.startswith(_WHITEOUT) for part in parts):
        why = f"a name that begins with `{_WHITEOUT}` means in a layer that something below is to go"
        raise EnvbuildError(f"`{path[:200]}` cannot be a path in an image", why, "Rename it")
    if any(ord(character) < 32 or ord(character) == 127 for character in path):
        raise EnvbuildError(f"{path[:200]!r} cannot be a path in an image", "it has control characters")
    try:
        encoded = path.encode()
    except UnicodeEncodeError as error:
        raise EnvbuildError(f"{path[:200]!r} cannot be a path in an image", "it is not UTF-8") from error
    if len(encoded) > _LONGEST_PATH or any(len(part.encode()) > 255 for part in parts):
        raise EnvbuildError(f"`{path[:200]}` cannot be a path in an image", "it is longer than Linux allows")
    return path


def _check_tree(ordered: list[FileEntry]) -> None:
    kinds: dict[str, Kind] = {}
    for entry in ordered:
        if entry.path in kinds:
            raise EnvbuildError(f"`{entry.path}` occurs twice in one package")
        kinds[entry.path] = entry.kind
        if entry.kind is Kind.SYMLINK and (not entry.target or "\0" in entry.target):
            raise EnvbuildError(f"The link `{entry.path}` has no usable target")
    for path in kinds:
        for parent in parents(path):
            if kinds.get(parent, Kind.DIRECTORY) is not Kind.DIRECTORY:
                raise EnvbuildError(f"`{path}` lies below `{parent}`, which is not a directory")


def parents(path: str) -> Iterator[str]:
    """The directories above a relative `path`, from the top: `a`, `a/b` for `a/b/c`."""
    cut = path.find("/")
    while cut >= 0:
        yield path[:cut]
        cut = path.find("/", cut + 1)


def _size(entry: FileEntry) -> int:
    return len(entry.data) if entry.source is None else entry.size


def _header(entry: FileEntry) -> bytes:
    header = partial(tar_headers.header, entry.path, uid=entry.uid, gid=entry.gid, mtime=entry.mtime)
    if entry.kind is Kind.SYMLINK:
        return header(kind=tar_headers.SYMBOLIC_LINK, link=entry.target)
    return header(size=_size(entry), mode=entry.mode)


def _content(entry: FileEntry) -> Part:
    if entry.source is None:
        return Part(entry.data)
    part = Part.of_file(entry.source)
    if part.size != entry.size:
        raise _changed(entry.source, f"it had {entry.size} bytes at first, and has {part.size} now")
    return part


def _changed(source: Path, why: str) -> EnvbuildError:
    return EnvbuildError(
        f"`{source}` changed while it was read", why, "Run the command again when nothing writes to it"
    )


def _write_entry(writer: EncodedWriter, entry: FileEntry) -> None:
    writer.write(_header(entry))
    if entry.kind is not Kind.FILE:
        return
    if entry.source is None:
        writer.write(entry.data)
    else:
        _copy_source(writer, entry.source, entry)
    writer.write(tar_headers.padding(_size(entry)))


def _copy_source(writer: EncodedWriter, source: Path, entry: FileEntry) -> None:
    try:
        with source.open("rb") as file:
            _copy_exactly(writer, file, entry, source)
    except OSError as error:
        raise EnvbuildError(f"`{source}` cannot be read", str(error)) from error


def _copy_exactly(writer: EncodedWriter, file: BinaryIO, entry: FileEntry, source: Path) -> None:
    left = entry.size
    checksum = hashlib.sha256() if entry.digest else None
    while left:
        chunk = file.read(min(_CHUNK, left))
        if not chunk:
            break
        if checksum:
            checksum.update(chunk)
        writer.write(chunk)
        left -= len(chunk)
    if left or file.read(1):
        raise _changed(source, f"it had {entry.size} bytes at first, and has {'fewer' if left else 'more'} now")
    if checksum:
        check_digest(entry, checksum.hexdigest())


def check_digest(entry: FileEntry, found: str) -> None:
    """Raises: DigestMismatchError, if a source has another SHA-256 than is known of it."""
    if entry.digest and found != entry.digest.hex:
        raise DigestMismatchError(
            f"`{entry.source}` does not have the bytes that were promised",
            f"its sha256 is {found}, where {entry.digest.hex} is expected",
            "Run the command again when nothing writes to it",
        )
