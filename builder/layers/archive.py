"""A standalone interpreter as a segment of a layer: the archive of python-build-standalone, at a folder of its own.

Owns which of its files an image has, and their modes; times are constant, owners root. Runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from builder.errors import EnvbuildError
from builder.layers.decompression import Decompressor, checked, gzip, zstd
from builder.layers.interface import Directory
from builder.layers.tar_headers import FILE
from builder.layers.tar_reader import Stream, TarReader
from builder.layers.unpacked import Placed, Spool, UnpackedPackage, is_bytecode, plain_mode, reading

INTERPRETER_PREFIX = "opt/python"
"""Where a standalone interpreter is, relative to the image's root."""

_CHUNK = 1 << 17
_FULL, _INSTALL_ONLY = "python/install", "python"
"""Where the installed files are in the two forms of an archive; the full one holds what it was built of besides."""
_FORMATS: dict[bytes, Decompressor] = {b"\x1f\x8b": gzip, b"\x28\xb5\x2f\xfd": zstd}
"""By their first bytes."""


def open_archive(path: Path, interpreter: str, scratch: Path | None = None) -> UnpackedPackage:
    """Decompress the archive at `path` once; its content waits in an unlinked file in the folder `scratch`.

    `interpreter` is the path that the interpreter must have in the image.

    Raises: EnvbuildError, if it is damaged, too large, holds paths or kinds that are refused, or has no such program.
    """
    spool = Spool(scratch)
    try:
        with reading(path):
            with path.open("rb") as file:
                spool.unpack(TarReader(Stream(checked(_decompressor(file)(_chunks(file))))))
            return _package(spool, interpreter.lstrip("/"))
    except BaseException:
        spool.close()
        raise


def read_archive_files(path: Path, wanted: Callable[[str], bool], limit: int) -> dict[str, bytes]:
    """Files of the archive at `path` by their path in it, those that are `wanted` and of `limit` bytes at most.

    Raises: EnvbuildError, if it is damaged.
    """
    with reading(path), path.open("rb") as file:
        reader = TarReader(Stream(checked(_decompressor(file)(_chunks(file)))))
        return {entry.path: content for entry, content in reader.selected(wanted, limit) if entry.kind == FILE}


def _package(spool: Spool, interpreter: str) -> UnpackedPackage:
    top = _FULL if any(path.startswith(f"{_FULL}/") for path in spool.items) else _INSTALL_ONLY
    placed = {
        place: Placed.of(spool, item, plain_mode(item))
        for path, item in spool.items.items()
        if (place := _place(path, top)) and not is_bytecode(path)
    }
    folders = (place for path in spool.directories if (place := _place(path, top)) and not is_bytecode(f"{path}/"))
    if interpreter not in placed:
        raise EnvbuildError("It is not the interpreter that was locked", f"it has no `/{interpreter}`")
    return UnpackedPackage(spool, placed, {place: Directory(place) for place in folders})


def _place(path: str, top: str) -> str | None:
    """Where a path of the archive is in the image; None of what is not installed."""
    if path != top and not path.startswith(f"{top}/"):
        return None
    return INTERPRETER_PREFIX + path.removeprefix(top)


def _decompressor(file: BinaryIO) -> Decompressor:
    start = file.read(4)
    file.seek(0)
    for magic, decompressor in _FORMATS.items():
        if start.startswith(magic):
            return decompressor
    raise EnvbuildError("It is compressed in an unknown way", "a `.tar.gz` or a `.tar.zst` is expected")


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
