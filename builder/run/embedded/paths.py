"""Paths of an image, followed as if its root were the root, from outside it."""

from __future__ import annotations

import os
from pathlib import Path

from builder.errors import EnvbuildError

_LINKS = 40


def resolve(root: Path, path: str) -> Path:
    """Where `path` of the file system at `root` lies; symbolic links are followed, and none leads out.

    What does not exist is taken as it is. Nothing else may change the file system meanwhile.

    Raises: EnvbuildError, if links go in a circle.
    """
    todo = _parts(path)
    done: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part == "..":
            del done[-1:]
            continue
        place = root.joinpath(*done, part)
        if not place.is_symlink():
            done.append(part)
            continue
        links += 1
        if links > _LINKS:
            raise EnvbuildError(f"`{path}` of the image is a circle of symbolic links")
        target = os.readlink(place)
        if target.startswith("/"):
            done = []
        todo += _parts(target)
    return root.joinpath(*done)


def make_mount_point(root: Path, path: str, folder: bool) -> Path:
    """A folder or an empty file at `path`, to mount something on; parents are made.

    Raises: EnvbuildError, if another kind of thing stands there, or it cannot be made.
    """
    place = resolve(root, path)
    try:
        if folder:
            place.mkdir(mode=0o755, parents=True, exist_ok=True)
        elif not place.exists():
            place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            place.touch(mode=0o644)
        elif place.is_dir():
            raise IsADirectoryError("it is a folder in the image, and a file on the host")
    except OSError as error:
        raise EnvbuildError(f"nothing can be mounted at `{path}`", str(error)) from error
    return place


def _parts(path: str) -> list[str]:
    """The parts of a path, last one first."""
    return [part for part in reversed(path.split("/")) if part not in ("", ".")]
