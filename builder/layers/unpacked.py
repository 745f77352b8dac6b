"""The files of one archive, unpacked once into an unlinked temporary file, and written from there as a segment.

Owns that each path is there once, that hard links lead to a file before them, and the form of what is written. Where
the files belong in an image is the callers' to say.
"""

from __future__ import annotations

import errno
import mmap
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from builder.errors import EnvbuildError
from builder.layers import tar_headers
from builder.layers.encode import EncodedWriter
from builder.layers.files import parents
from builder.layers.interface import Contents, Directory, Sink
from builder.layers.tar_reader import TarEntry, TarReader

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Item:
    """A file or a link of an archive, with the place of its content in the temporary file."""

    entry: TarEntry
    number: int
    """In the order of the archive; equal for hard links to one file."""
    offset: int
    """Of the content."""
    size: int

    @property
    def is_link(self) -> bool:
        """Whether it is a symbolic link."""
        return self.entry.kind == tar_headers.SYMBOLIC_LINK


def _as_it_is(path: str, is_link: bool) -> str:  # noqa: ARG001
    return path


class Spool:
    """What an archive holds, by path. Close it, or use it in a `with` statement, to free its disk space."""

    def __init__(self, scratch: Path | None = None) -> None:
        """With its temporary file in the folder `scratch`."""
        self._file = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 (closed by `close`)
        self._mapped: mmap.mmap | None = None
        self.items: dict[str, Item] = {}
        self.directories: dict[str, Directory] = {}
        """As the archive declares them; the root is an empty path."""

    def unpack(self, reader: TarReader, place: Callable[[str, bool], str] = _as_it_is) -> None:
        """Take everything; `place` says where a path belongs, told whether it is a symbolic link's.

        Raises: EnvbuildError, if a path is there twice or lies below a file, or a hard link leads to no file before it.
        """
        for entry in reader.entries():
            if entry.kind == tar_headers.DIRECTORY:
                path = place(entry.path, False)
                self.directories[path] = Directory(path, entry.mode, entry.uid, entry.gid)
            else:
                self._add(reader, entry, place)
        check_tree(self.items, self.directories)

    def read(self, item: Item, offset: int, size: int) -> bytes:
        """At most `size` bytes of a file from `offset` on."""
        size = max(0, min(size, item.size - offset))
        data = b"".join(self._chunks(item.offset + offset, size))
        if len(data) != size:
            raise EnvbuildError("A temporary file was cut off while it was in use")
        return data

    def pieces(self, item: Item) -> Iterator[bytes]:
        """The content of a file."""
        left = item.size
        for chunk in self._chunks(item.offset, item.size):
            yield chunk
            left -= len(chunk)
        if left:
            raise EnvbuildError("A temporary file was cut off while it was in use")

    def mapped(self) -> mmap.mmap:
        """The temporary file, to be searched where an item's offset and size say."""
        if self._mapped is None:
            self._file.flush()
            self._mapped = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._mapped

    def close(self) -> None:
        """Give the temporary file back."""
        if self._mapped is not None:
            self._mapped.close()
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, reader: TarReader, entry: TarEntry, place: Callable[[str, bool], str]) -> None:
        path = place(entry.path, entry.kind == tar_headers.SYMBOLIC_LINK)
        if path in self.items:
            raise EnvbuildError(f"It holds `{path}` twice")
        if entry.kind == tar_headers.HARD_LINK:
            first = self.items.get(place(entry.target, False))
            if first is None or first.entry.kind != tar_headers.FILE:
                raise EnvbuildError(f"The hard link `{path}` points to `{entry.target}`, which is no file before it")
            self.items[path] = first
            return
        offset = self._file.tell()
        for chunk in reader.content(entry) if entry.kind == tar_headers.FILE else ():
            self._file.write(chunk)
        self.items[path] = Item(entry, len(self.items), offset, entry.size)

    def _chunks(self, offset: int, size: int) -> Iterator[bytes]:
        self._file.flush()
        while size:
            chunk = os.pread(self._file.fileno(), min(_CHUNK, size), offset)
            if not chunk:
                return
            yield chunk
            offset, size = offset + len(chunk), size - len(chunk)


