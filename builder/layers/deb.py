"""A Debian package as a segment of a layer, and the facts that the system files are made from.

Owns what of a `.deb` lands in an image and where: paths are relative with `/usr` merged, times are constant, modes and
numeric owners are the package's. Runs nothing. How it is used:

    with open_deb(path) as package:          # decompressed once, into an unlinked temporary file; threads are fine
        package.contents()                   # what it holds
        package.write(sink)                  # the segment
        document = package.facts.to_dict()   # to be kept beside the segment

Once the facts of all packages of an image are there, `builder.layers.system` makes what their scripts would have made.
"""

from __future__ import annotations

import errno
import posixpath
import tempfile
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from builder.errors import EnvbuildError
from builder.layers import tar_headers
from builder.layers.deb_archive import DebArchive, naming
from builder.layers.deb_tar import TarEntry, TarReader
from builder.layers.encode import EncodedWriter
from builder.layers.files import parents
from builder.layers.interface import Contents, Directory, Sink
from builder.layers.system.elf import read_shared_object
from builder.layers.system.facts import DebFacts, Library, is_captured, is_kept_link, is_library_name, is_listed
from builder.layers.system.paths import MERGED, MOVED, merged_path

__all__ = ["DebFacts", "DebPackage", "merged_path", "open_deb"]

_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class _Item:
    """A file or a link of the package, with the place of its content in the temporary file."""

    entry: TarEntry
    number: int
    """In the order of the archive; equal for hard links to one file."""
    offset: int
    """Of the content."""
    size: int


