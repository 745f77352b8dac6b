"""Writing gzip members (RFC 1952) without an encoder: text as stored blocks, DEFLATE streams copied as they are.

Owns how streams are joined into members, and so the compressed bytes of every spliced segment: they are a function of
the sequence of text and streams alone, not of how callers cut them into pieces. Each rule here is part of
`LAYER_FORMAT`. Does not know what a tar or a wheel is.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterable, Iterator
from enum import Enum

from isal import isal_zlib

from builder.layers.deflate_streams import MalformedStreamError, inflate, inflate_unfinished
from builder.layers.interface import MEMBER_SIZE, Sink

WHOLE_STREAM = 1 << 20
"""A stream of more bytes than this, compressed or uncompressed, is never joined: it always ends its member."""

_HEADER = bytes.fromhex("1f8b0800 00000000 00ff")
_STORED_SIZE = 0xFFFF
_EMPTY = b"\0\0\xff\xff"
_LAST_BLOCK = b"\1" + _EMPTY
_CLEARED_FIRST = [bytes([first & 0xFE]) for first in range(256)]
_FLUSH_SIZE = 1 << 20


class _Boundary(Enum):
    """Where a member stands, which decides how its next block begins."""

    BYTE = "a block begins with the next byte"
    BITS = "up to two zero bits of the last byte are unused: they begin the header of a stored block"
    HEADER = "three zero bits or more are unused: they are the header of a stored block, whose length follows"


class _Probe:
    """Bytes that, fed behind a stream whose last-block bit is cleared, tell at which boundary it ended.

    Behind three or more unused zero bits the first byte is the low byte of a stored block's length (248), behind fewer
    it is the byte that holds the block's header, and the length (1792) follows. Either way a further block comes
    behind that one, and is seen only if the unused bits did not mark the first as the last: one or two unused bits
    would otherwise go unnoticed when one of them is set. The content is random, so that no stream can be made whose
    codes turn these bytes into what is expected of them without having ended.
    """

    def __init__(self, content: bytes) -> None:
        self.data = b"\xf8\x00\x07\xff\xf8" + content[:247] + b"\0" + struct.pack("<HH", 1546, 1546 ^ 0xFFFF)
        self.data += content[252:1792] + b"\0\1\0\xfe\xff" + content[1792:1793]
        self.header = self.data[4:252] + self.data[257:]
        self.bits = self.data[5:1797] + self.data[1802:]
        self.most = max(len(self.header), len(self.bits)) + 1


_PROBE = _Probe(os.urandom(1793))


class MemberWriter:
    """Writes text and DEFLATE streams to a `Sink` as gzip members.

    A member is closed once it holds `MEMBER_SIZE` uncompressed bytes, behind each stream that cannot be joined, and by
    `finish`. Not for several threads at once.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._text: list[bytes | memoryview] = []
        self._text_size = 0
        self._uncompressed: list[bytes | memoryview] = []
        self._uncompressed_size = 0
        self._compressed: list[bytes | memoryview] = []
        self._compressed_size = 0
        self._open = False
        self._boundary = _Boundary.BYTE
        self._member_size = 0
        self._member_crc = 0

    def text(self, data: bytes | memoryview) -> None:
        """Write bytes that were made here (headers, padding, scripts) or that are stored in their archive."""
        self._text.append(data)
        self._text_size += len(data)
        if self._text_size >= _STORED_SIZE:
            self._write_text(_STORED_SIZE)

    def splice(
        self,
        pieces: Iterable[bytes | memoryview],
        compressed_size: int,
        size: int,
        observe: Callable[[bytes | memoryview], object],
    ) -> None:
        """Copy one raw DEFLATE stream of `compressed_size` bytes, that inflates to `size` bytes.

        `pieces` make up the stream; where neither size passes `WHOLE_STREAM`, there must be exactly one. `observe` is
        called with the content, in order, so that it can be checked.
        Raises: MalformedStreamError, if the stream is not what the sizes say; the segment is worthless then.
        """
        self._write_text(1)
        self._begin_stream()
        if compressed_size > WHOLE_STREAM or size > WHOLE_STREAM:
            self._copy_long(pieces, size, observe)
            return
        (stream,) = pieces
        joined = self._join(stream, size)
        observe(self._copy(stream, size) if joined is None else joined)

    def finish(self) -> None:
        """Write what is left, and close the open member."""
        self._write_text(1)
        if self._open:
            self._close_member()
        self._flush()

    def _join(self, stream: bytes | memoryview, size: int) -> memoryview | None:
        """Copy a stream of one block so that the member goes on behind it; None, if that cannot be done."""
        if len(stream) == 0 or not stream[0] & 1:
            return None
        cleared = b"".join((_CLEARED_FIRST[stream[0]], memoryview(stream)[1:], _PROBE.data))
        try:
            content = memoryview(inflate_unfinished(cleared, size + _PROBE.most))
        except MalformedStreamError:
            return None
        answer = content[size:]
        if answer == _PROBE.header:
            self._boundary = _Boundary.HEADER
        elif answer == _PROBE.bits:
            self._boundary = _Boundary.BITS
        else:
            return None
        self._write(memoryview(cleared)[: len(stream)])
        self._note(content[:size])
        self._close_if_full()
        return content[:size]

    def _copy(self, stream: bytes | memoryview, size: int) -> bytes:
        content = b"".join(inflate((stream,), size))
        self._write(stream)
        self._note(content)
        self._end_member()
        return content

    def _copy_long(
        self, pieces: Iterable[bytes | memoryview], size: int, observe: Callable[[bytes | memoryview], object]
    ) -> None:
        for content in inflate(self._copied(pieces), size):
            observe(content)
            self._note(content)
        self._end_member()

    def _copied(self, pieces: Iterable[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        for piece in pieces:
            self._write(piece)
            yield piece

    def _begin_stream(self) -> None:
        """Bring the member to a byte boundary, where a stream can begin."""
        self._begin_block()
        if self._boundary is not _Boundary.BYTE:
            self._write_stored(b"")

    def _begin_block(self) -> None:
        if not self._open:
            self._open = True
            self._boundary = _Boundary.BYTE
            self._write(_HEADER)

    def _write_text(self, least: int) -> None:
        """Write the waiting text as stored blocks, the last of at least `least` bytes."""
        if self._text_size < least:
            return
        text = memoryview(b"".join(self._text))
        while len(text) >= least:
            self._write_stored(text[:_STORED_SIZE])
            text = text[_STORED_SIZE:]
        self._text = [text] if len(text) else []
        self._text_size = len(text)

    def _write_stored(self, block: bytes | memoryview) -> None:
        self._begin_block()
        size = len(block)
        lengths = struct.pack("<HH", size, size ^ 0xFFFF)
        self._write(lengths if self._boundary is _Boundary.HEADER else b"\0" + lengths)
        self._boundary = _Boundary.BYTE
        if size:
            self._write(block)
            self._note(block)
            self._close_if_full()

    def _close_if_full(self) -> None:
        if self._member_size >= MEMBER_SIZE:
            self._close_member()

    def _close_member(self) -> None:
        """End the member with an empty last block; never in unused bits, which would move its mark."""
        if self._boundary is not _Boundary.BYTE:
            self._write_stored(b"")
        self._write(_LAST_BLOCK)
        self._end_member()

    def _end_member(self) -> None:
        """Write the trailer of a member whose last block is written."""
        self._flush_uncompressed()
        self._write(struct.pack("<II", self._member_crc, self._member_size & 0xFFFFFFFF))
        self._open = False
        self._member_size = self._member_crc = 0

    def _write(self, data: bytes | memoryview) -> None:
        self._compressed.append(data)
        self._compressed_size += len(data)
        if self._compressed_size >= _FLUSH_SIZE:
            self._flush_compressed()

    def _note(self, content: bytes | memoryview) -> None:
        """Account for uncompressed bytes of the open member."""
        self._member_size += len(content)
        self._uncompressed.append(content)
        self._uncompressed_size += len(content)
        if self._uncompressed_size >= _FLUSH_SIZE:
            self._flush_uncompressed()

    def _flush(self) -> None:
        self._flush_uncompressed()
        self._flush_compressed()

    def _flush_compressed(self) -> None:
        if self._compressed:
            self._sink.compressed(_joined(self._compressed))
            self._compressed.clear()
            self._compressed_size = 0

    def _flush_uncompressed(self) -> None:
        if self._uncompressed:
            data = _joined(self._uncompressed)
            self._member_crc = isal_zlib.crc32(data, self._member_crc)
            self._sink.uncompressed(data)
            self._uncompressed.clear()
            self._uncompressed_size = 0


def _joined(parts: list[bytes | memoryview]) -> bytes | memoryview:
    return parts[0] if len(parts) == 1 else b"".join(parts)
