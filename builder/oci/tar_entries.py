"""Reading a tar stream entry by entry: USTAR, PAX and GNU's long names (POSIX.1-2017 pax; GNU tar manual).

Built for layers of ten thousand small files, where `tarfile` takes most of the time, and for input that nobody
has vouched for: sizes of extension records are bounded, and what is not understood is refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 512
EXTENSION_LIMIT = 1 << 20
"""Bytes of all PAX and long-name records of one entry at most."""

_FILE_KINDS = {b"0", b"\0", b"7"}
_EXTENSIONS = {b"x", b"g", b"L", b"K"}
_OF_ONE_ENTRY = {b"path", b"linkpath", b"size"}
_LARGEST_OCTAL = 8**11 - 1
_LARGEST_TIME = 1 << 34
_LARGEST = (1 << 63) - 1
_CUT_SHORT = "the archive ends inside"
"""What is said of an archive whose end is missing."""


class TarError(ValueError):
    """The stream is not a tar archive that can be read safely."""


class Reader(Protocol):
    """A buffered stream: `read` gives fewer bytes only at its end."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry's header. Paths are bytes, as stored; nothing about them has been checked."""

    path: bytes
    kind: bytes
    """A type flag of USTAR: `0` file, `1` hard link, `2` symbolic link, `5` directory, `6` FIFO, `3` `4` devices."""
    mode: int
    uid: int
    gid: int
    size: int
    """In bytes, of the content that follows."""
    mtime: int
    """Seconds since the epoch, not negative."""
    link: bytes


class TarReader:
    """Iterates over the entries; the content of the current one is read with `content`, or skipped."""

    def __init__(self, stream: Reader) -> None:
        self._stream = stream
        self._left = 0
        self._padding = 0
        self.position = 0
        """Bytes of the stream that were read: where the content of the current entry begins, until it is read."""
        self.contradictions: tuple[str, ...] = ()
        """What the headers of the current entry say in two ways, so that two readers may take it for two things."""

    def __iter__(self) -> Iterator[Entry]:
        """The entries. Extension records are taken in, global ones left out."""
        records: dict[bytes, bytes] = {}
        odd: list[str] = []
        extended = 0
        while (block := self._header()) is not None:
            kind = block[156:157]
            entry = _entry(block, {} if kind in _EXTENSIONS else records)
            self._left, self._padding = entry.size, -entry.size % BLOCK
            if kind in _EXTENSIONS:
                extended += entry.size + BLOCK
                if extended > EXTENSION_LIMIT:
                    raise TarError(f"an extension record takes {extended} bytes, with those before it")
                _extend(records, kind, self._extension(), odd)
                continue
            odd += _odd_size(block, records, entry)
            self.contradictions = tuple(odd)
            records, odd, extended = {}, [], 0
            yield entry
            self._skip()

    def content(self, size: int = 1 << 20) -> Iterator[bytes]:
        """What the current entry holds, in pieces of `size` bytes at most.

        Raises: TarError, if the stream ends first.
        """
        while self._left:
            data = self._stream.read(min(self._left, size))
            if not data:
                raise TarError(f"{_CUT_SHORT} a file")
            self._left -= len(data)
            self.position += len(data)
            yield data

    def _header(self) -> bytes | None:
        block = self._stream.read(BLOCK)
        if not block or block == bytes(BLOCK):
            return None
        if len(block) != BLOCK:
            raise TarError(f"{_CUT_SHORT} a header")
        self.position += BLOCK
        return block

    def _extension(self) -> bytes:
        data = b"".join(self.content())
        self._skip()
        return data

    def _skip(self) -> None:
        for _ in self.content():
            pass
        if self._padding and len(self._stream.read(self._padding)) != self._padding:
            raise TarError(f"{_CUT_SHORT} a file")
        self.position += self._padding
        self._padding = 0


class SeekingTarReader(TarReader):
    """Iterates over the entries of a file of `size` bytes, and reads nothing of the content that nobody asks for."""

    def __init__(self, file: io.BufferedIOBase, size: int) -> None:
        super().__init__(file)
        self._file = file
        self._size = size

    def _skip(self) -> None:
        end = self.position + self._left + self._padding
        if end > self._size:
            raise TarError(f"{_CUT_SHORT} a file")
        self._file.seek(end)
        self.position, self._left, self._padding = end, 0, 0


