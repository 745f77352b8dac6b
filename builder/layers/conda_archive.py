"""Opening conda packages (CEP 35: `.conda`; before it `.tar.bz2`): everything that is in one, unpacked once.

Owns the outer form of an archive and the limits on it. What its files mean is `conda_metadata`'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from builder.errors import EnvbuildError
from builder.layers.decompression import bzip2, checked, zstd
from builder.layers.tar_headers import FILE
from builder.layers.tar_reader import Stream, TarEntry, TarReader
from builder.layers.unpacked import Spool
from builder.layers.zip_reader import ZipReader

_CHUNK = 1 << 17
_ZIP, _BZIP2 = b"PK\x03\x04", b"BZh"
_MEMBER = re.compile(r"(info|pkg)-[^/]+\.tar\.zst")


def unpack_conda(path: Path, spool: Spool) -> None:
    """Everything in the package at `path`, its metadata below `info/`.

    Raises: EnvbuildError, if it is damaged, too large, or holds paths or kinds that are refused.
    """
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(_ZIP):
        _unpack_zip(path, spool)
    elif start.startswith(_BZIP2):
        spool.unpack(_reader(bzip2(_chunks(path))))
    else:
        raise EnvbuildError("It is not a conda package", "it is neither a zip nor compressed with bzip2")


def read_info_files(path: Path, wanted: Callable[[str], bool], limit: int) -> dict[str, bytes]:
    """Files of the metadata of the package at `path` by their path, those that are `wanted` and of `limit` bytes.

    Raises: EnvbuildError, if it is damaged.
    """
    with path.open("rb") as file:
        is_zip = file.read(4).startswith(_ZIP)
    if not is_zip:
        return _contents(_reader(bzip2(_chunks(path))).selected(wanted, limit))
    with ZipReader(path) as archive:
        parts = [entry for entry in archive.read_entries() if entry.path.startswith("info-")]
        if len(parts) != 1:
            raise EnvbuildError("It is not a conda package", f"it has {len(parts)} parts `info-….tar.zst`")
        return _contents(_reader(zstd(archive.content(parts[0]))).selected(wanted, limit))


def _contents(selected: Iterable[tuple[TarEntry, bytes]]) -> dict[str, bytes]:
    return {entry.path: content for entry, content in selected if entry.kind == FILE}


def _unpack_zip(path: Path, spool: Spool) -> None:
    with ZipReader(path) as archive:
        members: dict[str, list[Iterator[bytes]]] = {"info": [], "pkg": []}
        for entry in archive.read_entries():
            match = _MEMBER.fullmatch(entry.path)
            if match:
                members[match[1]].append(archive.content(entry))
        for name, found in members.items():
            if len(found) != 1:
                raise EnvbuildError(
                    "It is not a conda package", f"it has {len(found)} parts `{name}-….tar.zst`, where one is expected"
                )
            spool.unpack(_reader(zstd(found[0])))


def _reader(content: Iterator[bytes]) -> TarReader:
    return TarReader(Stream(checked(content)))


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk
