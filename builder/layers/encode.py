"""Gzip members for content that has to be compressed here, by an encoder that is pinned.

Owns the bytes that a tar stream of debs and of the project's own files compresses to: fixed pieces, one gzip member
each (RFC 1952), encoded by libdeflate at one level. The release of libdeflate, the level and the size of a piece are
part of the layer format: a change of any of them is a new `LAYER_FORMAT`.
"""

from __future__ import annotations

import struct

import deflate

from builder.layers.interface import Sink

PIECE_SIZE = 1 << 20
"""Uncompressed bytes of a member of compressed content. The last one of a segment may be smaller."""

_LEVEL = 6
_HEADER = bytes.fromhex("1f8b08000000000000ff")
_LARGEST_STORED = 65535


class EncodedWriter:
    """Turns a tar stream into gzip members and hands both to a sink.

    Members are pieces of 1 MiB, each stored instead where compression does not make it smaller. Holds one piece in
    memory. The bytes depend on the tar stream alone, not on how it was cut into writes.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._piece = bytearray()

    def write(self, data: bytes | memoryview) -> None:
        """Add `data` to the tar stream."""
        view = memoryview(data)
        while view:
            room = PIECE_SIZE - len(self._piece)
            self._piece += view[:room]
            view = view[room:]
            if len(self._piece) == PIECE_SIZE:
                self._flush()

    def finish(self) -> None:
        """End the last member. An empty stream has none."""
        if self._piece:
            self._flush()

    def _flush(self) -> None:
        piece = bytes(self._piece)
        self._piece.clear()
        self._sink.uncompressed(piece)
        self._sink.compressed(compressed_member(piece))


def compressed_member(piece: bytes) -> bytes:
    """One gzip member that inflates to `piece`: compressed, or stored if that is not larger."""
    body = bytes(deflate.deflate_compress(piece, _LEVEL))
    if len(body) >= _stored_size(len(piece)):
        return stored_member(piece)
    return _HEADER + body + _trailer(piece)


def stored_member(piece: bytes) -> bytes:
    """One gzip member that holds `piece` in stored blocks (RFC 1951, 3.2.4)."""
    parts = [_HEADER]
    view = memoryview(piece)
    starts = range(0, len(piece), _LARGEST_STORED) or range(1)
    for start in starts:
        block = view[start : start + _LARGEST_STORED]
        final = start == starts[-1]
        parts += (struct.pack("<BHH", final, len(block), len(block) ^ 0xFFFF), bytes(block))
    return b"".join((*parts, _trailer(piece)))


def _stored_size(size: int) -> int:
    return size + 5 * max(1, -(-size // _LARGEST_STORED))


def _trailer(piece: bytes) -> bytes:
    return struct.pack("<II", deflate.crc32(piece), len(piece) & 0xFFFFFFFF)
