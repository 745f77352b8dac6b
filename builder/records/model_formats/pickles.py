"""Pickles, and archives and streams of them (torch, joblib): told by names and first bytes, and never loaded."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from typing import IO, TYPE_CHECKING

from builder.records.model_formats.interface import MalformedError, Told

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

LEGACY_TORCH = bytes.fromhex("8a0a6cfc9c46f9206aa85019")
"""What torch.save pickled first before it wrote archives: its magic number."""
ZIP = b"PK\x03\x04"
_LARGEST_READ = 4 << 20
"""Bytes that are read at once at most, and so of an archive's list of files."""
_LATEST_PROTOCOL = 5
_START = 64


def protocol(start: bytes) -> int | None:
    """The protocol of a pickle that begins with `start`; None where it does not tell (0 and 1 have no such byte)."""
    return start[1] if len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= _LATEST_PROTOCOL else None


def is_legacy_torch(start: bytes) -> bool:
    """Whether `torch.save` wrote it before 1.6."""
    return protocol(start) is not None and start[2 : 2 + len(LEGACY_TORCH)] == LEGACY_TORCH


def unpacked_start(start: bytes) -> tuple[bytes, str]:
    """The first bytes of what a compressed file holds, and how it is compressed; `start` itself where it is not."""
    if start[:1] == b"\x78" and len(start) > 1 and int.from_bytes(start[:2], "big") % 31 == 0:
        how, window = "zlib", zlib.MAX_WBITS
    elif start[:2] == b"\x1f\x8b":
        how, window = "gzip", zlib.MAX_WBITS | 16
    else:
        return start, ""
    try:
        return zlib.decompressobj(window).decompress(start, _START), how
    except zlib.error:
        return start, ""


def read_pickle(start: bytes, compression: str) -> Told:
    """What the first bytes of a pickle tell. Raises: MalformedError, if they are of none."""
    number = protocol(start)
    if number is None and start[:1] not in (b"(", b"c", b"]", b"}"):
        raise MalformedError("it does not begin as a pickle does")
    details = {"protocol": number if number is not None else "0 or 1"}
    return Told(details={**details, **({"compression": compression} if compression else {})})


def read_torch(file: IO[bytes], size: int) -> Told | None:
    """What the list of files of a zip of torch tells; None where it is another zip. Raises: MalformedError."""
    try:
        with zipfile.ZipFile(_Careful(file, size)) as archive:
            entries = [(entry.filename, entry.file_size) for entry in archive.infolist()]
    except (zipfile.BadZipFile, struct.error, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise MalformedError(f"it is no zip that can be read: {error}") from error
    top = next((name.removesuffix("data.pkl") for name, _ in entries if name.endswith("/data.pkl")), None)
    if top is None or top.count("/") != 1:
        return None
    sizes = [length for name, length in entries if name.startswith(f"{top}data/")]
    if sum(sizes) > size:  # torch stores tensors, and never compresses them
        raise MalformedError("its tensors are larger than the file")
    scripted = any(name.startswith(f"{top}code/") for name, _ in entries)
    return Told(details={"tensors": len(sizes), "bytes of tensors": sum(sizes), "torchscript": scripted})


class _Careful(io.RawIOBase):
    """A file for zipfile, which would read a list of files of any size at once."""

    def __init__(self, file: IO[bytes], size: int) -> None:
        super().__init__()
        self._file = file
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if position < 0:
            raise OSError("a place before the start is named")
        self._position = position
        return position

    def read(self, count: int = -1) -> bytes:
        count = max(0, min(count, self._size - self._position) if count >= 0 else self._size - self._position)
        if count > _LARGEST_READ:
            raise MalformedError(f"its list of files would have {count} bytes")
        self._file.seek(self._position)
        data = self._file.read(count)
        self._position += len(data)
        return data

    def readinto(self, buffer: WriteableBuffer) -> int:
        raise NotImplementedError
