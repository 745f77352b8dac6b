"""Where an environment is put into a base: the folders that it needs there, and whether they are free. Pure."""

from __future__ import annotations

from typing import Any, TypeAlias

from builder.errors import EnvbuildError
from builder.lock.base_image.pinned import BaseImage, Folder
from builder.oci.tar_entries import Entry

ENVIRONMENT, INTERPRETER = "opt/env", "opt/python"
FOLDERS = ("app", "bundle", "data", "model", "opt", ENVIRONMENT, INTERPRETER, "out")
"""What layers on a base name, relative to the root. Sorted."""

_WRITTEN = frozenset({"data", "out"})
"""Those that an environment gives a mode of its own: everybody may write to them."""
_ANYBODY = 0o005
"""The mode that lets every user see what is in a folder."""
_NODES_LIMIT = 1000
"""What is kept of a layer of each sort, besides what it says of FOLDERS themselves."""
_AGAIN = "Lock again with `envbuild lock --upgrade`"

_Node: TypeAlias = "Folder | str"
"""A directory, or in words what is there instead."""


class LayerRoom:
    """What one layer says of FOLDERS, and of what is in them."""

    def __init__(self) -> None:
        self.nodes: dict[str, _Node] = {}
        self.implied: set[str] = set()
        """Directories that the layer needs and does not name."""
        self.gone: set[str] = set()
        """Paths of which nothing of lower layers is left."""
        self.emptied: set[str] = set()
        """Directories in which nothing of lower layers is left."""

    def see(self, parts: tuple[str, ...], entry: Entry) -> None:
        """Take in an entry."""
        for depth in range(1, min(len(parts), 4)):
            _note(self.implied, parts[:depth])
        if _is_kept(parts, len(self.nodes)):
            path = "/".join(parts)
            self.nodes[path] = Folder(path, entry.mode, entry.uid, entry.gid) if entry.kind == b"5" else _what(entry)

    def white_out(self, parts: tuple[str, ...]) -> None:
        """What lower layers have there is gone."""
        _note(self.gone, parts)

    def empty(self, parts: tuple[str, ...]) -> None:
        """What lower layers have in this directory is gone."""
        _note(self.emptied, parts)


class Room:
    """What layers leave of all that; they are added from the lowest."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}

    def add_layer(self, layer: LayerRoom) -> None:
        """Put a layer above those before."""
        cleared = layer.gone | layer.emptied | {path for path, node in layer.nodes.items() if isinstance(node, str)}
        self._nodes = {
            path: node
            for path, node in self._nodes.items()
            if path not in layer.gone and cleared.isdisjoint(_parents(path))
        }
        self._nodes |= layer.nodes
        for path in layer.implied:
            self._nodes.setdefault(path, Folder(path))

    def to_value(self) -> list[Any]:
        """What is at FOLDERS, as JSON data: folders as the lock has them, and of others path and kind."""
        filled = {path.rpartition("/")[0] for path in self._nodes}
        found = [(path, self._nodes[path]) for path in FOLDERS if path in self._nodes]
        return [
            [path, node]
            if isinstance(node, str)
            else Folder(path, node.mode, node.uid, node.gid, filled=path in filled).to_dict()
            for path, node in found
        ]


def folders_of(value: Any, reference: str) -> tuple[Folder, ...]:
    """The folders that a value of `Room.to_value` tells of, sorted.

    Raises: EnvbuildError, if something else is in the place of one; KeyError, TypeError, ValueError, if it is none.
    """
    others = [(str(entry[0]), str(entry[1])) for entry in value if isinstance(entry, list)]
    if others:
        raise _taken(reference, [f"`/{path}` is {what}, where an environment has a folder" for path, what in others])
    return tuple(sorted(map(Folder.from_dict, value)))


def check_room(image: BaseImage, *, standalone: bool) -> None:
    """Refuse a base in which something is where an environment goes; `standalone` is where its interpreter is from.

    Raises: EnvbuildError.
    """
    if image.folders is None:
        raise EnvbuildError(
            f"the lock does not say what is in `{image.reference}`", "it was made by an older envbuild", _AGAIN
        )
    emptied = (ENVIRONMENT, INTERPRETER) if standalone else (ENVIRONMENT,)
    problems = [f"`/{one.path}` is not empty" for one in image.folders if one.filled and one.path in emptied]
    problems += [
        f"`/{one.path}` has the mode {one.mode:04o}, so that only some users see what is in it"
        for one in image.folders
        if one.mode & _ANYBODY != _ANYBODY and one.path not in _WRITTEN and (one.path != INTERPRETER or standalone)
    ]
    if problems:
        raise _taken(image.reference, problems)


def _taken(reference: str, problems: list[str]) -> EnvbuildError:
    return EnvbuildError(
        f"`{reference}` cannot be a base: something is where the environment goes",
        problems,
        "Take an image without it, or change it there; an environment image is no base of another",
    )


def _note(paths: set[str], parts: tuple[str, ...]) -> None:
    if _is_kept(parts, len(paths)):
        paths.add("/".join(parts))


def _is_kept(parts: tuple[str, ...], count: int) -> bool:
    """Whether a path is to be kept beside `count` others: one of FOLDERS always, what is in one while there is room."""
    path = "/".join(parts)
    return path in FOLDERS or (count < _NODES_LIMIT and path.rpartition("/")[0] in FOLDERS)


def _parents(path: str) -> set[str]:
    parts = path.split("/")
    return {"/".join(parts[:depth]) for depth in range(1, len(parts))}


def _what(entry: Entry) -> str:
    return f"a link to `{entry.link[:200].decode(errors='replace')}`" if entry.kind == b"2" else "no folder"
