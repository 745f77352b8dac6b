"""`conda-lock.yml`, as conda-lock's own models write and read it. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from builder.errors import EnvbuildError
from builder.lock.artifact import CondaPackage, Wheel
from builder.lock.interface import CondaSources
from builder.oci.documents import Platform


def write_conda_lock(
    sources: CondaSources,
    packages: Mapping[Platform, tuple[CondaPackage, ...]],
    wheels: Mapping[Platform, tuple[Wheel, ...]],
) -> bytes:
    """The file for the packages of every platform."""
    raise EnvbuildError("conda packages cannot be locked yet")


def read_conda_lock(data: bytes, name: str) -> Mapping[Platform, tuple[CondaPackage, ...]]:
    """The packages of a file that `write_conda_lock` wrote, of size 0 and without license.

    Raises: EnvbuildError, if it is of another form.
    """
    raise EnvbuildError(f"`{name}` cannot be read yet")
