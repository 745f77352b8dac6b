"""Reading a zip that nobody vouches for (PKWARE APPNOTE 6.3): strictly, so that all readers would see the same files.

Owns the central directory, the local headers and the archive's own checks; refuses whatever two readers could take for
different files. Memory is bounded by the limits below; data is read with `pread` in pieces, never mapped.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, NoReturn, Self

from isal import isal_zlib

from builder.errors import DigestMismatchError, EnvbuildError
from builder.layers.archive_names import clash, unsafe_reason
from builder.layers.deflate_streams import MalformedStreamError, inflate

STORED, DEFLATED = 0, 8

LARGEST_DIRECTORY = 32 << 20
"""Of a central directory, in bytes: it is held in memory."""
MOST_ENTRIES = 100_000
"""Five times those of the largest wheels; they need some 150 MB while they are checked."""
LARGEST_TOTAL = 64 << 30
"""Of all files together, uncompressed, in bytes, unless the caller says otherwise."""
LARGEST_RATIO = 1032
"""DEFLATE spends at least two bits on 258 bytes."""

_PIECE = 256 << 10
_LARGEST_DESCRIPTOR = 24
_END = struct.Struct("<4s4H2LH")
_END_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_ENCRYPTED, _DESCRIPTOR, _PATCH, _STRONG, _UTF8, _MASKED = 1 << 0, 1 << 3, 1 << 5, 1 << 6, 1 << 11, 1 << 13
_UNKNOWN_16, _UNKNOWN_32 = 0xFFFF, 0xFFFFFFFF


class Entry(NamedTuple):
    """A file or directory of an archive (a named tuple: archives have ten thousands of them)."""

    path: str
    """Relative and safe; a directory's without its trailing slash."""
    is_directory: bool
    mode: int
    """Unix mode bits, file type included; 0 where the archive has none."""
    method: int
    crc: int
    compressed_size: int
    size: int
    offset: int
    """Of the local header, in bytes."""
    end: int
    """Where the next entry's local header or the central directory begins."""
    raw_name: bytes
    flags: int

    @property
    def is_executable(self) -> bool:
        """Whether anyone may execute it; pip's rule, that asks for the type of a regular file too."""
        return stat.S_ISREG(self.mode) and self.mode & 0o111 != 0


