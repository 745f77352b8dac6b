"""What a resolver of Python packages is. One a file; `RESOLVERS` in `make` lists them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from builder.lock.artifact import Wheel
from builder.oci.documents import Platform


@dataclass(frozen=True, slots=True)
class Target:
    """What wheels must run on."""

    platform: Platform
    machine: str
    """`x86_64` or `aarch64`."""
    python: str
    """The full version, as in 3.11.2."""
    glibc: tuple[int, int]


class WheelResolver(Protocol):
    """Chooses one wheel for each package that requirements lead to."""

    def __call__(self, requirements: tuple[str, ...], target: Target, exclude_newer: str | None) -> tuple[Wheel, ...]:
        """The wheels, sorted by name.

        Raises: EnvbuildError, with the resolver's own explanation.
        """
