"""A strict reader of tar streams (v7, ustar, GNU long names and pax headers) inside packages and archives.

Owns the checks on what a header says. Reads forward only and holds no content. Whatever is not a file, a directory or
a link is refused; extended attributes and times are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from builder.errors import EnvbuildError
from builder.layers.files import check_path
from builder.layers.tar_headers import BLOCK, DIRECTORY, FILE, HARD_LINK, SYMBOLIC_LINK

_CHUNK = 1 << 18
_LARGEST_EXTENSION = 1 << 16
_MOST_ENTRIES = 500_000
_MOST_BYTES = 64 << 30
_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL = b"L", b"K", b"x", b"g"


class Stream:
    """Bytes that arrive in chunks, taken in exact amounts."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = memoryview(b"")

    def take(self, size: int) -> bytes:
        """The next `size` bytes.

        Raises: EnvbuildError, if the stream ends before.
        """
        return b"".join(self.chunks(size))

    def chunks(self, size: int) -> Iterator[memoryview]:
        """The next `size` bytes, in pieces.

        Raises: EnvbuildError, if the stream ends before.
        """
        while size:
            if not self._left and not self._fill():
                raise EnvbuildError("The archive ends too early")
            piece = self._left[:size]
            self._left = self._left[len(piece) :]
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[memoryview]:
        """What is left, in pieces."""
        while self._left or self._fill():
            yield self._left
            self._left = memoryview(b"")

    def _fill(self) -> bool:
        for chunk in self._chunks:
            if chunk:
                self._left = memoryview(chunk)
                return True
        return False


@dataclass(frozen=True, slots=True)
class TarEntry:
    """What one header says."""

    path: str
    """Relative, plain; empty for the root directory."""
    kind: bytes
    """One of `tar_headers.FILE`, `DIRECTORY`, `SYMBOLIC_LINK` and `HARD_LINK`."""
    size: int
    """Of a file's content, in bytes; else 0."""
    mode: int
    """The permission bits, setuid, setgid and sticky among them."""
    uid: int
    gid: int
    target: str
    """Of a symbolic link, as it is written; of a hard link, the path, relative and plain."""


