"""What the parts of locking say to each other: what is asked of a resolver, for which target, and what it answers.

One resolver a file in `pypi/`; `RESOLVERS` in `make` lists them. Readers of a team's own files in `sources/` make
`Sources` of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from builder.lock.artifact import Sdist, Wheel
from builder.oci.documents import Platform
from builder.spec.environment import Index


@dataclass(frozen=True, slots=True)
class Target:
    """What wheels must run on."""

    platform: Platform
    machine: str
    """`x86_64` or `aarch64`."""
    python: str
    """The full version, as in 3.11.2."""
    glibc: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Line:
    """One requirement and where it was written."""

    text: str
    """A requirement (PEP 508) without comment; a direct URL has its hash as fragment, `#sha256=…`."""
    place: str
    """`requirements.in:3`, for messages."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One line of a hashed `requirements.txt`."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    hashes: frozenset[str]
    """The SHA-256 of every file that may be taken, in hexadecimal; of other algorithms nothing is kept."""
    marker: str | None
    """When it is installed (PEP 508)."""
    url: str | None
    """Of a direct reference."""
    place: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What a team's own files ask for: requirements to resolve, or a lock that is taken as it is."""

    requirements: tuple[Line, ...] = ()
    constraints: tuple[Line, ...] = ()
    overrides: tuple[Line, ...] = ()
    """Take these in place of what packages ask for (uv's `override-dependencies`)."""
    requires_python: str | None = None
    """A version specifier (PEP 440) that the interpreter must meet, of a `pyproject.toml`."""
    pins: tuple[Pin, ...] = ()
    """Of a hashed `requirements.txt`: nothing is resolved, files are chosen through the index."""
    pylock: Mapping[str, Any] | None = None
    """A PEP 751 document, parsed: of a `pylock.toml`, or made of a `uv.lock` with its groups and extras chosen."""
    extras: tuple[str, ...] = ()
    """Extras of `pylock` to install."""
    groups: tuple[str, ...] = ()
    """Dependency groups of `pylock` to install."""
    vcs: tuple[Line, ...] = ()
    """Requirements that are version-control URLs pinned to a commit (PEP 440 direct references `git+https://…@<commit>`)."""
    index_urls: tuple[str, ...] = ()
    """Indexes that a requirements file names (`--index-url`, `--extra-index-url`), without credentials."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What was read of each file, by its path from the environment's folder: a list of requirements, or the file's
    SHA-256 where it is taken as a whole. The lock keeps it, so that a change is noticed and told."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a resolver."""

    sources: Sources
    indexes: tuple[Index, ...] = ()
    """In the order of priority; PyPI comes last unless one of them is the default."""
    exclude_newer: str | None = None
    exclude_newer_package: Mapping[str, str] = field(default_factory=dict)
    """A time for single packages, or `none`."""
    preferences: Mapping[str, str] = field(default_factory=dict)
    """Versions by normalised name to keep where nothing speaks against them: those of the lock before."""
    sdists: bool = True
    """Whether a package without a wheel for the target may be had as source."""


class PythonResolver(Protocol):
    """Chooses one wheel, or one sdist to build, for each package that requirements lead to."""

    def __call__(self, request: Request, target: Target) -> tuple[Wheel | Sdist, ...]:
        """The files, sorted by name; with the names of their dependencies and their license.

        Raises: EnvbuildError, with the resolver's own explanation.
        """


class SdistBuilder(Protocol):
    """Builds wheels of sdists for a target, once each."""

    def __call__(self, sdists: tuple[Sdist, ...], target: Target) -> tuple[Wheel, ...]:
        """One wheel an sdist, with `Wheel.built` set.

        Raises: EnvbuildError, with the build's own output, or if the target cannot be built for on this machine.
        """
