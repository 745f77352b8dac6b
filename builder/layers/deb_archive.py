"""A strict, streaming reader of `.deb` files (deb(5)): the outer ar archive and the decompression of its two parts.

Owns which members a deb may have and how they are decompressed, within bounded memory. What the tar streams inside
say is read by `tar_reader`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from builder.errors import EnvbuildError
from builder.layers.decompression import Decompressor, checked, gzip, plain, xz, zstd
from builder.layers.tar_headers import FILE
from builder.layers.tar_reader import Stream, TarReader

_CHUNK = 1 << 17
_MAGIC = b"!<arch>\n"
_LARGEST_CONTROL = 64 << 20
_DECOMPRESSORS: dict[str, Decompressor] = {"": plain, ".gz": gzip, ".xz": xz, ".zst": zstd}


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
        return TarReader(Stream(checked(decompress(self._chunks(size)))))

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
