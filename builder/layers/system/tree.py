"""The paths of an image that is being put together: what is a link, what is a directory, where a path really leads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.layers.files import parents

_MOST_LINKS = 40


class Tree:
    """Files and links by path, with all the directories above them. Pure."""

    def __init__(self, files: Iterable[str], links: Mapping[str, str]) -> None:
        self._links = dict(links)
        self._files = frozenset(files)
        self._children: dict[str, set[str]] = {}
        for path in (*self._files, *self._links):
            self._add(path)

    def _add(self, path: str) -> None:
        for place in (*parents(path), path):
            parent, _, name = place.rpartition("/")
            self._children.setdefault(parent, set()).add(name)

    def is_link(self, path: str) -> bool:
        """Whether `path`, without resolving it, is a symbolic link."""
        return path in self._links

    def is_directory(self, path: str) -> bool:
        """Whether something lies below the real path `path`."""
        return path in self._children and path not in self._files and path not in self._links

    def children(self, directory: str) -> list[str]:
        """The names in the real path `directory`, sorted."""
        return sorted(self._children.get(directory, ()))

    def resolve(self, path: str) -> str | None:
        """The real path that `path` leads to, all links followed; None if there is nothing or the links loop."""
        left = path.split("/")[::-1]
        here: list[str] = []
        followed = 0
        while left:
            part = left.pop()
            if part in ("", "."):
                continue
            if part == "..":
                del here[-1:]
                continue
            here.append(part)
            target = self._links.get("/".join(here))
            if target is not None:
                followed += 1
                if followed > _MOST_LINKS:
                    return None
                here = [] if target.startswith("/") else here[:-1]
                left += target.split("/")[::-1]
        real = "/".join(here)
        return real if real in self._files or real in self._children or not real else None
