"""What inputs and outputs hold now: files and folders of the project by digest, data as they are locked.

What was hashed is remembered: single files of the project together (`lock/data/hashing.py`), folders by how they look
(`folders.py`). Each path is looked at once.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Found, Hasher, shown, walk
from builder.oci.sourced import identity_of
from builder.pipeline.folders import SeenFolders, look_at
from builder.pipeline.graph import parents
from builder.pipeline.stage import Port


class Contents:
    """Answers what is at a path of the project, or behind a name of data."""

    def __init__(self, folder: Path, hasher: Hasher, data: Mapping[str, DataEntry]) -> None:
        """`folder` is the project's; `data` are the entries of data that stages read."""
        self._folder = folder
        self._hasher = hasher
        self._data = data
        self._inside = Inside(folder)
        self._seen = SeenFolders(folder, hasher.store, hasher.now)
        self._known: dict[str, Content | None] = {}

    def of(self, port: Port) -> Content | None:
        """What a port holds, None where nothing is there. Files of folders are not always listed; see `in_full`.

        Raises: EnvbuildError, if it cannot be read, changes meanwhile, or a link in it leads out.
        """
        return content_of_data(self._data[port.path]) if port.source == "data" else self.at(port.path)

    def at(self, path: str) -> Content | None:
        """What is at a path of the project. Raises: as `of`."""
        if path not in self._known:
            self._known[path] = part_of(self._known, path) or self._read(path)
        return self._known[path]

    def in_full(self, port: Port) -> Content | None:
        """What a port holds, with the list of its files. Raises: as `of`."""
        content = self.of(port)
        if content is None or content.files is not None or content.kind == "file":
            return content
        self._known[port.path] = self._folder_content(self._folder / port.path)
        return self._known[port.path]

    def remember(self) -> None:
        """Keep what was found of folders, so that those that do not change are not read again."""
        self._seen.remember()

    def note(self, path: str, content: Content | None) -> None:
        """Take it that a path holds this now: an output that was just written or restored."""
        outdated = [
            known for known in self._known if known.startswith(f"{path}/") or f"{path}/".startswith(f"{known}/")
        ]
        for known in outdated:
            del self._known[known]
        self._known[path] = content

    def hash_files(self, paths: Iterable[str]) -> dict[str, str]:
        """The hexadecimal SHA-256 of those of the paths that are files, hashed together.

        Raises: EnvbuildError, if one cannot be read, changes meanwhile, or is a link that leads out of the project.
        """
        files = found_files(self._folder, paths, self._inside)
        hashed, _ = self._hasher.hash(self._folder, files, shown(self._folder))
        for file in hashed:
            self._known[file.path] = Content.of_file(os.path.basename(file.path), file.digest.hex, file.size)
        return {file.path: file.digest.hex for file in hashed}

    def _read(self, path: str) -> Content | None:
        place = self._folder / path
        try:
            status = os.stat(place)
        except OSError as error:
            if os.path.islink(place):
                raise EnvbuildError(f"`{shown(place)}` is a link that leads nowhere", hint="Remove it") from error
            return None
        self._inside.check(path)
        if stat.S_ISDIR(status.st_mode):
            return self._seen_content(path, place)
        if not stat.S_ISREG(status.st_mode):
            raise EnvbuildError(f"`{shown(place)}` is no regular file", hint="Only files and folders are taken")
        ((file,), _) = self._hasher.hash(place, [Found("", identity_of(status))], shown(place))
        return Content.of_file(os.path.basename(path), file.digest.hex, file.size)

    def _seen_content(self, path: str, place: Path) -> Content:
        look = look_at(place)
        content = self._seen.recall(path, look) if look else None
        if content is None:
            content = self._folder_content(place)
            if look and look == look_at(place):
                self._seen.take(path, look, content)
        return content

    def _folder_content(self, place: Path) -> Content:
        files, _ = self._hasher.hash(place, walk(place), shown(place))
        return Content.of_folder([(file.path, file.digest.hex, file.size) for file in files])


class Inside:
    """Refuses paths that links lead out of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = os.fspath(folder)
        self._real = os.path.realpath(folder)
        self._checked: dict[str, bool] = {}

    def check(self, path: str) -> None:
        """Raises: EnvbuildError, if the path below the folder leads out of it."""
        place = os.path.join(self._folder, path)
        above = os.path.dirname(place)
        if above not in self._checked:
            self._checked[above] = self._holds(above)
        if not self._checked[above] or (os.path.islink(place) and not self._holds(place)):
            raise EnvbuildError(
                f"`{shown(Path(place))}` is a link that leads out of `{shown(Path(self._folder))}`",
                hint="Put the files themselves there",
            )

    def _holds(self, place: str) -> bool:
        real = os.path.realpath(place)
        return real == self._real or real.startswith(f"{self._real.rstrip('/')}/")


def found_files(folder: Path, paths: Iterable[str], inside: Inside) -> list[Found]:
    """Those of the paths below a folder that are files.

    Raises: EnvbuildError, if one is a link that leads out of it.
    """
    found = []
    for path in sorted(set(paths)):
        try:
            status = os.stat(folder / path)
        except OSError:
            continue
        if stat.S_ISREG(status.st_mode):
            inside.check(path)
            found.append(Found(path, identity_of(status)))
    return found


def content_of_data(entry: DataEntry) -> Content:
    """What locked data are; the size is 0 where only a digest is promised."""
    if entry.kind == "file":
        return Content("file", entry.digest.hex, entry.size or 0)
    return Content.of_folder([(file.path, file.digest.hex, file.size) for file in entry.files])


def part_of(known: Mapping[str, Content | None], path: str) -> Content | None:
    """What is at a path: one of the `known`, or a file that a folder above it lists; None where none does."""
    if path in known:
        return known[path]
    for folder in parents(path):
        content = known.get(folder)
        for name, sha256, size in (content.files or ()) if content else ():
            if name == path[len(folder) + 1 :]:
                return Content.of_file(os.path.basename(path), sha256, size)
    return None
