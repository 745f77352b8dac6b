"""What inputs and outputs hold now: files and folders of the project by digest, data as they are locked.

What was hashed is remembered (`lock/data/hashing.py`); each path is looked at once.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Found, Hasher, shown, walk
from builder.lock.data.local import check_inside
from builder.oci.sourced import identity_of
from builder.pipeline.graph import parents
from builder.pipeline.stage import Port


class Contents:
    """Answers what is at a path of the project, or behind a name of data."""

    def __init__(self, folder: Path, hasher: Hasher, data: Mapping[str, DataEntry]) -> None:
        """`folder` is the project's; `data` are the entries of data that stages read."""
        self._folder = folder
        self._hasher = hasher
        self._data = data
        self._known: dict[str, Content | None] = {}

    def of(self, port: Port) -> Content | None:
        """What a port holds, None where nothing is there.

        Raises: EnvbuildError, if it cannot be read, changes meanwhile, or a link in it leads out.
        """
        return content_of_data(self._data[port.path]) if port.source == "data" else self.at(port.path)

    def at(self, path: str) -> Content | None:
        """What is at a path of the project. Raises: as `of`."""
        if path not in self._known:
            above = (self._known[folder] for folder in parents(path) if self._known.get(folder))
            parent = next(above, None)
            self._known[path] = (part_of(parent, self._below(path), path) if parent else None) or self._read(path)
        return self._known[path]

    def note(self, path: str, content: Content | None) -> None:
        """Take it that a path holds this now: an output that was just written or restored."""
        for known in [known for known in self._known if known.startswith(f"{path}/") or f"{path}/".startswith(known)]:
            del self._known[known]
        self._known[path] = content

    def _below(self, path: str) -> str:
        folder = next(folder for folder in parents(path) if self._known.get(folder))
        return path[len(folder) + 1 :]

    def _read(self, path: str) -> Content | None:
        place = self._folder / path
        try:
            status = os.stat(place)
        except OSError as error:
            if os.path.islink(place):
                raise EnvbuildError(f"`{shown(place)}` is a link that leads nowhere", hint="Remove it") from error
            return None
        check_inside(place, self._folder)
        if stat.S_ISDIR(status.st_mode):
            files, _ = self._hasher.hash(place, walk(place), shown(place))
            return Content.of_folder([(file.path, file.digest.hex, file.size) for file in files])
        if not stat.S_ISREG(status.st_mode):
            raise EnvbuildError(f"`{shown(place)}` is no regular file", hint="Only files and folders are data")
        ((file,), _) = self._hasher.hash(place, [Found("", identity_of(status))], shown(place))
        return Content.of_file(os.path.basename(path), file.digest.hex, file.size)


def content_of_data(entry: DataEntry) -> Content:
    """What locked data are; the size is 0 where only a digest is promised."""
    if entry.kind == "file":
        return Content("file", entry.digest.hex, entry.size or 0)
    return Content.of_folder([(file.path, file.digest.hex, file.size) for file in entry.files])


def part_of(content: Content | None, below: str, path: str) -> Content | None:
    """The file at a path below a folder; None where the folder's files are not listed, or it is no file of them."""
    for name, sha256, size in (content.files or ()) if content else ():
        if name == below:
            return Content.of_file(os.path.basename(path), sha256, size)
    return None