def refusal(error: TarError, reader: TarReader) -> tuple[str, str | None]:
    """Why a whole file cannot be read, for whoever named it, and what to do about that."""
    why = str(error)
    if reader.position < BLOCK or (reader.position == BLOCK and why.startswith("a header's")):
        return "it is no tar archive", None
    return why, "It was cut short: get it again" if why.startswith(_CUT_SHORT) else None


def _entry(block: bytes, records: dict[bytes, bytes]) -> Entry:
    if _number(block[148:156]) != sum(block) - sum(block[148:156]) + 256:
        raise TarError("a header's checksum is wrong")
    kind = block[156:157]
    path, link = _text(block[:100]), _text(block[157:257])
    if block[257:263] == b"ustar\0" and block[345] != 0:
        path = _text(block[345:500]) + b"/" + path
    path, link = records.get(b"path", path), records.get(b"linkpath", link)
    size = _decimal(records, b"size", block[124:136])
    if kind in _FILE_KINDS:
        kind = b"5" if path.endswith(b"/") and kind != b"7" else b"0"
    return Entry(
        path,
        kind,
        _number(block[100:108]) & 0o7777,
        _decimal(records, b"uid", block[108:116]),
        _decimal(records, b"gid", block[116:124]),
        size if kind == b"0" or kind in _EXTENSIONS else 0,
        _mtime(records, block[136:148]),
        link,
    )


def _extend(records: dict[bytes, bytes], kind: bytes, data: bytes, odd: list[str]) -> None:
    """Take in an extension record; global ones are left out, and what they say of single entries is `odd`."""
    if kind == b"g":
        odd += [f"a global header gives `{key.decode()}`" for key, _ in _global(data) if key in _OF_ONE_ENTRY]
        return
    name = b"path" if kind == b"L" else b"linkpath"
    for key, value in _pax(data) if kind == b"x" else [(name, data.rstrip(b"\0"))]:
        if records.setdefault(key, value) != value:
            odd.append(f"two records give `{key.decode(errors='replace')}`")
            records[key] = value


def _global(data: bytes) -> list[tuple[bytes, bytes]]:
    """What could be read of a global header: they were always left out, whatever they held."""
    try:
        return _pax(data)
    except TarError:
        return []


def _odd_size(block: bytes, records: dict[bytes, bytes], entry: Entry) -> Iterator[str]:
    """Where a header's own size is another than the one that counts."""
    stated = _number(block[124:136])
    if entry.kind != b"0":
        if stated:
            yield "it is no file and has a size"
    elif b"size" in records and 0 < stated != entry.size <= _LARGEST_OCTAL:
        yield "two records give `size`"


def _pax(data: bytes) -> list[tuple[bytes, bytes]]:
    """The records of a PAX header, each `LENGTH KEY=VALUE` and a newline."""
    records, start = [], 0
    while start < len(data):
        space = data.find(b" ", start, start + 20)
        digits = data[start:space] if space > 0 else b""
        end = start + int(digits) if digits.isdigit() else start
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end <= space + 1 or end > len(data) or data[end - 1 : end] != b"\n" or not equals:
            raise TarError("a PAX record is malformed")
        if key.startswith(b"GNU.sparse"):
            raise TarError("it holds a sparse file, which is not supported")
        records.append((key, value))
        start = end
    return records


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _number(field: bytes) -> int:
    if field[0] == 0x80:
        number = int.from_bytes(field[1:], "big")
        if number > _LARGEST:
            raise TarError("a header's number is larger than any can be")
        return number
    text = field.strip(b"\0 ")
    if text and not (text.isdigit() and b"8" not in text and b"9" not in text):
        raise TarError("a header's number is malformed")
    return int(text, 8) if text else 0


def _decimal(records: dict[bytes, bytes], key: bytes, field: bytes) -> int:
    value = records.get(key)
    if value is None:
        return _number(field)
    if not value.isdigit() or len(value) > 18:
        raise TarError(f"the PAX record `{key.decode()}` is not a number")
    return int(value)


def _mtime(records: dict[bytes, bytes], field: bytes) -> int:
    value = records.get(b"mtime")
    try:
        seconds = _number(field) if value is None else int(value.partition(b".")[0])
    except ValueError:
        return 0
    return min(max(seconds, 0), _LARGEST_TIME)
