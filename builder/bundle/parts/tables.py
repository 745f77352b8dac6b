"""Files of data that are tables, under names that say what they are: the store calls files by their digests."""

from __future__ import annotations

import os
import posixpath
import shutil
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from builder.errors import EnvbuildError
from builder.layers.files import FileEntry, Kind
from builder.lock.data.entry import DataEntry


def file_names(entry: DataEntry) -> tuple[str, ...]:
    """What the files of data are called where they come from: their endings say what they are."""
    if entry.kind != "file":
        return tuple(file.path for file in entry.files)
    path = entry.pointer.path if entry.pointer else urlsplit(entry.url).path if "://" in entry.url else entry.url
    return (posixpath.basename(path),)


def named_files(entry: DataEntry, files: Sequence[FileEntry], folder: Path) -> list[Path]:
    """The files of a table under names that tell what they are; those that have none get one below `folder`.

    Raises: EnvbuildError, if there are none.
    """
    result: list[Path] = []
    for name, file in zip(file_names(entry), files, strict=False):
        if file.kind is not Kind.FILE or file.source is None or posixpath.basename(name).startswith(("_", ".")):
            continue
        result.append(named_file(file.source, name, folder / str(len(result))))
    if not result:
        raise EnvbuildError("there is no file in it")
    return result


def named_file(source: Path, name: str, folder: Path) -> Path:
    """A file whose name ends as `name` does: itself, or a link below `folder`."""
    if source.suffixes == PurePosixPath(name).suffixes:
        return source
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / posixpath.basename(name)[-200:]
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without links
        shutil.copyfile(source, target)
    return target
