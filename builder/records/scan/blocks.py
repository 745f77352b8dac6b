"""Reading a stream of any size in overlapping blocks, so that what is looked for is never cut in two.

Owns encodings too: UTF-16 and UTF-32 are read as UTF-8, and what is no text is told.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

BLOCK = 1 << 20
OVERLAP = 8192
"""Bytes of the longest thing that is looked for."""
_LONGEST_LEAD = 64
_BEFORE = 128
"""Bytes in front of a block that a pattern may look back at."""
HEAD = 8192
"""Bytes by which it is told what a file is."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip


class Stream(Protocol):
    """What is read: `read` gives fewer bytes only at its end."""

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Something to look for: a pattern, and words by which the places are found where it may match."""

    pattern: re.Pattern[bytes]
    """With bounded quantifiers only, so that reading takes time in proportion to what is read."""
    words: tuple[bytes, ...]
    """It begins with one of them, or with `lead` in front of one."""
    lead: re.Pattern[bytes] | None = None
    """What stands in front of a word, up to the word (`\\Z`)."""

    def begin(self, data: bytes, position: int) -> int:
        """Where a match begins for a word at a position; the position itself where nothing fits in front."""
        if self.lead is None:
            return position
        front = max(0, position - _LONGEST_LEAD)
        found = self.lead.search(data[front:position])
        return front + found.start() if found else position


@dataclass(frozen=True, slots=True)
class Block:
    """A part of a stream. What begins from `start` up to `stop` belongs to it; the rest is its surroundings."""

    data: bytes
    start: int
    stop: int
    first_line: int
    """The line that `start` is in, from 1."""

    def line(self, position: int) -> int:
        """The line that a position is in."""
        return self.first_line + self.data.count(b"\n", self.start, position)

    def matches(self, wanted: Wanted, hay: bytes | None = None) -> Iterator[re.Match[bytes]]:
        """What is wanted and begins in this block, each once. Words are looked for in `hay`, by default in the data.

        A pattern is tried where one of its words is, and nowhere else: words are found a hundred times faster.
        """
        seen = set()
        for word in wanted.words:
            for position in _positions(self.data if hay is None else hay, word):
                match = wanted.pattern.match(self.data, wanted.begin(self.data, position))
                if match and self.start <= match.start() < self.stop and match.start() not in seen:
                    seen.add(match.start())
                    yield match


def _positions(hay: bytes, word: bytes) -> Iterator[int]:
    position = hay.find(word)
    while position >= 0:
        yield position
        position = hay.find(word, position + 1)


def blocks(stream: Stream) -> Iterator[Block]:
    """The stream, in pieces of about a mebibyte."""
    data, start, line = stream.read(BLOCK), 0, 1
    while True:
        more = stream.read(BLOCK)
        stop = max(len(data) - OVERLAP, start) if more else len(data)
        block = Block(data, start, stop, line)
        yield block
        if not more:
            return
        line = block.line(stop)
        kept = max(0, stop - _BEFORE)
        data, start = data[kept:] + more, stop - kept


def encoding_of(head: bytes) -> str | None:
    """What text is encoded in, by its first bytes: `utf-8` stands for all that holds ASCII; None for no text."""
    for mark, name in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return name
    if b"\0" not in head:
        return "utf-8"
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and odd > 0.4 * len(head) / 2 and not even:
        return "utf-16-le"
    return "utf-16-be" if len(head) >= 8 and even > 0.4 * len(head) / 2 and not odd else None


class AsUtf8:
    """A stream of another encoding, read as UTF-8; what cannot be decoded is replaced."""

    def __init__(self, stream: Stream, encoding: str) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = bytearray()
        self._ended = False

    def read(self, size: int, /) -> bytes:
        """The next `size` bytes."""
        while len(self._ready) < size and not self._ended:
            data = self._stream.read(BLOCK)
            self._ended = not data
            self._ready += self._decoder.decode(data, self._ended).encode("utf-8", "replace")
        data = bytes(self._ready[:size])
        del self._ready[:size]
        return data
