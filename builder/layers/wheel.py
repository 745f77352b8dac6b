"""A wheel as a segment of a layer: installed, never recompressed.

Owns how a wheel is written, and that each file is checked against RECORD and the archive while it is. Where files go is
`wheel_layout`'s, how DEFLATE streams become gzip members `gzip_members`'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from isal import isal_zlib

from builder.errors import DigestMismatchError, EnvbuildError
from builder.layers.deflate_streams import MalformedStreamError
from builder.layers.gzip_members import WHOLE_STREAM, MemberWriter
from builder.layers.interface import Contents, Package, Sink
from builder.layers.tar_headers import header, padding
from builder.layers.wheel_layout import GeneratedFile, Layout, LayoutError, WheelFile, WheelTarget, lay_out
from builder.layers.wheel_record import format_record
from builder.layers.wheel_scripts import SHEBANG_MARK, rewrite_shebang
from builder.layers.zip_reader import DEFLATED, Entry, ZipReader
from builder.lock.artifact import Wheel

_LARGEST_SCRIPTS = 16 << 20
_HASHES = {"": hashlib.sha256, "sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


def open_wheel(
    path: Path, target: WheelTarget, *, expected_name: str | None = None, expected_version: str | None = None
) -> Package:
    """The wheel at `path` as it is installed into `target`; the file is not kept open.

    The name and version that its metadata folder states must be the expected ones, normalised, where these are given.
    Reads the wheel's listing and metadata only; its files are checked when they are written.
    Raises: EnvbuildError, if it is not a wheel that can be installed.
    """
    try:
        with ZipReader(path) as archive:
            layout = lay_out(archive, target, expected_name, expected_version)
    except OSError as error:
        raise EnvbuildError(f"The wheel `{path}` can't be read", str(error)) from error
    except LayoutError as error:
        hint = "Lock another version of the package, or have its sdist built"
        raise EnvbuildError(f"The wheel `{path.name}` can't be installed", str(error), hint) from error
    return _Wheel(path, target, layout)


def wheel_order(wheels: Iterable[Wheel]) -> tuple[Wheel, ...]:
    """In the order in which pip installs: what needs none of the others, then what needs only those, and so on.

    Among equals names descend; packages that need each other in a circle, and what needs them, come last.
    """
    left = {wheel.name: wheel for wheel in sorted(wheels, reverse=True)}
    done: list[Wheel] = []
    while left:
        free = [one for one in left.values() if left.keys().isdisjoint({*one.dependencies} - {one.name})]
        done += free or left.values()
        left = {name: one for name, one in left.items() if one not in free} if free else {}
    return tuple(done)


@dataclass(frozen=True, slots=True)
class _Wheel:
    """An opened wheel; a Package."""

    path: Path
    target: WheelTarget
    layout: Layout

    def contents(self) -> Contents:
        """Every installed path. Nothing is read."""
        paths = [*self.layout.files, *self.layout.generated, self.layout.record]
        return Contents(self.layout.directories, tuple(sorted(paths)))  # Python orders text as its UTF-8 bytes

    def write(self, sink: Sink, left_out: Collection[str] = ()) -> None:
        """Write the segment; RECORD lists what is left out too.

        Raises: EnvbuildError, if a file is not what RECORD or the archive says.
        """
        left_out = frozenset(left_out)
        with ZipReader(self.path) as archive:
            made = self.layout.generated | self._rewritten_scripts(archive)
            made[self.layout.record] = GeneratedFile(self._installed_record(archive, made), executable=False)
            writer = MemberWriter(sink)
            for path in self.contents().paths:
                if path in left_out:
                    continue
                text = made.get(path)
                if text is not None:
                    writer.text(_head(path, len(text.data), text.executable) + text.data + padding(len(text.data)))
                else:
                    self._write_file(writer, archive, path, self.layout.files[path])
            writer.finish()

    def _write_file(self, writer: MemberWriter, archive: ZipReader, path: str, file: WheelFile) -> None:
        entry = file.entry
        check = _Check(file.claim.algorithm)
        whole = entry.size <= WHOLE_STREAM and entry.compressed_size <= WHOLE_STREAM
        pieces = (archive.stream(entry),) if whole else archive.pieces(entry)
        writer.text(_head(path, entry.size, file.executable))
        if entry.method == DEFLATED:
            try:
                writer.splice(pieces, entry.compressed_size, entry.size, check)
            except MalformedStreamError as error:
                self._mismatch(entry, str(error), error)
        else:
            for piece in pieces:
                check(piece)
                writer.text(piece)
        writer.text(padding(entry.size))
        if check.crc != entry.crc:
            self._mismatch(entry, "its CRC-32 is not the one in the archive")
        if file.claim.digest and check.hash.digest() != file.claim.digest:
            self._mismatch(entry, "its hash is not the one in RECORD")

    def _rewritten_scripts(self, archive: ZipReader) -> dict[str, GeneratedFile]:
        """The shipped scripts whose first line has to name the environment's interpreter."""
        rewritten: dict[str, GeneratedFile] = {}
        size = 0
        for path, file in self.layout.files.items():
            if not file.is_script or not _is_marked(archive, file.entry):
                continue
            size += file.entry.size
            if size > _LARGEST_SCRIPTS:
                self._refuse(f"its scripts are larger than {_LARGEST_SCRIPTS} bytes")
            check = _Check(file.claim.algorithm)
            content = b"".join(_observed(archive.content(file.entry), check))
            if file.claim.digest and check.hash.digest() != file.claim.digest:
                self._mismatch(file.entry, "its hash is not the one in RECORD")
            rewritten[path] = GeneratedFile(rewrite_shebang(content, self.target.interpreter), executable=True)
        return rewritten

    def _installed_record(self, archive: ZipReader, made: dict[str, GeneratedFile]) -> bytes:
        own = self._from_site_packages
        rows = [(own(path), hashlib.sha256(text.data).digest(), len(text.data)) for path, text in made.items()]
        for path, file in self.layout.files.items():
            if path not in made:
                rows.append((own(path), _sha256(archive, file), file.entry.size))
        return format_record(rows, own(self.layout.record))

    def _from_site_packages(self, path: str) -> str:
        site_packages = self.target.site_packages + "/"
        if path.startswith(site_packages):
            return path[len(site_packages) :]
        return "../../.." + path[len(self.target.prefix) :]

    def _mismatch(self, entry: Entry, why: str, cause: Exception | None = None) -> NoReturn:
        raise DigestMismatchError(f"`{entry.path}` in the wheel `{self.path.name}` is damaged", why) from cause

    def _refuse(self, why: str) -> NoReturn:
        raise EnvbuildError(f"The wheel `{self.path.name}` can't be installed", why)


