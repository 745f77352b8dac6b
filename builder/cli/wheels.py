"""Wheels that no index has: built while locking, and again where a lock names one that the store lacks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from builder.cli.machine import host_platform
from builder.cli.output import Output
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.image.workshop import Workshop
    from builder.lock.document import Lock
    from builder.oci.documents import Platform
    from builder.run.wheels import WheelBuilder


def wheel_builder(workshop: Workshop, output: Output) -> WheelBuilder:
    """The builder of this machine."""
    from builder.run.wheels import WheelBuilder

    try:
        host = host_platform()
    except EnvbuildError:
        host = None  # such a machine locks all the same, as long as there are wheels
    return WheelBuilder(workshop, host, output.say, output.detail)


def ensure_built_wheels(
    lock: Lock, platforms: Sequence[Platform], workshop: Workshop, output: Output, *, here_only: bool = False
) -> None:
    """Have in the store the wheels of these platforms that were built from source: taken, else built.

    With `here_only`, all are built, and those that this machine cannot build are left out.

    Raises: EnvbuildError, if one cannot be built here; DigestMismatchError, if it is not the one that was locked.
    """
    wheels = [wheel for platform in platforms for wheel in lock.wheels.get(platform, ()) if wheel.built]
    if all(workshop.store.has(wheel.digest, wheel.size) for wheel in wheels):
        return
    from builder.run.wheels import ensure_built

    ensure_built(lock, platforms, wheel_builder(workshop, output), here_only=here_only)
