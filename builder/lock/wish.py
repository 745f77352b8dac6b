"""What is to be locked, and the tools that a lock is made with. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.cuda import cuda_index
from builder.lock.document import Lock, PlatformLock
from builder.lock.indexes import requested_indexes
from builder.lock.interface import (
    CondaResolver,
    CondaSources,
    DebianResolver,
    ImageResolver,
    Line,
    PythonResolver,
    SdistBuilder,
    Sources,
    StandaloneResolver,
)
from builder.lock.upgrade import Upgrade
from builder.oci.documents import Platform
from builder.spec import Environment
from builder.spec.cuda import Cuda
from builder.spec.environment import Index
from builder.spec.reader import nearest


@dataclass(frozen=True, slots=True)
class Tools:
    """What a lock is made with: all that reaches out of this process."""

    debian: DebianResolver
    python: Mapping[str, PythonResolver]
    """By the name that a spec gives to a resolver."""
    conda: CondaResolver
    image: ImageResolver
    standalone: StandaloneResolver
    build: SdistBuilder
    say: Callable[[str], None] = lambda _: None
    """Tells the user what was chosen for them."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be locked."""

    environment: Environment
    sources: Sources = field(default_factory=Sources)
    """What its files ask of package indexes."""
    conda: CondaSources | None = None
    """What it asks of conda channels."""
    upgrade: Upgrade = field(default_factory=Upgrade)
    sdists: bool = True
    """Whether wheels may be built of source."""
    previous: Lock | None = None
    """The lock before, of which everything is kept that need not move."""
    debian: tuple[Line, ...] = ()
    """Where the spec names Debian packages."""

    def kept(self, *keys: str) -> bool:
        """Whether the lock before was made for the same values of these keys of the spec."""
        if self.previous is None:
            return False
        before, now = self.previous.document.spec, self.environment.content
        return all(before.get(key) == now.get(key) for key in keys)

    def before(self, platform: Platform) -> PlatformLock | None:
        """What the lock before has of a platform."""
        return self.previous.document.platforms.get(platform) if self.previous else None

    @property
    def indexes(self) -> tuple[Index, ...]:
        """The package indexes to ask, as `Request.indexes`.

        Raises: EnvbuildError, if the spec and its files contradict each other.
        """
        return (*self._named_indexes, *([self.cuda_index] if self.cuda_index else []))

    @property
    def cuda_index(self) -> Index | None:
        """The index of PyTorch's wheels for `cuda`, where nothing else says where they come from, nor which they are.

        Raises: EnvbuildError, as `indexes`.
        """
        cuda = Cuda.of_text(self.environment.cuda)
        is_locked = bool(self.sources.pins) or self.sources.pylock is not None
        return None if cuda is None or is_locked else cuda_index(cuda, self._named_indexes)

    @property
    def _named_indexes(self) -> tuple[Index, ...]:
        pypi, more = self.environment.pypi, self.conda.pip.indexes if self.conda else ()
        return requested_indexes(pypi.indexes if pypi else (), (*self.sources.indexes, *more))

    def check(self) -> None:
        """Refuse, before anything is asked for, contradictions, and to upgrade what is not there.

        Raises: EnvbuildError.
        """
        _ = self.indexes
        if self.previous is None:
            return
        names = {wheel.name for wheels in self.previous.wheels.values() for wheel in wheels}
        names |= {normalised(package.name) for packages in self.previous.conda.values() for package in packages}
        names |= {package.name for lock in self.previous.document.platforms.values() for package in lock.debian}
        for name in sorted(self.upgrade.packages.keys() - names):
            raise EnvbuildError(f"`{name}` is not in the lock, so it cannot be upgraded", hint=nearest(name, names))

    @property
    def inputs(self) -> dict[str, object]:
        """What was read of the files that the spec names, by path."""
        return {**self.sources.inputs, **(self.conda.inputs if self.conda else {})}
