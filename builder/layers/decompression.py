"""Decompressing what nobody vouches for, in pieces and within bounded memory.

A decompressor takes the compressed bytes in chunks and gives the plain ones in pieces; streams that follow each other
end to end are one. Wrapped in `checked`, damage is an EnvbuildError.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from builder.errors import EnvbuildError

Decompressor = Callable[[Iterator[bytes]], Iterator[bytes]]

_CHUNK = 1 << 17
_LARGEST_DICTIONARY = 96 << 20
"""Bytes that xz may use: its -9 wants 65 MiB."""
_LARGEST_WINDOW = 128 << 20
"""Bytes that zstd may use: the window of its level 22, which conda packages of some years have."""


class _DamagedStreamError(Exception):
    """The compressed bytes are not what their format says."""


def checked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """What a decompressor gives. Raises: EnvbuildError, if its input is damaged."""
    try:
        yield from chunks
    except (lzma.LZMAError, zlib.error, _DamagedStreamError) as error:
        raise EnvbuildError("Its content cannot be decompressed", str(error)) from error


def plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes as they are."""
    return chunks


def xz(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Of the xz format."""
    yield from _decompressed(chunks, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LARGEST_DICTIONARY))


def bzip2(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Of bzip2."""
    yield from _decompressed(chunks, _Bzip2)


def gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Of gzip (RFC 1952)."""
    decompressor = zlib.decompressobj(31)
    for chunk in chunks:
        data, full = chunk, False
        while data or (full and not decompressor.eof):
            if decompressor.eof:
                decompressor = zlib.decompressobj(31)
            piece = decompressor.decompress(data, _CHUNK)
            yield piece
            data, full = decompressor.unconsumed_tail or decompressor.unused_data, len(piece) == _CHUNK
    if not decompressor.eof:
        raise EnvbuildError("Its content is cut off")


def zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Of Zstandard (RFC 8878)."""
    import zstandard

    source = cast("BinaryIO", _Reader(chunks))
    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(source, read_across_frames=True)
    try:
        while chunk := reader.read(_CHUNK):
            yield chunk
    except zstandard.ZstdError as error:
        raise _DamagedStreamError(str(error)) from error


def _decompressed(chunks: Iterator[bytes], new: Callable[[], Any]) -> Iterator[bytes]:
    """Streams that may follow each other end to end, in bounded pieces."""
    decompressor = new()
    for chunk in chunks:
        data = chunk
        while data or not (decompressor.eof or decompressor.needs_input):
            if decompressor.eof:
                decompressor = new()
            yield decompressor.decompress(data, _CHUNK)
            data = decompressor.unused_data if decompressor.eof else b""
    if not decompressor.eof:
        raise EnvbuildError("Its content is cut off")


class _Bzip2:
    """A decompressor whose errors are told from those of reading."""

    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def decompress(self, data: bytes, size: int) -> bytes:
        try:
            return self._inner.decompress(data, size)
        except OSError as error:
            raise _DamagedStreamError(str(error)) from error


class _Reader:
    """Chunks as a file object that is read in pieces."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._left = b""

    def read(self, size: int = -1) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self._left:
            self._left = next(self._chunks, b"")
        data, self._left = (self._left, b"") if size < 0 else (self._left[:size], self._left[size:])
        return data
