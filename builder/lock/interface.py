"""What the parts of locking say to each other: what is asked of a resolver, for which target, and what it answers.

One resolver a file in `pypi/`; the command hands them to `make_lock` by name, in `Tools`. Readers of a team's own files
in `sources/` make `Sources` of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from builder.lock.artifact import CondaPackage, DebianPackage, Sdist, Wheel
from builder.lock.base_image import BaseImage
from builder.lock.document import Interpreter
from builder.oci.documents import Platform
from builder.spec.environment import Index

if TYPE_CHECKING:
    from builder.lock.debian.archive import Resolution


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
class FileIndex:
    """A package index that a team's file names."""

    url: str
    """Without credentials."""
    place: str
    """`requirements.in:1`, for messages."""
    is_default: bool = False
    """Whether it stands in place of PyPI (`--index-url`); else it is asked too (`--extra-index-url`)."""


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
    indexes: tuple[FileIndex, ...] = ()
    """Those that files name, in their order; `Request.indexes` has what becomes of them."""
    provided: Mapping[str, str] = field(default_factory=dict)
    """Versions by normalised name of what is there already, of conda packages: taken as they are and not installed."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """What was read of each file, by its path from the environment's folder: a list of requirements, or the file's
    SHA-256 where it is taken as a whole. The lock keeps it, so that a change is noticed and told."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a resolver."""

    sources: Sources
    indexes: tuple[Index, ...] = ()
    """The spec's and those that files name, in the order of priority; PyPI comes last unless one is the default."""
    exclude_newer: str | None = None
    exclude_newer_package: Mapping[str, str] = field(default_factory=dict)
    """A time for single packages, or `none`."""
    preferences: Mapping[str, str] = field(default_factory=dict)
    """Versions by normalised name to keep where nothing speaks against them: those of the lock before."""
    sdists: bool = True
    """Whether a package without a wheel for the target may be had as source."""

    @property
    def index_urls(self) -> dict[str, str]:
        """The URLs of the indexes by name, by which credentials are known."""
        return {index.name: index.url for index in self.indexes}


class PythonResolver(Protocol):
    """Chooses one wheel, or one sdist to build, for each package that requirements lead to."""

    def __call__(self, request: Request, target: Target) -> tuple[Wheel | Sdist, ...]:
        """The files, sorted by name; with the names of their dependencies and their license.

        Raises: EnvbuildError, with the resolver's own explanation.
        """


@dataclass(frozen=True, slots=True)
class CondaPin:
    """One package of a conda lock that is taken as it is."""

    url: str
    """Without credentials; its last part tells name, version and build."""
    md5: str | None
    sha256: str | None
    """At least one of the two is known, in hexadecimal."""
    place: str


@dataclass(frozen=True, slots=True)
class CondaSources:
    """What is asked of conda channels, or a lock that is taken as it is."""

    channels: tuple[str, ...] = ()
    """Names and URLs, the first that has a package wins."""
    dependencies: Mapping[Platform, tuple[Line, ...]] = field(default_factory=dict)
    """Match specifications (conda: package match specification), their channels as URLs."""
    pip: Sources = field(default_factory=Sources)
    """What the `pip:` section asks for, resolved against the conda interpreter."""
    pins: Mapping[Platform, tuple[CondaPin, ...]] = field(default_factory=dict)
    """Of a `conda-lock.yml` or an explicit list: nothing is solved."""
    pip_pins: Mapping[Platform, tuple[Pin, ...]] = field(default_factory=dict)
    """The wheels of a `conda-lock.yml`."""
    inputs: Mapping[str, Any] = field(default_factory=dict)
    """As `Sources.inputs`."""
    document: bytes = b""
    """The `environment.yml`, or one that says the same; empty where a lock is taken."""
    source: str = ""
    """The path of the file that was read, from the environment's folder; empty where the spec says it itself."""


@dataclass(frozen=True, slots=True)
class CondaTarget:
    """What conda packages must run on."""

    platform: Platform
    glibc: tuple[int, int]
    cuda: str | None = None
    """Of the driver, as in `12.8`."""


@dataclass(frozen=True, slots=True)
class CondaRequest:
    """What is asked of a solver of conda channels."""

    sources: CondaSources
    targets: tuple[CondaTarget, ...]
    python: str | None = None
    """The Python that is wanted, as in 3.11, if the spec says it."""
    kept: Mapping[Platform, tuple[CondaPackage, ...]] = field(default_factory=dict)
    """The packages of the lock before that are to stay where nothing speaks against them."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """The versions that single packages must get."""


class CondaResolver(Protocol):
    """Chooses conda packages for each target."""

    def __call__(self, request: CondaRequest) -> Mapping[Platform, tuple[CondaPackage, ...]]:
        """The packages by platform, sorted by name.

        Raises: EnvbuildError, with the solver's own explanation.
        """


class DebianResolver(Protocol):
    """Resolves against one state of Debian's archives."""

    def resolve(self, suite: str, architecture: str, names: tuple[str, ...]) -> Resolution:
        """The closure of `names`."""


class ImageResolver(Protocol):
    """Pins an image of a registry."""

    def __call__(
        self, reference: str, platform: Platform, python: str | None, inspect: bool
    ) -> tuple[BaseImage, Interpreter | None]:
        """The image for a platform, and the interpreter in it, unless `inspect` is false.

        `python`, as in 3.11, is the one that is wanted if there are several.

        Raises: EnvbuildError, if it cannot be had, is not for this platform, or has no such interpreter.
        """


class StandaloneResolver(Protocol):
    """Finds an interpreter that is published as an archive."""

    def __call__(self, version: str, platform: Platform) -> Interpreter:
        """The interpreter of a version, as in 3.12 or 3.12.4, with its archive.

        Raises: EnvbuildError, if there is none, naming those that there are.
        """


@dataclass(frozen=True, slots=True)
class BuildRoot:
    """Where wheels are built from source: the locked base with its interpreter, compilers and headers."""

    target: Target
    suite: str
    interpreter: Interpreter
    debian: tuple[DebianPackage, ...]
    """Everything that is there, sorted by name: the base's packages and those to build with."""
    build_debian: tuple[DebianPackage, ...]
    """Those of them that are there only to build."""
    resolve: Callable[[Sources], tuple[Wheel, ...]]
    """Wheels for build requirements, from the same indexes and at the same time as everything else."""
    image: BaseImage | None = None
    """The base, where it is not a suite."""
    conda: tuple[CondaPackage, ...] = ()
    """Sorted by name."""
    locked: Mapping[str, str | None] | None = None
    """Versions by normalised name of what a built package may ask for, None where any will do; None if all is taken."""
    indexes: tuple[tuple[str, str], ...] = ()
    """Names and URLs of the package indexes that files may be of, as `Lock.indexes`."""
    elsewhere: tuple[BuildRoot, ...] = ()
    """The roots of the other platforms, for packages that are the same on all."""


class SdistBuilder(Protocol):
    """Builds wheels of sdists for a target, once each."""

    def __call__(self, sdists: tuple[Sdist, ...], root: BuildRoot, known: tuple[Wheel, ...]) -> tuple[Wheel, ...]:
        """One wheel an sdist, with `Wheel.built` set; one of `known` where it was built of the same before.

        Raises: EnvbuildError, with the build's own output, or if the target cannot be built for on this machine.
        """