class DebPackage:
    """An opened deb: a Package, and its facts. Close it, or use it in a `with` statement, to free its disk space."""

    def __init__(
        self, file: IO[bytes], items: dict[str, _Item], directories: tuple[Directory, ...], facts: DebFacts
    ) -> None:
        self._file = file
        self._items = dict(sorted(items.items()))
        self._directories = directories
        self.facts = facts
        """What the system files are made from."""

    def contents(self) -> Contents:
        """The listing."""
        return Contents(self._directories, tuple(self._items))

    def write(self, sink: Sink, left_out: Collection[str] = ()) -> None:
        """Write the segment, without the paths `left_out`.

        Of several hard links to one file, the first in the segment is the file and the others are links to it.
        """
        writer = EncodedWriter(sink)
        first: dict[int, str] = {}
        for path, item in self._items.items():
            if path in left_out:
                continue
            entry = item.entry
            header = partial(tar_headers.header, path, mode=entry.mode, uid=entry.uid, gid=entry.gid)
            if entry.kind == tar_headers.SYMBOLIC_LINK:
                writer.write(header(kind=entry.kind, link=entry.target))
            elif item.number in first:
                writer.write(header(kind=tar_headers.HARD_LINK, link=first[item.number]))
            else:
                first[item.number] = path
                writer.write(header(size=item.size))
                self._copy(writer, item)
        writer.finish()

    def close(self) -> None:
        """Give the temporary file back."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _copy(self, writer: EncodedWriter, item: _Item) -> None:
        self._file.seek(item.offset)
        left = item.size
        while left:
            chunk = self._file.read(min(_CHUNK, left))
            if not chunk:
                raise EnvbuildError("A temporary file was cut off while it was in use")
            writer.write(chunk)
            left -= len(chunk)
        writer.write(tar_headers.padding(item.size))


def open_deb(path: Path, scratch: Path | None = None) -> DebPackage:
    """Decompress the deb at `path` once and check it; its content waits in an unlinked file in the folder `scratch`.

    Raises: EnvbuildError, naming the file, if it is damaged, too large, or holds paths or kinds that are refused.
    """
    try:
        with naming(path.name), path.open("rb") as file:
            archive = DebArchive(file, path.stat().st_size)
            control = archive.control()
            content = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 (the package closes it)
            try:
                return _Unpacking(content).package(archive.data(), control)
            except BaseException:
                content.close()
                raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # the scratch folder's fault, not the package's
            raise
        raise EnvbuildError(f"The package `{path.name}` cannot be read", str(error)) from error


class _Unpacking:
    """The state of one pass over the data part."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._items: dict[str, _Item] = {}
        self._directories: dict[str, Directory] = {}

    def package(self, reader: TarReader, control: dict[str, bytes]) -> DebPackage:
        for entry in reader.entries():
            if entry.kind == tar_headers.DIRECTORY:
                place = merged_path(entry.path)
                self._directories[place] = Directory(place, entry.mode, entry.uid, entry.gid)
            else:
                self._add(reader, entry)
        self._check_tree()
        return DebPackage(self._file, self._items, self._own_directories(), self._facts(control))

    def _add(self, reader: TarReader, entry: TarEntry) -> None:
        is_link = entry.kind == tar_headers.SYMBOLIC_LINK
        place = entry.path if is_link and entry.path in (*MERGED, *MOVED) else merged_path(entry.path)
        if place in self._items:
            raise EnvbuildError(f"It holds `{place}` twice")
        offset = self._file.tell()
        if entry.kind == tar_headers.HARD_LINK:
            first = self._items.get(merged_path(entry.target))
            if first is None or first.entry.kind != tar_headers.FILE:
                raise EnvbuildError(f"The hard link `{place}` points to `{entry.target}`, which is no file before it")
            self._items[place] = first
            return
        if is_link:
            _check_moved_link(entry, place)
        for chunk in reader.content(entry) if entry.kind == tar_headers.FILE else ():
            self._file.write(chunk)
        self._items[place] = _Item(entry, len(self._items), offset, entry.size)

    def _check_tree(self) -> None:
        for path in (*self._items, *self._directories):
            for parent in parents(path):
                if parent in self._items:
                    raise EnvbuildError(f"`{path}` lies below `{parent}`, which is not a directory")
        for path in self._directories.keys() & self._items.keys():
            raise EnvbuildError(f"`{path}` is a directory and a file at once")

    def _own_directories(self) -> tuple[Directory, ...]:
        used = {parent for path in (*self._items, *self._directories) for parent in parents(path)}
        return tuple(
            sorted(
                directory
                for path, directory in self._directories.items()
                if path and (path not in used or directory != Directory(path))
            )
        )

    def _facts(self, control: dict[str, bytes]) -> DebFacts:
        def text(name: str) -> str:
            return control.get(name, b"").decode("utf-8", "replace")

        scripts = tuple((name, text(name)) for name in ("preinst", "postinst") if name in control)
        all_scripts = "\n".join(script for _, script in scripts)
        ordered = sorted(self._items.items())
        facts = DebFacts(
            paragraph=text("control").strip() + "\n",
            md5sums=text("md5sums"),
            conffiles=text("conffiles"),
            scripts=scripts,
            libraries=tuple(self._libraries(ordered)),
            links=tuple((path, item.entry.target) for path, item in ordered if _is_link(item) and is_kept_link(path)),
            listed=tuple(path for path, _ in ordered if is_listed(path, all_scripts)),
            files=tuple(
                (path, self._read(item, 0, item.size))
                for path, item in ordered
                if not _is_link(item) and is_captured(path, item.size)
            ),
        )
        if not all((facts.name, facts.version, facts.architecture)):
            raise EnvbuildError("Its control file lacks a name, a version or an architecture")
        return facts

    def _libraries(self, ordered: Iterable[tuple[str, _Item]]) -> Iterable[Library]:
        for path, item in ordered:
            if is_library_name(path) and not _is_link(item):
                found = read_shared_object(lambda offset, size, item=item: self._read(item, offset, size))  # type: ignore[misc]
                if found is not None:
                    yield Library(path, found)

    def _read(self, item: _Item, offset: int, size: int) -> bytes:
        self._file.seek(item.offset + offset)
        return self._file.read(max(0, min(size, item.size - offset)))


def _is_link(item: _Item) -> bool:
    return item.entry.kind == tar_headers.SYMBOLIC_LINK


def _check_moved_link(entry: TarEntry, place: str) -> None:
    """A relative link that merging has moved one folder down must still lead to the same place."""
    if place == entry.path or entry.target.startswith("/"):
        return
    before = posixpath.normpath("/" + posixpath.join(posixpath.dirname(entry.path), entry.target)).lstrip("/")
    after = posixpath.normpath("/" + posixpath.join(posixpath.dirname(place), entry.target)).lstrip("/")
    if merged_path(before) != after:
        raise EnvbuildError(
            f"The link `{entry.path}` does not work where `/usr` is merged", f"its target is `{entry.target}`"
        )