@dataclass(frozen=True, slots=True)
class Placed:
    """A file or a link as it is written into a segment."""

    mode: int = 0o644
    size: int = 0
    pieces: Callable[[], Iterable[bytes]] = tuple
    """Gives the content of a file, which has `size` bytes."""
    target: str | None = None
    """Of a symbolic link."""
    uid: int = 0
    gid: int = 0
    file: int | None = None
    """Equal for paths that are hard links to one file."""

    @classmethod
    def of(cls, spool: Spool, item: Item, mode: int, uid: int = 0, gid: int = 0) -> Placed:
        """What the archive holds, with another mode and owner."""
        if item.is_link:
            return cls(mode, target=item.entry.target, uid=uid, gid=gid)
        return cls(mode, item.size, partial(spool.pieces, item), uid=uid, gid=gid, file=item.number)


def write_placed(sink: Sink, placed: Mapping[str, Placed], left_out: Collection[str] = ()) -> None:
    """Write a segment of what is placed at each path, without the paths `left_out`."""
    writer = EncodedWriter(sink)
    first: dict[int, str] = {}
    for path, one in sorted(placed.items(), key=lambda pair: pair[0].encode()):
        if path in left_out:
            continue
        header = partial(tar_headers.header, path, mode=one.mode, uid=one.uid, gid=one.gid)
        if one.target is not None:
            writer.write(header(kind=tar_headers.SYMBOLIC_LINK, link=one.target))
        elif one.file is not None and one.file in first:
            writer.write(header(kind=tar_headers.HARD_LINK, link=first[one.file]))
        else:
            if one.file is not None:
                first[one.file] = path
            writer.write(header(size=one.size))
            for piece in one.pieces():
                writer.write(piece)
            writer.write(tar_headers.padding(one.size))
    writer.finish()


class UnpackedPackage:
    """An opened archive as a Package. Close it, or use it in a `with` statement, to free its disk space."""

    def __init__(self, spool: Spool, placed: Mapping[str, Placed], directories: Mapping[str, Directory]) -> None:
        check_tree(placed, directories)
        self._spool = spool
        self._placed = placed
        self._directories = directories

    def contents(self) -> Contents:
        """The listing."""
        return Contents(declared(self._placed, self._directories), tuple(sorted(self._placed)))

    def write(self, sink: Sink, left_out: Collection[str] = ()) -> None:
        """Write the segment, without the paths `left_out`.

        Raises: EnvbuildError, if the temporary file cannot be read back.
        """
        write_placed(sink, self._placed, left_out)

    def close(self) -> None:
        """Give the temporary file back."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def plain_mode(item: Item) -> int:
    """The mode of a file where it only counts whether it can be executed."""
    return 0o755 if item.entry.mode & 0o111 else 0o644


def is_bytecode(path: str) -> bool:
    """Whether it was compiled of a source, and is made anew where that has another time: images ship none."""
    return "/__pycache__/" in f"/{path}"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say which archive cannot be read. A scratch folder without space is not its fault: that stays an OSError."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise EnvbuildError(f"`{path.name}` cannot be read", str(error)) from error


def check_tree(files: Collection[str], directories: Collection[str]) -> None:
    """Refuse what cannot be unpacked. Raises: EnvbuildError."""
    for path in (*files, *directories):
        for parent in parents(path):
            if parent in files:
                raise EnvbuildError(f"`{path}` lies below `{parent}`, which is not a directory")
    for path in directories:
        if path in files:
            raise EnvbuildError(f"`{path}` is a directory and a file at once")


def declared(files: Iterable[str], directories: Mapping[str, Directory]) -> tuple[Directory, ...]:
    """The directories that must be declared: empty ones, and those with a mode or an owner of their own; sorted."""
    used = {parent for path in (*files, *directories) for parent in parents(path)}
    return tuple(
        sorted(
            directory
            for path, directory in directories.items()
            if path and (path not in used or directory != Directory(path))
        )
    )