class TarReader:
    """The entries of a tar stream, in its order. Each file's content must be taken before the next entry."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._content_left = 0

    def entries(self) -> Iterator[TarEntry]:
        """The entries.

        Raises: EnvbuildError, if a header is not well-formed, leaves the root, or is of a refused kind.
        """
        count, total, extensions = 0, 0, dict[str, str]()
        while (block := self._stream.take(BLOCK)).strip(b"\0"):
            _check_sum(block)
            kind = block[156:157].replace(b"\0", FILE)
            if kind in (_LONG_NAME, _LONG_LINK, _PAX, _PAX_GLOBAL):
                self._extension(kind, block, extensions)
                continue
            entry = _entry(block, kind, extensions)
            extensions = {}
            count, total = count + 1, total + entry.size
            if count > _MOST_ENTRIES or total > _MOST_BYTES:
                raise EnvbuildError("The archive is too large", f"{count} entries, {total} bytes so far")
            self._content_left = entry.size
            yield entry
            if self._content_left:
                raise AssertionError("the content of an entry was not taken")
        self._check_end()

    def content(self, entry: TarEntry) -> Iterator[memoryview]:
        """The content of `entry`, the one that `entries` gave last, in pieces."""
        yield from self._stream.chunks(entry.size)
        self._stream.take(-entry.size % BLOCK)
        self._content_left = 0

    def selected(self, wanted: Callable[[str], bool], limit: int) -> Iterator[tuple[TarEntry, bytes]]:
        """The files and links whose paths are `wanted`, of `limit` bytes at most, with their content.

        Raises: EnvbuildError, as `entries` does.
        """
        for entry in self.entries():
            is_selected = entry.kind != DIRECTORY and entry.size <= limit and wanted(entry.path)
            kept = [piece for piece in self.content(entry) if is_selected] if entry.kind == FILE else []
            if is_selected:
                yield entry, b"".join(kept)

    def _extension(self, kind: bytes, block: bytes, extensions: dict[str, str]) -> None:
        size = _number(block[124:136])
        if size > _LARGEST_EXTENSION:
            raise EnvbuildError("A name in the archive is too long", f"{size} bytes")
        body = self._stream.take(size)
        self._stream.take(-size % BLOCK)
        if kind == _PAX:
            extensions.update(_pax_records(body))
        elif kind == _PAX_GLOBAL:
            if any(key in ("path", "linkpath", "size") for key in _pax_records(body)):
                raise EnvbuildError("A header of the archive gives all its entries one name")
        else:
            extensions["path" if kind == _LONG_NAME else "linkpath"] = _text(body.rstrip(b"\0"))

    def _check_end(self) -> None:
        if any(bytes(piece).strip(b"\0") for piece in self._stream.rest()):
            raise EnvbuildError("The archive goes on after its end")


def _entry(block: bytes, kind: bytes, extensions: dict[str, str]) -> TarEntry:
    name = extensions.get("path") or _name(block)
    path = plain_path(name)
    if any(key.startswith("GNU.sparse.") for key in extensions):
        raise EnvbuildError(f"`{path}` is a sparse file, which is not read")
    if kind not in (FILE, DIRECTORY, SYMBOLIC_LINK, HARD_LINK):
        raise EnvbuildError(f"`{path}` is neither a file, nor a directory, nor a link", f"its tar type is {kind!r}")
    if not path and kind != DIRECTORY:
        raise EnvbuildError("The root of the archive is not a directory")
    size = int(extensions["size"]) if "size" in extensions else _number(block[124:136])
    if size and kind != FILE:
        raise EnvbuildError(f"`{path}` is a link or a directory and has content")
    target = extensions.get("linkpath") or _text(block[157:257].partition(b"\0")[0])
    return TarEntry(
        path, kind, size, _number(block[100:108]) & 0o7777, _number(block[108:116]), _number(block[116:124]),
        _target(path, kind, target),
    )  # fmt: skip


def _target(path: str, kind: bytes, target: str) -> str:
    if kind == HARD_LINK:
        return plain_path(target)
    if kind == SYMBOLIC_LINK:
        if not target or len(target) > 4095 or "\0" in target:
            raise EnvbuildError(f"The link `{path}` has no usable target")
        return target
    return ""


def plain_path(name: str) -> str:
    """`name` as a relative, plain path: a leading `./` and a final slash do not count; empty for the root.

    Raises: EnvbuildError, as `check_path`.
    """
    if name.startswith("./"):
        name = name[2:].lstrip("/")
    name = name.removesuffix("/")
    return "" if name in ("", ".") else check_path(name)


def _name(block: bytes) -> str:
    name = block[:100].partition(b"\0")[0]
    prefix = block[345:500].partition(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    return _text(prefix + b"/" + name if prefix else name)


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise EnvbuildError(f"The name {data[:200]!r} in the archive is not UTF-8") from error


def _number(field: bytes) -> int:
    """A field in octal digits, or base 256 (GNU) where its first bit is set."""
    if field[0] & 0x80:
        value = int.from_bytes(field, "big") - (0x80 << 8 * (len(field) - 1))
        if field[0] == 0xFF:
            raise EnvbuildError("A number in the archive is negative")
        return value
    digits = field.strip(b" \0")
    if not all(48 <= digit < 56 for digit in digits):
        raise EnvbuildError("A number in the archive is not octal", repr(field))
    return int(digits or b"0", 8)


def _check_sum(block: bytes) -> None:
    expected = sum(block) - sum(block[148:156]) + 8 * 32
    if _number(block[148:156]) != expected:
        raise EnvbuildError("A header of the archive is damaged", "its checksum is wrong")


def _pax_records(body: bytes) -> dict[str, str]:
    """The records, `LENGTH KEY=VALUE` and a newline; values of those that are not read may be any bytes."""
    records = {}
    while body:
        digits, _, _ = body.partition(b" ")
        if not digits.isdigit() or len(digits) > 6 or not len(digits) + 2 < int(digits) <= len(body):
            raise EnvbuildError("An extended header of the archive is damaged")
        key, separator, value = body[len(digits) + 1 : int(digits)].removesuffix(b"\n").partition(b"=")
        if not separator:
            raise EnvbuildError("An extended header of the archive is damaged")
        body = body[int(digits) :]
        name = key.decode("utf-8", "replace")
        if name in ("path", "linkpath") or (name == "size" and value.isdigit() and len(value) < 16):
            records[name] = _text(value)
        elif name == "size" or name.startswith("GNU.sparse."):
            records["GNU.sparse.size"] = ""
    return records
