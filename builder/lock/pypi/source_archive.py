"""Looking through the archive of a source distribution, which nobody vouches for: within bounds of bytes and memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from builder.oci.tar_entries import TarError, TarReader

UNREADABLE = (
    TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError, RuntimeError,
    NotImplementedError, KeyError,
)  # fmt: skip
"""What reading an archive raises that is damaged, encrypted, or none."""


@contextmanager
def opened_tar(path: Path, largest: int) -> Iterator[TarReader]:
    """The entries of a tar, compressed in whatever way; it may unpack to `largest` bytes."""
    with open(path, "rb") as file:
        magic = file.read(6)
        if not magic:
            raise TarError("it is empty")
        file.seek(0)
        inner: Any = file
        if magic.startswith(b"\x1f\x8b"):
            inner = gzip.GzipFile(fileobj=file)
        elif magic.startswith(b"BZh"):
            inner = bz2.BZ2File(file)
        elif magic.startswith(b"\xfd7zXZ"):
            inner = lzma.LZMAFile(file)  # noqa: SIM115 - closed with what it reads
        yield TarReader(io.BufferedReader(_Bounded(inner, largest), 1 << 20))


class _Bounded(io.RawIOBase):
    """A stream that ends with an error where it holds too much."""

    def __init__(self, inner: IO[bytes], largest: int) -> None:
        self._inner = inner
        self._largest = self._left = largest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._inner.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise TarError(f"it unpacks to more than {self._largest} bytes")
        buffer[: len(data)] = data
        return len(data)
