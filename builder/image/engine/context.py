"""The folder that an engine builds from, as a stream: sorted, with plain modes, owners and times."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

from builder.errors import EnvbuildError
from builder.layers.interface import PACKAGE_MTIME
from builder.oci.layout import CHUNK


def context_stream(folder: Path) -> Iterator[bytes]:
    """A tar of `folder` in pieces. Equal folders give equal bytes, whatever wrote them.

    Raises: EnvbuildError, if a file changes meanwhile, or there is something besides files, folders and links.
    """
    for path in _sorted(folder):
        entry = _entry(path, path.relative_to(folder).as_posix())
        yield entry.tobuf(tarfile.PAX_FORMAT)
        if entry.isreg():
            yield from _content(path, entry.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _sorted(folder: Path) -> Iterator[Path]:
    for entry in sorted(os.scandir(folder), key=lambda entry: os.fsencode(entry.name)):
        yield Path(entry.path)
        if entry.is_dir(follow_symlinks=False):
            yield from _sorted(Path(entry.path))


def _entry(path: Path, name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mtime = PACKAGE_MTIME
    status = path.lstat()
    if path.is_symlink():
        entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, os.readlink(path)
    elif path.is_dir():
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    elif path.is_file():
        entry.size, entry.mode = status.st_size, 0o755 if status.st_mode & 0o100 else 0o644
    else:
        raise EnvbuildError(f"`{path}` is no file, folder or link, and cannot be sent to an engine")
    return entry


def _content(path: Path, size: int) -> Iterator[bytes]:
    left = size
    with open(path, "rb") as file:
        while left and (data := file.read(min(CHUNK, left))):
            left -= len(data)
            yield data
    if left:
        raise EnvbuildError(f"`{path}` became shorter while it was sent to the engine")
    yield bytes(-size % tarfile.BLOCKSIZE)
