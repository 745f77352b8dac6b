"""The canonical form of a marshalled code object: equal code gives equal bytes, whatever made them.

What `marshal` writes depends on reference counts: an object is marked as one to refer to where something else in the
process happens to hold it, and text is marked as interned where something else happened to intern it (CPython issues
78274 and 98819). So the stream is read and written anew: every object that occurs twice is written once, marked, and
referred to; nothing else is marked; text that looks like a name is interned; sets are in the order of their content.
Owns the format (CPython 3.11 and later, Python/marshal.c); runs nothing of what it reads.
"""

from __future__ import annotations

import hashlib
import re
import struct

from builder.errors import EnvbuildError

OLDEST = (3, 11)
"""The first Python whose code objects have the fields that are read here."""

_REFERABLE = 0x80
_REFERENCE_SIZE = 5
"""Bytes of a reference; what is not longer is written again instead."""
_NAME = re.compile(rb"[A-Za-z0-9_]+")
_INT, _UNSIGNED = struct.Struct("<i"), struct.Struct("<I")
_LARGEST_SHORT = 255
_NUMBERS, _BEFORE_LINE, _AFTER_LINE = 20, 8, 2
"""A code object: bytes of its five numbers, objects before the number of its first line (4 bytes), objects after."""
_FILE_NAME = 5
"""Which of the objects is the path of the source."""
_SINGLE, _FIXED = b"NFT.S", {b"i": 4, b"g": 8, b"y": 16}
_SHORT_TEXT, _LONG_TEXT = b"zZ", b"aAut"
_DAMAGED = (IndexError, ValueError, struct.error, RecursionError)

_Inner = tuple[bytes, tuple[int, ...], bytes]
"""An object that holds others: what is before them, their numbers, and what is before the last two of them."""


def canonical_code(data: bytes, file_name: str) -> bytes:
    """The canonical form of `data`, a marshalled code object whose source was `file_name`.

    Raises: EnvbuildError, if it is none, or holds what the compiler does not make.
    """
    try:
        reader = _Reader(data, file_name.encode())
        top = reader.read()
        if data[0] & ~_REFERABLE != ord("c") or reader.position != len(data):
            raise ValueError("it is not one code object")
        return _Writer(reader.objects).write(top)
    except _DAMAGED as error:
        raise EnvbuildError(f"the bytecode of `{file_name}` is not understood", str(error)) from error


