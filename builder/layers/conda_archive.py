"""Opening conda packages (CEP 35: `.conda`; before it `.tar.bz2`): everything that is in one, unpacked once.

Owns the outer form of an archive and the limits on it. What its files mean is `conda_metadata`'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from builder.errors import EnvbuildError
from builder.layers.decompression import bzip2, checked, zstd
from builder.layers.tar_reader import Stream, TarReader
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
