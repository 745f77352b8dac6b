"""Keeping what a stage or a command wrote: hashed where it is, then renamed into the store, or copied there."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.kept.place import READ_ONLY, Kept, seal
from builder.lock.data.hashing import Found, Hasher, shown, walk
from builder.oci.digest import Digest
from builder.oci.sourced import identity_of
from builder.oci.store import Store
from builder.progress import Progress, Silent


def keep(store: Store, path: Path, *, move: bool = True, progress: Progress | None = None) -> Content:
    """Keep a file or a folder, as `keep_all` does."""
    return keep_all(store, path.parent, [path.name], move=move, progress=progress)[path.name]


def keep_all(
    store: Store, root: Path, paths: Sequence[str], *, move: bool = True, progress: Progress | None = None
) -> Mapping[str, Content]:
    """Keep files and folders below `root`, which whoever wrote them may have filled with anything; what each holds.

    What is moved is gone from `root` afterwards, or as good as gone: it is read-only. Without `move` it stays as it
    is. A link to a file inside of `root` (of a folder: inside of that) is kept as the file; folders that are empty are
    not kept. Ended at any time, it leaves whole files in the store, and what was not moved where it was.

    Raises: EnvbuildError, if one is missing, a link leads out, something is no file, or the disk is full.
    """
    kept = Kept.of(store)
    outputs = [_look(root, path) for path in paths]
    hasher = Hasher(store, time.time_ns, progress or Silent(), remembers=not move)
    contents = {output.path: output.hashed(hasher) for output in outputs}
    executable = {output.path: output.executable() for output in outputs}
    links = []
    for output in outputs:
        content = contents[output.path]
        for file, digest in zip(output.files, _digests(content), strict=True):
            if os.path.islink(output.at(file)):
                links.append((output.at(file), digest, file))
            else:
                _keep_file(kept, output.at(file), digest, file, move=move)
        kept.keep_executable(content, executable[output.path])
        kept.keep_list(content)
    for place, digest, file in links:  # when what they lead to is kept: a link is no file that could be moved
        _keep_file(kept, place, digest, file, move=False)
    return contents


@dataclass(frozen=True, slots=True)
class _Output:
    path: str
    place: Path
    is_folder: bool
    files: tuple[Found, ...]
    """In the order in which a list has them."""

    def at(self, file: Found) -> Path:
        return self.place / file.path if self.is_folder else self.place

    def executable(self) -> list[str]:
        return [file.path for file in self.files if self.at(file).stat().st_mode & stat.S_IXUSR]

    def hashed(self, hasher: Hasher) -> Content:
        locked, _ = hasher.hash(self.place, self.files, f"hashing {self.path}")
        if not self.is_folder:
            return Content.of_file(os.path.basename(self.path), locked[0].digest.hex, locked[0].size)
        return Content.of_folder([(file.path, file.digest.hex, file.size) for file in locked])


def _digests(content: Content) -> list[Digest]:
    return [Digest(row[1]) for row in content.files or ()]


def _look(root: Path, path: str) -> _Output:
    place = root / path
    try:
        status = place.stat()
    except OSError as error:
        if place.is_symlink():
            raise EnvbuildError(f"the output `{path}` is a link that leads nowhere", hint="Write a file") from error
        raise EnvbuildError(f"the output `{path}` was not written", error.strerror or str(error)) from error
    _check_inside(root, path, is_folder=stat.S_ISDIR(status.st_mode))
    if stat.S_ISDIR(status.st_mode):
        files = sorted(walk(place), key=lambda file: file.path.encode())
        return _Output(path, place, True, tuple(files))
    if not stat.S_ISREG(status.st_mode):
        raise EnvbuildError(f"the output `{path}` is no regular file", hint="Only files and folders are kept")
    return _Output(path, place, False, (Found("", identity_of(status)),))


def _check_inside(root: Path, path: str, *, is_folder: bool) -> None:
    """Refuse a link out, on the way or at the end, and one to a folder: it would be kept twice."""
    real = (root / path).resolve()
    plain = root.resolve() / path
    if real == plain:
        return
    if is_folder or not real.is_relative_to(root.resolve()):
        why = "it is, or is behind, a link that leads out of what the stage may write, or to another folder"
        raise EnvbuildError(f"the output `{path}` is not kept", why, "Write the files themselves there")


def _keep_file(kept: Kept, place: Path, digest: Digest, file: Found, *, move: bool) -> None:
    if kept.has(digest, file.size) or (move and _moved(kept, place, digest)):
        return
    try:
        with open(place, "rb", buffering=0) as source:
            kept.take(source, digest, file.size)
    except OSError as error:
        raise EnvbuildError(f"`{shown(place)}` cannot be kept", error.strerror or str(error)) from error


def _moved(kept: Kept, place: Path, digest: Digest) -> bool:
    """Whether a file could be renamed into the store: not of another file system, nor one of another user."""
    with suppress(OSError):
        os.chmod(place, READ_ONLY)
        seal(place, digest.hex)
        os.rename(place, kept.path(digest))
        return True
    return False