class ZipReader:
    """An open archive. A context manager; its methods may be called by several threads."""

    def __init__(self, path: Path) -> None:
        """Open `path`; nothing is read yet. Raises: OSError."""
        self._name = path.name
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def read_entries(self, largest_total: int = LARGEST_TOTAL) -> tuple[Entry, ...]:
        """The central directory, checked, in the order of the data; its files hold at most `largest_total` bytes.

        Raises: EnvbuildError, if this is not a zip, or one that is refused.
        """
        size = os.fstat(self._descriptor).st_size
        count, length, offset = self._read_end(size)
        if length > LARGEST_DIRECTORY or count > MOST_ENTRIES:
            self._refuse(f"its central directory is too large: {count} entries, {length} bytes")
        entries = self._parse_directory(self._read(offset, length), count)
        self._check_names(entries)
        if sum(entry.size for entry in entries) > largest_total:
            self._refuse(f"its files are larger than {largest_total} bytes together")
        return self._lay_out(entries, offset)

    def stream(self, entry: Entry) -> memoryview:
        """The bytes of a small `entry` as they are in the archive, at once.

        Raises: EnvbuildError, if the entry's local header is not what the central directory says.
        """
        data = self._read(entry.offset, entry.end - entry.offset)
        start = self._check_local_header(entry, data)
        stop = start + entry.compressed_size
        self._check_descriptor(entry, data[stop:])
        return memoryview(data)[start:stop]

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """The bytes of `entry` as they are in the archive, in pieces. Raises: as `stream` does."""
        head = self._read(entry.offset, min(entry.end - entry.offset, _LOCAL.size + 2 * _UNKNOWN_16))
        position = entry.offset + self._check_local_header(entry, head)
        stop = position + entry.compressed_size
        self._check_descriptor(entry, self._read(stop, min(entry.end - stop, _LARGEST_DESCRIPTOR + 1)))
        while position < stop:
            piece = self._read(position, min(_PIECE, stop - position))
            position += len(piece)
            yield piece

    def content(self, entry: Entry) -> Iterator[bytes]:
        """What `entry` holds, in pieces, its size and CRC checked.

        Raises: as `stream` does; DigestMismatchError, if the content is another than the archive says.
        """
        crc = 0
        pieces = self.pieces(entry)
        try:
            for data in inflate(pieces, entry.size) if entry.method == DEFLATED else pieces:
                crc = isal_zlib.crc32(data, crc)
                yield data
        except MalformedStreamError as error:
            raise DigestMismatchError(f"`{self._name}` is damaged at `{entry.path}`", str(error)) from error
        if crc != entry.crc:
            raise DigestMismatchError(f"`{self._name}` is damaged at `{entry.path}`", "its CRC-32 is another")

    def _read_end(self, size: int) -> tuple[int, int, int]:
        """Count of entries, length and offset of the central directory, from the records at the archive's end."""
        tail_at = max(0, size - _END.size - _UNKNOWN_16)
        tail = self._read(tail_at, size - tail_at)
        at = tail.rfind(b"PK\5\6")
        if at < 0 or at + _END.size > len(tail):
            self._refuse("it is not a zip archive, or is cut off")
        _, disk, first_disk, here, count, length, offset, comment = _END.unpack_from(tail, at)
        if at + _END.size + comment != len(tail):
            self._refuse("there are bytes behind its end")
        end = tail_at + at
        told = (disk, first_disk, here, count, length, offset)
        if _UNKNOWN_16 in told[:4] or _UNKNOWN_32 in told[4:] or self._has_locator(end):
            disk, first_disk, here, count, length, offset, end = self._read_end_64(end)
            wide = (disk, first_disk, here, count, length, offset)
            unknown = (_UNKNOWN_16,) * 4 + (_UNKNOWN_32,) * 2
            if any(small not in (large, none) for small, large, none in zip(told, wide, unknown, strict=True)):
                self._refuse("its two ends do not say the same")
        if disk or first_disk or here != count:
            self._refuse("it is one of several parts")
        if offset + length != end:
            self._refuse("its central directory is not where its end says")
        return count, length, offset

    def _has_locator(self, end: int) -> bool:
        """Whether there is a zip64 end too, as PyTorch writes it into every archive."""
        at = end - _END_LOCATOR.size
        return at >= _END_64.size and self._read(at, 4) == b"PK\6\7"

    def _read_end_64(self, end: int) -> tuple[int, int, int, int, int, int, int]:
        at = end - _END_LOCATOR.size
        located = _END_LOCATOR.unpack(self._read(at, _END_LOCATOR.size)) if at >= _END_64.size else (b"",) * 4
        if located[0] != b"PK\6\7" or located[2] != at - _END_64.size or located[1] or located[3] > 1:
            self._refuse("its zip64 end is not where it should be")
        magic, record, _, _, disk, first_disk, here, count, length, offset = _END_64.unpack(
            self._read(located[2], _END_64.size)
        )
        if magic != b"PK\6\6" or record != _END_64.size - 12:
            self._refuse("its zip64 end is malformed")
        return disk, first_disk, here, count, length, offset, located[2]

    def _parse_directory(self, data: bytes, count: int) -> list[Entry]:
        entries: list[Entry] = []
        at = 0
        while at < len(data) and len(entries) < count:
            if at + _CENTRAL.size > len(data):
                self._refuse("its central directory is cut off")
            entry, at = self._parse_entry(data, at)
            entries.append(entry)
        if at != len(data) or len(entries) != count:
            self._refuse("its central directory does not hold as many entries as its end says")
        return entries

    def _parse_entry(self, data: bytes, at: int) -> tuple[Entry, int]:
        magic, _, _, flags, method, _, _, *numbers, _, attributes, offset = _CENTRAL.unpack_from(data, at)
        crc, packed, size, name_size, extra_size, comment_size, disk = numbers
        at += _CENTRAL.size
        stop = at + name_size + extra_size + comment_size
        if magic != b"PK\1\2" or stop > len(data):
            self._refuse("its central directory is malformed")
        raw_name = data[at : at + name_size]
        path = self._decode(raw_name, flags)
        if _UNKNOWN_32 in (packed, size, offset) or disk == _UNKNOWN_16:
            extra = data[at + name_size : at + name_size + extra_size]
            size, packed, offset, disk = self._wide(path, extra, [size, packed, offset], disk)
        bare, mode = path.removesuffix("/"), attributes >> 16
        entry = Entry(bare, bare != path, mode, method, crc, packed, size, offset, 0, raw_name, flags)
        if disk:
            self._refuse("it is one of several parts")
        self._check_entry(entry)
        return entry, stop

    def _decode(self, raw_name: bytes, flags: int) -> str:
        if not flags & _UTF8:
            return raw_name.decode("cp437")
        try:
            return raw_name.decode()
        except UnicodeDecodeError:
            self._refuse(f"the name {raw_name!r} is not UTF-8, as it claims")

    def _wide(self, path: str, extra: bytes, values: list[int], disk: int) -> tuple[int, int, int, int]:
        """`values` and `disk` with those that don't fit 32 (16) bits taken from the zip64 extra field."""
        field = _extra_field(extra, 1)
        missing = [value == _UNKNOWN_32 for value in values]
        needed = 8 * sum(missing) + 4 * (disk == _UNKNOWN_16)
        if field is None or len(field) < needed:
            self._refuse(f"the zip64 sizes of `{path}` are missing")
        wide = iter(struct.unpack_from(f"<{sum(missing)}Q", field))
        size, packed, offset = (next(wide) if lacks else value for lacks, value in zip(missing, values, strict=True))
        return (
            size,
            packed,
            offset,
            int.from_bytes(field[needed - 4 : needed], "little") if disk == _UNKNOWN_16 else disk,
        )

    def _check_entry(self, entry: Entry) -> None:
        kind = stat.S_IFMT(entry.mode)
        if entry.flags & (_ENCRYPTED | _STRONG | _MASKED):
            self._refuse(f"`{entry.path}` is encrypted")
        if entry.flags & _PATCH or entry.method not in (STORED, DEFLATED):
            self._refuse(f"`{entry.path}` is compressed by method {entry.method}, not by DEFLATE")
        if (reason := unsafe_reason(entry.path)) is not None:
            self._refuse(f"the path {entry.path!r} {reason}")
        if kind == stat.S_IFLNK:
            self._refuse(f"`{entry.path}` is a symbolic link")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or (kind == stat.S_IFDIR and not entry.is_directory):
            self._refuse(f"`{entry.path}` is not a regular file (mode {entry.mode:o})")
        if entry.is_directory and entry.size:
            self._refuse(f"the directory `{entry.path}` holds data")
        if entry.method == STORED and entry.size != entry.compressed_size:
            self._refuse(f"the sizes of `{entry.path}` differ, although it is not compressed")
        if entry.size > LARGEST_RATIO * entry.compressed_size:
            self._refuse(f"`{entry.path}` claims {entry.size} bytes, more than DEFLATE can hold there")

    def _check_names(self, entries: list[Entry]) -> None:
        directories = [entry.path for entry in entries if entry.is_directory]
        problem = clash((entry.path for entry in entries if not entry.is_directory), directories)
        if problem is not None:
            self._refuse(problem)
        if len(set(directories)) != len(directories):
            self._refuse("a directory is there twice")

    def _lay_out(self, entries: list[Entry], directory_at: int) -> tuple[Entry, ...]:
        """`entries` with their ends, in the order of their data; they must fill the archive without overlap."""
        entries.sort(key=lambda entry: entry.offset)
        if (entries[0].offset if entries else directory_at) != 0:
            self._refuse("there are bytes before its first entry")
        ends = [*(entry.offset for entry in entries), directory_at][1:]
        for entry, end in zip(entries, ends, strict=True):
            spare = end - entry.offset - _LOCAL.size - len(entry.raw_name) - entry.compressed_size
            if spare < 0:
                self._refuse(f"`{entry.path}` overlaps what is behind it")
            if spare > _UNKNOWN_16 + _LARGEST_DESCRIPTOR:
                self._refuse(f"there are bytes behind `{entry.path}` that belong to no entry")
        return tuple(entry._replace(end=end) for entry, end in zip(entries, ends, strict=True))

    def _check_local_header(self, entry: Entry, data: bytes) -> int:
        """Check the local header in `data`; returns its length in bytes."""
        magic, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack_from(data)
        name_end: int = _LOCAL.size + name_size
        start: int = name_end + extra_size
        if magic != b"PK\3\4" or data[_LOCAL.size : name_end] != entry.raw_name:
            self._refuse(f"`{entry.path}` has another name in its local header")
        if method != entry.method or (flags ^ entry.flags) & (_ENCRYPTED | _DESCRIPTOR | _UTF8):
            self._refuse(f"`{entry.path}` has another method or other flags in its local header")
        if _UNKNOWN_32 in (packed, size) and (field := _extra_field(data[name_end:start], 1)) is not None:
            size, packed = struct.unpack_from("<2Q", field) if len(field) >= 16 else (-1, -1)
        expected = (entry.crc, entry.compressed_size, entry.size)
        if (crc, packed, size) != expected and not (
            flags & _DESCRIPTOR
            and all(here in (0, _UNKNOWN_32, there) for here, there in zip((crc, packed, size), expected, strict=True))
        ):
            self._refuse(f"`{entry.path}` has another size or CRC-32 in its local header")
        if start + entry.compressed_size > entry.end - entry.offset:
            self._refuse(f"`{entry.path}` overlaps what is behind it")
        return start

    def _check_descriptor(self, entry: Entry, behind: bytes) -> None:
        """Check that a data descriptor, and nothing else, is behind an entry's data."""
        if entry.flags & _DESCRIPTOR:
            sizes = (entry.crc, entry.compressed_size, entry.size)
            narrow = struct.pack("<3L", *sizes) if max(sizes) < _UNKNOWN_32 else None
            wide = struct.pack("<L2Q", *sizes)
            if behind.removeprefix(b"PK\7\x08") not in (narrow, wide) and behind not in (narrow, wide):
                self._refuse(f"`{entry.path}` has another size or CRC-32 in its data descriptor")
        elif behind:
            self._refuse(f"there are bytes behind `{entry.path}` that belong to no entry")

    def _read(self, offset: int, size: int) -> bytes:
        data = os.pread(self._descriptor, size, offset)
        while len(data) < size:
            more = os.pread(self._descriptor, size - len(data), offset + len(data))
            if not more:
                self._refuse("it is cut off")
            data += more
        return data

    def _refuse(self, why: str) -> NoReturn:
        raise EnvbuildError(f"The archive `{self._name}` can't be used", why)


def _extra_field(extra: bytes, wanted: int) -> bytes | None:
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<2H", extra, at)
        if kind == wanted:
            return extra[at + 4 : at + 4 + size]
        at += 4 + size
    return None
