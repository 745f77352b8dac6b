"""What a package is to a layer: a listing of what it holds, and a way to write it as gzip members.

A *segment* is the part of a layer that one package makes: whole gzip members holding tar entries for its files
and links in bytewise order of path; no directories and no end-of-archive, so segments can be joined.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

LAYER_FORMAT = 1
"""The revision of all rules that decide a layer's bytes. It is in each lock; a change of a rule makes a new one."""

PACKAGE_MTIME = 315619200
"""1980-01-02T00:00:00Z, seconds since the epoch: the modification time of every package file."""

MEMBER_SIZE = 8 << 20
"""A gzip member is closed once it has passed this many uncompressed bytes, so that readers can work in parallel."""


@dataclass(frozen=True, slots=True, order=True)
class Directory:
    """A directory that a package declares, with its mode and owner."""

    path: str
    """Relative to the root, `/` between parts, no leading or trailing slash."""
    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class Contents:
    """What a package puts into an image, without the bytes."""

    directories: tuple[Directory, ...]
    """Those that the package declares itself (an empty one, or one with a mode of its own), sorted."""
    paths: tuple[str, ...]
    """Of every file and link, in the order in which the segment holds them (bytewise)."""


class Sink(Protocol):
    """Receives a segment while it is written, both ways: the gzip bytes, and the tar bytes that they inflate to."""

    def compressed(self, data: bytes | memoryview) -> None:
        """The next bytes of the gzip members."""

    def uncompressed(self, data: bytes | memoryview) -> None:
        """The next bytes of the tar stream. Never behind the members that are complete."""


class Package(Protocol):
    """A locked artifact, opened."""

    def contents(self) -> Contents:
        """The listing; cheap, and final: `write` puts exactly these paths (apart from those left out)."""

    def write(self, sink: Sink, left_out: Collection[str] = ()) -> None:
        """Write the segment, without the paths `left_out` (which another package provides).

        Raises: EnvbuildError, if the artifact is not what its own index promises.
        """
