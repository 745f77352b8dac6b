"""Making a lock: the base first, then conda packages, which may bring the interpreter, then wheels, for each platform.

What has not changed since the lock before is taken from it. The resolvers are handed in; nothing here touches the
network or the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.artifact import CondaPackage, Wheel
from builder.lock.conda.lock_file import write_conda_lock
from builder.lock.document import (
    CONDA_LOCK_FILE,
    DEFAULT_CREATED,
    LOCK_FILE,
    CondaDetail,
    CondaReference,
    LockDocument,
    PlatformLock,
)
from builder.lock.foundation import Foundation, Ground, find_interpreter, lay_foundation
from builder.lock.interface import CondaRequest, CondaTarget
from builder.lock.pypi.pylock import MACHINES, pylock_name, write_pylock
from builder.lock.python_packages import lock_python_packages
from builder.lock.wish import Tools, Wish
from builder.oci.digest import Digest
from builder.oci.documents import Platform

T = TypeVar("T")


def make_lock(wish: Wish, layer_format: int, tools: Tools) -> dict[str, bytes]:
    """The files of a lock, by name.

    Raises: EnvbuildError, with every platform's explanation, if something cannot be resolved.
    """
    wish.check()
    grounds = _grounds(wish, tools)
    wheels = _of_each(wish.environment.targets, lambda platform: lock_python_packages(wish, platform, grounds, tools))
    files = _siblings(wish, grounds, wheels)
    platforms = {platform: _platform_lock(platform, ground, files) for platform, ground in grounds.items()}
    pypi = wish.environment.pypi
    created = (pypi.exclude_newer if pypi else None) or DEFAULT_CREATED
    document = LockDocument(wish.environment.content, wish.inputs, layer_format, created, platforms)
    return {LOCK_FILE: document.to_bytes(), **files}


def _grounds(wish: Wish, tools: Tools) -> dict[Platform, Ground]:
    foundations = {platform: lay_foundation(wish, platform, tools) for platform in wish.environment.targets}
    conda = _conda_packages(wish, foundations, tools)
    found = {}
    for platform, foundation in foundations.items():
        packages = conda.get(platform, ())
        found[platform] = Ground(foundation, find_interpreter(wish, foundation, packages, tools), packages)
    return found


def _conda_packages(
    wish: Wish, foundations: Mapping[Platform, Foundation], tools: Tools
) -> Mapping[Platform, tuple[CondaPackage, ...]]:
    """The conda packages of every platform: those of the lock before, unless what they follow from has changed."""
    if wish.conda is None:
        return {}
    cuda = wish.environment.cuda
    targets = tuple(CondaTarget(platform, base.glibc, cuda) for platform, base in foundations.items())
    before = wish.previous.conda if wish.previous else {}
    if wish.previous and not wish.upgrade and wish.kept("python", "platforms", "base", "conda", "cuda"):
        same_inputs = all(wish.previous.document.inputs.get(name) == value for name, value in wish.conda.inputs.items())
        if same_inputs and all(before.get(platform) for platform in foundations):
            return before
    kept = {
        platform: tuple(package for package in packages if wish.upgrade.keeps(normalised(package.name)))
        for platform, packages in before.items()
    }
    versions = {
        package.name: version
        for packages in before.values()
        for package in packages
        if (version := wish.upgrade.packages.get(normalised(package.name)))
    }
    return tools.conda(CondaRequest(wish.conda, targets, wish.environment.version, kept, versions))


def _siblings(
    wish: Wish, grounds: Mapping[Platform, Ground], wheels: Mapping[Platform, tuple[Wheel, ...]]
) -> dict[str, bytes]:
    files = {
        pylock_name(platform): write_pylock(
            wheels[platform], ground.interpreter.version, MACHINES[platform.architecture]
        )
        for platform, ground in grounds.items()
    }
    if wish.conda is not None:
        packages = {platform: ground.conda for platform, ground in grounds.items()}
        files[CONDA_LOCK_FILE] = write_conda_lock(wish.conda, packages, wheels)
    return files


def _platform_lock(platform: Platform, ground: Ground, files: Mapping[str, bytes]) -> PlatformLock:
    base, name = ground.foundation, pylock_name(platform)
    conda = None
    if CONDA_LOCK_FILE in files:
        details = {package.name: CondaDetail(package.size, package.license) for package in ground.conda}
        conda = CondaReference(CONDA_LOCK_FILE, Digest.of(files[CONDA_LOCK_FILE]), details)
    return PlatformLock(
        base.suite,
        ground.interpreter,
        base.debian,
        name,
        Digest.of(files[name]),
        base.debian_roots,
        base.image,
        base.build_debian,
        base.build_debian_roots,
        conda,
    )


def _of_each(platforms: tuple[Platform, ...], work: Callable[[Platform], T]) -> dict[Platform, T]:
    """What `work` gives for every platform, at the same time; their errors as one."""
    with ThreadPoolExecutor() as pool:
        pending: dict[Platform, Future[T]] = {platform: pool.submit(work, platform) for platform in platforms}
    results: dict[Platform, T] = {}
    failures: dict[Platform, EnvbuildError] = {}
    for platform, future in pending.items():
        try:
            results[platform] = future.result()
        except EnvbuildError as error:
            failures[platform] = error
    if failures:
        raise _joined(failures)
    return results


def _joined(failures: Mapping[Platform, EnvbuildError]) -> EnvbuildError:
    """One error for those of several platforms, which often have one cause."""
    errors = list(failures.values())
    if len(errors) == 1:
        return errors[0]
    if len({error.why for error in errors}) == 1:
        first, platforms = next(iter(failures)), " and ".join(map(str, failures))
        return EnvbuildError(errors[0].what.replace(str(first), platforms), errors[0].why, errors[0].hint)
    lines = [line for error in errors for line in (error.what, *error.why)]
    hints = dict.fromkeys(error.hint for error in errors if error.hint)
    return EnvbuildError("the Python packages cannot be resolved", lines, "; ".join(hints) or None)