class _Check:
    """Sees the content of one file."""

    __slots__ = ("crc", "hash")

    def __init__(self, algorithm: str) -> None:
        self.crc = 0
        self.hash = _HASHES[algorithm]()

    def __call__(self, data: bytes | memoryview) -> None:
        self.crc = isal_zlib.crc32(data, self.crc)
        self.hash.update(data)


def _observed(pieces: Iterable[bytes], check: _Check) -> Iterator[bytes]:
    for piece in pieces:
        check(piece)
        yield piece


def _is_marked(archive: ZipReader, entry: Entry) -> bool:
    """Whether a script begins with the mark; only its beginning is read."""
    if entry.size < len(SHEBANG_MARK):
        return False
    beginning = b""
    for piece in archive.content(entry):
        beginning += piece
        if len(beginning) >= len(SHEBANG_MARK):
            break
    return beginning.startswith(SHEBANG_MARK)


def _sha256(archive: ZipReader, file: WheelFile) -> bytes:
    """Of a file's content: as RECORD claims it (writing checks that), or read where RECORD has none."""
    if file.claim.algorithm == "sha256":
        return file.claim.digest
    check = _Check("sha256")
    for _ in _observed(archive.content(file.entry), check):
        pass
    return check.hash.digest()


def _head(path: str, size: int, executable: bool) -> bytes:
    return header(path, size=size, mode=0o755 if executable else 0o644)