class _Reader:
    """Objects by number, equal ones once: the leaves as they are written, the others as `_Inner`."""

    def __init__(self, data: bytes, file_name: bytes) -> None:
        self.objects: list[bytes | _Inner] = []
        self.position = 0
        self._data = data
        self._file_name = file_name
        self._numbers: dict[bytes | _Inner, int] = {}
        self._texts: dict[bytes, int] = {}
        self._references: list[int | None] = []
        self._orders: dict[int, bytes] = {}

    def read(self) -> int:
        """The number of the object that begins here."""
        byte = self._data[self.position]
        self.position += 1
        if byte == ord("r"):
            return self._referred()
        place = len(self._references)
        if byte & _REFERABLE:
            self._references.append(None)
        number = self._object(bytes((byte & ~_REFERABLE,)))
        if byte & _REFERABLE:
            self._references[place] = number
        return number

    def _object(self, kind: bytes) -> int:
        if kind in _SHORT_TEXT:
            return self._text(self._take(self._byte()))
        if kind == b")":
            return self._sequence(self._byte())
        if kind == b"s":
            size = self._take(4)
            return self._number_of(b"s" + size + self._take(_UNSIGNED.unpack(size)[0]))
        if kind == b"c":
            return self._code()
        if kind in _SINGLE:
            return self._number_of(kind)
        if kind in _FIXED:
            return self._number_of(kind + self._take(_FIXED[kind]))
        return self._rare_object(kind)

    def _rare_object(self, kind: bytes) -> int:
        if kind in _LONG_TEXT:
            return self._text(self._take(self._size()))
        if kind == b"(":
            return self._sequence(self._size())
        if kind == b"l":
            digits = self._take(4)
            return self._number_of(b"l" + digits + self._take(2 * abs(_INT.unpack(digits)[0])))
        if kind == b">":
            members = sorted({self.read() for _ in range(self._size())}, key=self._order)
            return self._number_of((b">" + _UNSIGNED.pack(len(members)), tuple(members), b""))
        if kind == b":":
            return self._number_of((b":", (self.read(), self.read(), self.read()), b""))
        raise ValueError(f"it holds an object of type {kind!r}")

    def _code(self) -> int:
        numbers = self._take(_NUMBERS)
        before = [self.read() for _ in range(_BEFORE_LINE)]
        line = self._take(4)
        after = [self.read() for _ in range(_AFTER_LINE)]
        if before[_FILE_NAME] != self._texts.get(self._file_name):
            raise ValueError("it names another source")
        return self._number_of((b"c" + numbers, (*before, *after), line))

    def _sequence(self, size: int) -> int:
        head = b")" + bytes((size,)) if size <= _LARGEST_SHORT else b"(" + _UNSIGNED.pack(size)
        return self._number_of((head, tuple([self.read() for _ in range(size)]), b""))

    def _text(self, text: bytes) -> int:
        number = self._texts.get(text)
        if number is None:
            self._texts[text] = number = self._number_of(_written_text(text))
        return number

    def _number_of(self, one: bytes | _Inner) -> int:
        number = self._numbers.get(one)
        if number is None:
            self._numbers[one] = number = len(self.objects)
            self.objects.append(one)
        return number

    def _order(self, number: int) -> bytes:
        """By what members of a set are sorted: their content, without any reference."""
        one = self.objects[number]
        if isinstance(one, bytes):
            return one
        if number not in self._orders:
            head, members, middle = one
            content = b"".join((head, middle, *(hashlib.sha256(self._order(member)).digest() for member in members)))
            self._orders[number] = head[:1] + hashlib.sha256(content).digest()
        return self._orders[number]

    def _referred(self) -> int:
        number = self._references[self._size()]
        if number is None:
            raise ValueError("an object holds itself")
        return number

    def _size(self) -> int:
        size: int = _UNSIGNED.unpack(self._take(4))[0]
        return size

    def _byte(self) -> int:
        self.position += 1
        return self._data[self.position - 1]

    def _take(self, size: int) -> bytes:
        start = self.position
        self.position += size
        if self.position > len(self._data):
            raise ValueError("it ends too early")
        return self._data[start : self.position]


class _Writer:
    """Writes objects, each that is longer than a reference once."""

    def __init__(self, objects: list[bytes | _Inner]) -> None:
        self._objects = objects
        self._uses = [0] * len(objects)
        self._references: dict[int, int] = {}
        self._written = bytearray()

    def write(self, top: int) -> bytes:
        """The object `top` with all that it holds."""
        self._count(top)
        self._write(top)
        return bytes(self._written)

    def _count(self, number: int) -> None:
        self._uses[number] += 1
        one = self._objects[number]
        if self._uses[number] == 1 and not isinstance(one, bytes):
            for member in one[1]:
                self._count(member)

    def _write(self, number: int) -> None:
        one, written = self._objects[number], self._written
        if number in self._references:
            written += b"r" + _UNSIGNED.pack(self._references[number])
            return
        start = len(written)
        head = one if isinstance(one, bytes) else one[0]
        written += head
        if self._uses[number] > 1 and (one[1] if not isinstance(one, bytes) else len(one) > _REFERENCE_SIZE):
            self._references[number] = len(self._references)
            written[start] |= _REFERABLE
        if not isinstance(one, bytes):
            self._write_members(one)

    def _write_members(self, one: _Inner) -> None:
        _, members, line = one
        if not line:
            for member in members:
                self._write(member)
            return
        for member in members[:_BEFORE_LINE]:
            self._write(member)
        self._written += line
        for member in members[_BEFORE_LINE:]:
            self._write(member)


def _written_text(text: bytes) -> bytes:
    """Text as it is written: as a name that is interned where it looks like one, as the compiler has it."""
    if not text.isascii():
        text.decode("utf-8", "surrogatepass")
        return b"u" + _UNSIGNED.pack(len(text)) + text
    short = len(text) <= _LARGEST_SHORT
    kind = (b"z" if short else b"a") if not _NAME.fullmatch(text) else (b"Z" if short else b"A")
    return kind + (bytes((len(text),)) if short else _UNSIGNED.pack(len(text))) + text
