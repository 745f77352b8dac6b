"""Reading a stream once for several purposes: it is hashed, counted and passed on while it is read."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

from builder.errors import DigestMismatchError
from builder.oci.digest import Digest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class ObservedStream(io.RawIOBase):
    """A readable stream over another one, which stays open when this one is closed."""

    def __init__(
        self, file: IO[bytes], limit: int, what: str, observe: Callable[[memoryview], None] | None = None
    ) -> None:
        """Beyond `limit` bytes, `what` is refused; `observe` is handed all that is read."""
        super().__init__()
        self._file = file
        self._limit = limit
        self._what = what
        self._observe = observe
        self._hash = hashlib.sha256()
        self.size = 0
        """Bytes that were read."""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into `buffer`. Raises: DigestMismatchError, if the stream is longer than it may be."""
        view = memoryview(buffer).cast("B")
        count = cast("io.RawIOBase", self._file).readinto(view) or 0
        data = view[:count]
        self._hash.update(data)
        self.size += count
        if self.size > self._limit:
            raise DigestMismatchError(f"{self._what} is larger than the {self._limit} bytes that it may have")
        if self._observe:
            self._observe(data)
        return count

    @property
    def digest(self) -> Digest:
        """Of all that was read."""
        return Digest(self._hash.hexdigest())


def gunzip(file: ObservedStream) -> IO[bytes]:
    """The content of a gzip file of any number of members (RFC 1952), checked by its checksums."""
    from isal import igzip

    return cast("IO[bytes]", igzip.IGzipFile(fileobj=file, mode="rb"))  # type: ignore[no-untyped-call]


def inflate_errors() -> type[Exception]:
    """What a file of `gunzip` raises, besides OSError and EOFError, where its content is damaged."""
    from isal import igzip_lib

    return cast("type[Exception]", igzip_lib.IsalError)
