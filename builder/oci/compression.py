"""The content of a layer, whichever way of compression it has: none, gzip or zstd (image-spec, layer.md)."""

from __future__ import annotations

import io
from typing import IO, Any, cast

from builder.oci.streams import inflate_errors

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
LARGEST_LAYER = 1 << 37
"""Bytes of the content of one layer at most."""
_ANY_SIZE = 1 << 29
"""Bytes that a layer may have however small it is compressed."""
_MOST_TIMES = 250
"""How many times as large as its blob the content of a layer may be: what is real is seldom ten times as large."""
_LARGEST_WINDOW = 1 << 27
"""Bytes of memory that a zstd stream may ask for."""


def compression(stream: io.BufferedReader[Any]) -> str:
    """How `stream` is compressed, told by its first bytes: `gzip`, `zstd`, or empty for not at all."""
    magic = stream.peek(4)[:4]
    return "gzip" if magic.startswith(_GZIP) else "zstd" if magic == _ZSTD else ""


def largest_content(size: int) -> int:
    """Bytes that the content of a layer may have, whose blob has `size` bytes: a bomb is left where it gets beyond."""
    return min(LARGEST_LAYER, max(_ANY_SIZE, _MOST_TIMES * size))


def decompressed(stream: io.BufferedReader[Any]) -> IO[bytes]:
    """The content of `stream`, told by its first bytes; what is not compressed is given as it is."""
    magic = stream.peek(4)[:4]
    if magic.startswith(_GZIP):
        from isal import igzip

        return cast("IO[bytes]", igzip.IGzipFile(fileobj=stream, mode="rb"))  # type: ignore[no-untyped-call]
    if magic == _ZSTD:
        import zstandard

        decoder = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        return cast("IO[bytes]", decoder.stream_reader(stream, read_across_frames=True, closefd=False))
    return stream


def damage_errors() -> tuple[type[Exception], ...]:
    """What reading the content of a damaged stream, and what is in it, raises."""
    import zstandard

    return (OSError, EOFError, ValueError, OverflowError, zstandard.ZstdError, inflate_errors())
