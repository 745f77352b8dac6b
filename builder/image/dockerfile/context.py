"""A build context as data: its texts, and the files that belong beside them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder.fetch import Source
from builder.layers.files import FileEntry


@dataclass(frozen=True, slots=True)
class Vendored:
    """A file that is fetched by its digest."""

    path: str
    """In the context."""
    source: Source


@dataclass(frozen=True, slots=True)
class Addition:
    """What a project puts on its environment, and what its image says of itself."""

    model: tuple[FileEntry, ...]
    """Relative to `/model`."""
    code: tuple[FileEntry, ...]
    """Relative to `/app`."""
    documents: tuple[FileEntry, ...]
    """Relative to `/bundle`."""
    labels: Mapping[str, str] = field(default_factory=dict)
    variables: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    data: tuple[FileEntry, ...] = ()
    """Relative to `/data`."""


@dataclass(frozen=True, slots=True)
class Context:
    """A folder that `docker build` takes."""

    name: str
    """Of the image, with its tag."""
    texts: Mapping[str, bytes]
    """By path: the Dockerfile, `.dockerignore`, lists with hashes. Sorted."""
    vendored: tuple[Vendored, ...]
    """The locked files and the tools that install them, sorted by path."""
    files: tuple[FileEntry, ...] = ()
    """The project's own, sorted by path."""

    @property
    def sources(self) -> list[Source]:
        """What has to be fetched, each once."""
        return list({vendored.source.digest: vendored.source for vendored in self.vendored}.values())
