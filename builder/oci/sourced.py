"""Blobs that are described and not written: what they consist of lies in files of this machine and is read from there.

A model's weights are hashed where they are and go straight into an archive or a registry; no second copy is kept. A
file that changed since it was described is noticed, by its identity, before and after it is read; and a blob's digest
is checked by whoever reads it to its end, as any blob's is.
"""

from __future__ import annotations

import base64
import bisect
import io
import itertools
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, cast

from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


_IDENTITY = 5
"""Numbers of a file's identity."""


def identity_of(status: os.stat_result) -> tuple[int, ...]:
    """What tells a file from another and from itself after a change: device, inode, size, times in nanoseconds."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


@dataclass(frozen=True, slots=True)
class Part:
    """A run of bytes of a blob: `data`, or all of a file."""

    data: bytes = b""
    source: Path | None = None
    """A file; `data` is not used then."""
    identity: tuple[int, ...] = ()
    """Of `source`, as `identity_of` gives it."""

    @classmethod
    def of_file(cls, source: Path) -> Part:
        """All of a regular file, as it is now. Raises: EnvbuildError, if there is none."""
        try:
            status = source.stat()
        except OSError as error:
            raise EnvbuildError(f"`{source}` cannot be read", error.strerror or str(error)) from error
        if not stat.S_ISREG(status.st_mode):
            raise EnvbuildError(f"`{source}` is not a regular file")
        return cls(source=Path(os.path.abspath(source)), identity=identity_of(status))

    @property
    def size(self) -> int:
        """In bytes."""
        return self.identity[2] if self.source else len(self.data)

    def is_current(self) -> bool:
        """Whether the file is still the same."""
        try:
            return self.source is None or identity_of(self.source.stat()) == self.identity
        except OSError:
            return False

    def to_value(self) -> list[Any]:
        """As JSON data; a path may have any bytes."""
        if self.source is None:
            return [base64.b64encode(self.data).decode()]
        return [os.fsencode(self.source).hex(), *self.identity]

    @classmethod
    def from_value(cls, value: Any) -> Part:
        """From JSON data. Raises: ValueError, TypeError, if they are of another form."""
        first, *identity = value
        if not identity:
            return cls(base64.b64decode(first))
        if len(identity) != _IDENTITY or not all(type(one) is int for one in identity):
            raise ValueError("no identity of a file")
        return cls(source=Path(os.fsdecode(bytes.fromhex(first))), identity=tuple(identity))


@dataclass(frozen=True, slots=True)
class Sourced:
    """What a blob consists of, in order."""

    parts: tuple[Part, ...]

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Self:
        """Of parts; what is in memory is joined."""
        joined: list[Part] = []
        for part in parts:
            if part.source is None and joined and joined[-1].source is None:
                joined[-1] = Part(joined[-1].data + part.data)
            else:
                joined.append(part)
        return cls(tuple(joined))

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(part.size for part in self.parts)

    def is_current(self) -> bool:
        """Whether all of its files are still the same."""
        return all(part.is_current() for part in self.parts)

    def open(self) -> IO[bytes]:
        """The blob as an unbuffered file that can seek. Reading raises EnvbuildError where a file has changed."""
        return cast("IO[bytes]", _Stream(self.parts))

    def to_value(self) -> Any:
        """As JSON data."""
        return {"parts": [part.to_value() for part in self.parts]}

    @classmethod
    def from_value(cls, value: Any) -> Self | None:
        """From JSON data; None of what is of another form."""
        try:
            return cls(tuple(Part.from_value(part) for part in value["parts"]))
        except (ValueError, TypeError, KeyError):
            return None


class _Stream(io.RawIOBase):
    """The parts, one behind the other."""

    def __init__(self, parts: tuple[Part, ...]) -> None:
        super().__init__()
        self._parts = parts
        self._ends = list(itertools.accumulate(part.size for part in parts))
        self._position = 0
        self._file: IO[bytes] | None = None
        self._number = -1
        """Of the part whose file is open."""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        size = self._ends[-1] if self._ends else 0
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: size}[whence]
        self._leave()
        self._position = min(max(start + offset, 0), size)
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        number = bisect.bisect_right(self._ends, self._position)
        if number == len(self._parts):
            self._leave()
            return 0
        part = self._parts[number]
        at = self._position - (self._ends[number] - part.size)
        count = self._read_file(number, at, view) if part.source else _copy(part.data, at, view)
        self._position += count
        return count

    def _read_file(self, number: int, at: int, view: memoryview) -> int:
        part = self._parts[number]
        if self._number != number:
            self._enter(number)
            cast("IO[bytes]", self._file).seek(at)
        count = cast("io.RawIOBase", self._file).readinto(view[: part.size - at]) or 0
        if not count:
            raise _changed(part)
        if at + count == part.size:
            self._leave()
        return count

    def _enter(self, number: int) -> None:
        """Open the file of a part, if it is still the one."""
        self._leave()
        part = self._parts[number]
        try:
            self._file = open(cast("Path", part.source), "rb", buffering=0)  # noqa: SIM115 - closed by _leave()
        except OSError as error:
            raise _changed(part, error.strerror or str(error)) from error
        self._number = number
        self._check()

    def _leave(self) -> None:
        """Close the file of a part, after it was read; it must not have changed meanwhile."""
        if self._file is not None:
            try:
                self._check()
            finally:
                self._file.close()
                self._file, self._number = None, -1

    def _check(self) -> None:
        part = self._parts[self._number]
        if identity_of(os.fstat(cast("IO[bytes]", self._file).fileno())) != part.identity:
            raise _changed(part)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


def _copy(data: bytes, at: int, view: memoryview) -> int:
    piece = memoryview(data)[at : at + len(view)]
    view[: len(piece)] = piece
    return len(piece)


def _changed(part: Part, why: str = "it is another file now, or it was written to") -> EnvbuildError:
    return EnvbuildError(
        f"`{part.source}` changed since it was packed", why, "Run the command again when nothing writes to it"
    )
