"""A strict, streaming reader of `.deb` files (deb(5)): the outer ar archive and the decompression of its two parts.

Owns which members a deb may have and how they are decompressed, within bounded memory. What the tar streams inside
say is read by `deb_tar`.
"""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

from builder.errors import EnvbuildError
from builder.layers.deb_tar import Stream, TarReader
from builder.layers.tar_headers import FILE

_CHUNK = 1 << 17
_MAGIC = b"!<arch>\n"
_LARGEST_DICTIONARY = 96 << 20
"""Bytes that a decompressor may use: xz -9 wants 65 MiB."""
_LARGEST_CONTROL = 64 << 20


class DebArchive:
    """A `.deb`, read forward once: first `control`, then `data`."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._end = size

    def control(self) -> dict[str, bytes]:
        """The files of the control part by name, scripts among them.

        Raises: EnvbuildError, if the deb is not well-formed or its control part is too large.
        """
        if self._file.read(len(_MAGIC)) != _MAGIC:
            raise EnvbuildError("It is not a Debian package", "its first bytes are not those of an ar archive")
        name, size = self._member()
        if name != "debian-binary" or size > 64 or not self._read(size).startswith(b"2."):
            raise EnvbuildError("It is not a Debian package of format 2")
        self._skip_padding(size)
        name, size = self._member()
        files: dict[str, bytes] = {}
        reader = self._open("control.tar", name, size)
        for entry in reader.entries():
            if entry.size + sum(map(len, files.values())) > _LARGEST_CONTROL:
                raise EnvbuildError("Its control part is too large")
            if entry.kind == FILE:
                if "/" in entry.path or entry.path in files:
                    raise EnvbuildError("Its control part is not well-formed", f"`{entry.path}`")
                files[entry.path] = b"".join(reader.content(entry))
        self._skip_padding(size)
        return files

    def data(self) -> TarReader:
        """The reader of the files that the package installs.

        Raises: EnvbuildError, if there is no data part.
        """
        name, size = self._member()
        while name.startswith("_"):
            self._file.seek(size, 1)
            self._skip_padding(size)
            name, size = self._member()
        return self._open("data.tar", name, size)

    def _open(self, stem: str, name: str, size: int) -> TarReader:
        decompress = _DECOMPRESSORS.get(name.removeprefix(stem)) if name.startswith(stem) else None
        if decompress is None:
            raise EnvbuildError(
                f"`{stem}` is missing or compressed in an unknown way", f"its place is taken by `{name}`"
            )
        return TarReader(Stream(_checked(decompress(self._chunks(size)))))

    def _member(self) -> tuple[str, int]:
        header = self._read(60)
        digits = header[48:58].strip()
        if header[58:] != b"`\n" or not digits.isdigit():
            raise EnvbuildError("Its ar archive is damaged")
        size = int(digits)
        if self._file.tell() + size > self._end:
            raise EnvbuildError("Its ar archive is cut off", f"a member of {size} bytes does not fit")
        return header[:16].decode("ascii", "replace").strip().removesuffix("/"), size

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise EnvbuildError("Its ar archive is cut off")
        return data

    def _skip_padding(self, size: int) -> None:
        self._file.seek(size % 2, 1)

    def _chunks(self, size: int) -> Iterator[bytes]:
        while size:
            chunk = self._read(min(_CHUNK, size))
            size -= len(chunk)
            yield chunk


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Say in errors which package they are about."""
    try:
        yield
    except EnvbuildError as error:
        raise EnvbuildError(f"The package `{path}` cannot be used", (error.what, *error.why), error.hint) from error


def _checked(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except (lzma.LZMAError, zlib.error) as error:
        raise EnvbuildError("Its content cannot be decompressed", str(error)) from error


def _plain(chunks: Iterator[bytes]) -> Iterator[bytes]:
    return chunks


def _xz(chunks: Iterator[bytes]) -> Iterator[bytes]:
    yield from _decompressed(chunks, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LARGEST_DICTIONARY))


def _gzip(chunks: Iterator[bytes]) -> Iterator[bytes]:
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


def _zstd(chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        import zstandard
    except ImportError as error:
        raise EnvbuildError(
            "Its content is compressed with zstd, which needs the Python package `zstandard`",
            str(error),
            "Install it: pip install zstandard",
        ) from error
    source = cast("BinaryIO", _Reader(chunks))
    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_DICTIONARY).stream_reader(
        source, read_across_frames=True
    )
    try:
        while chunk := reader.read(_CHUNK):
            yield chunk
    except zstandard.ZstdError as error:
        raise EnvbuildError("Its content cannot be decompressed", str(error)) from error


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


_DECOMPRESSORS: dict[str, Callable[[Iterator[bytes]], Iterator[bytes]]] = {
    "": _plain,
    ".gz": _gzip,
    ".xz": _xz,
    ".zst": _zstd,
}
