"""The built wheels of a lock where the store lacks them: taken from the team's place, or made again and compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.artifact import Build, Wheel
from builder.lock.document import Lock
from builder.lock.interface import BuildRoot, Sources, Target
from builder.lock.pypi.pylock import MACHINES
from builder.lock.pypi.tags import best_wheel
from builder.oci.documents import Platform
from builder.run.wheels.builder import WheelBuilder
from builder.run.wheels.checks import is_pure
from builder.run.wheels.place import take_wheel


def ensure_built(lock: Lock, platforms: Sequence[Platform], builder: WheelBuilder, *, here_only: bool = False) -> None:
    """Have in the store the wheels of these platforms that were built from source: taken, else built.

    With `here_only`, all are built, and those that this machine cannot build are left out.

    Raises: EnvbuildError, if one cannot be built here; DigestMismatchError, if it is not the one that was locked.
    """
    store = builder.workshop.store
    for platform in platforms:
        for wheel in lock.wheels.get(platform, ()):
            skipped = here_only and not can_rebuild(lock, platform, wheel, builder)
            if wheel.built is None or skipped or store.has(wheel.digest, wheel.size):
                continue
            if here_only or not take_wheel(wheel, builder.workshop.fetcher, builder.say):
                _rebuild(lock, platform, wheel, wheel.built, builder)


def can_rebuild(lock: Lock, platform: Platform, wheel: Wheel, builder: WheelBuilder) -> bool:
    """Whether a wheel that was built can be built again on this machine."""
    return wheel.built is not None and bool(_place(lock, platform, wheel, builder)) and builder.unavailable() is None


def _place(lock: Lock, platform: Platform, wheel: Wheel, builder: WheelBuilder) -> Platform | None:
    """The platform of the lock whose base a wheel is built in here."""
    possible = (platform, *lock.platforms) if is_pure(wheel.file_name) else (platform,)
    return builder.host if builder.host in possible else None


def _rebuild(lock: Lock, platform: Platform, wheel: Wheel, build: Build, builder: WheelBuilder) -> None:
    name = f"{wheel.name} {wheel.version}"
    host = _place(lock, platform, wheel, builder)
    if host is None:
        raise EnvbuildError(
            f"the wheel of {name} for {platform} is not here, and cannot be built here",
            f"it was built from source, and this machine is {builder.host or 'of another kind'}",
            f"Build on a machine that is {platform}, or copy `blobs/sha256/{wheel.digest.hex}` of a store that has it",
        )
    root = _root(lock, host)
    requirements = _requirements(lock, host, wheel, build)
    unusable = [file.file_name for file in requirements if best_wheel([file.file_name], root.target) is None]
    if unusable:
        raise EnvbuildError(
            f"the wheel of {name} for {platform} is not here, and cannot be built here",
            [f"it was built with `{file}`, which does not run on {host}" for file in unusable],
            f"Build on a machine that is {platform}",
        )
    file = builder.build(build.sdist, root, requirements)
    if file.digest != wheel.digest:
        builder.say(f"the wheel that was built here is kept as `{builder.workshop.store.path(file.digest)}`")
        raise DigestMismatchError(
            f"{name}, built from source here, is not the wheel that was locked",
            [
                f"the lock has {wheel.digest} ({wheel.file_name})",
                f"built here it is {file.digest} ({file.file_name})",
                "source, base and tools are the same, so its build writes something of the machine or the time into it",
            ],
            f"Copy `blobs/sha256/{wheel.digest.hex}` of a store that has it, or lock again with `--upgrade-package "
            f"{wheel.name}`",
        )


def _requirements(lock: Lock, host: Platform, wheel: Wheel, build: Build) -> tuple[Wheel, ...]:
    """What to build with: as this machine's own platform has it, where several share the wheel."""
    for other in lock.wheels.get(host, ()):
        if other.digest == wheel.digest and other.built:
            return other.built.requirements
    return build.requirements


def _root(lock: Lock, platform: Platform) -> BuildRoot:
    """The root of a lock's platform, as it was while locking."""
    locked = lock.document.platforms[platform]
    target = Target(platform, MACHINES[platform.architecture], locked.interpreter.version, locked.glibc)
    return BuildRoot(
        target,
        locked.suite,
        locked.interpreter,
        tuple(sorted((*locked.debian, *locked.build_debian))),
        locked.build_debian,
        _resolve_nothing,
        locked.image,
        lock.conda.get(platform, ()),
        indexes=lock.indexes,
    )


def _resolve_nothing(_: Sources) -> NoReturn:
    raise AssertionError("what a locked wheel is built with is in the lock")
