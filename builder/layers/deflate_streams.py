"""Reading raw DEFLATE streams (RFC 1951) that nobody vouches for: bounded memory, declared sizes enforced.

Only inflates; no encoder of ISA-L is used anywhere, since their bytes differ between processors. Its inflater takes
some streams that zlib refuses (with incomplete sets of codes). A segment made of such a stream is refused by whoever
unpacks it, never read as other bytes: its CRC-32 and its diff_id are those of what was seen here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from isal import isal_zlib

PIECE = 1 << 20
"""The most bytes that `inflate` hands out at once."""

_IsalError: type[Exception] = isal_zlib.error  # type: ignore[assignment]  # declared as an instance


class MalformedStreamError(Exception):
    """A stream is not valid DEFLATE, or does not hold what its index declares; the text is a cause line."""


def inflate(pieces: Iterable[bytes | memoryview], size: int) -> Iterator[bytes]:
    """The content of the one raw stream that `pieces` make up, in pieces of at most `PIECE` bytes.

    Raises: MalformedStreamError, if the stream is broken, does not end where the pieces end, or does not hold exactly
    `size` bytes; at most one byte more than `size` is ever inflated.
    """
    inflater = isal_zlib.decompressobj(wbits=-15)
    left = size
    for piece in pieces:
        data: bytes | memoryview = piece
        while len(data) > 0 and not inflater.eof:
            content = _step(inflater, data, min(PIECE, left + 1))
            left -= len(content)
            if left < 0:
                raise MalformedStreamError(f"it inflates to more than the declared {size} bytes")
            if content:
                yield content
            data = inflater.unconsumed_tail
        if inflater.eof and (inflater.unused_data or len(data) > 0):
            raise MalformedStreamError("its DEFLATE stream ends before the declared compressed size")
    while not inflater.eof and (content := _step(inflater, b"", min(PIECE, left + 1))):
        left -= len(content)
        if left < 0:
            raise MalformedStreamError(f"it inflates to more than the declared {size} bytes")
        yield content
    if not inflater.eof:
        raise MalformedStreamError("its DEFLATE stream is cut off")
    if left:
        raise MalformedStreamError(f"it inflates to {size - left} bytes, not to the declared {size}")


def inflate_unfinished(data: bytes, most: int) -> bytes:
    """What the whole blocks and the begun one of `data` inflate to, at most `most` bytes (1 or more).

    Raises: MalformedStreamError, if a block is broken.
    """
    return _step(isal_zlib.decompressobj(wbits=-15), data, most)


def _step(inflater: isal_zlib.Decompress, data: bytes | memoryview, most: int) -> bytes:
    try:
        return inflater.decompress(data, most)
    except _IsalError as error:
        raise MalformedStreamError("it is not a valid DEFLATE stream") from error
