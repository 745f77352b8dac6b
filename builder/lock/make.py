"""Making a lock: Debian packages first, which give the interpreter, then one resolution of wheels for each platform.

What has not changed since the lock before is taken from it. The resolvers are handed in; nothing here touches the
network or the disk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from builder.errors import EnvbuildError
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.debian.archive import Resolution
from builder.lock.debian.suites import SUITES, interpreter_package, suites_with_python
from builder.lock.document import DEFAULT_CREATED, LOCK_FILE, Interpreter, Lock, LockDocument, PlatformLock
from builder.lock.interface import Line, PythonResolver, Request, Sources, Target
from builder.lock.pypi.pylock import MACHINES, pylock_name, write_pylock
from builder.lock.upgrade import Upgrade
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.spec import Environment
from builder.spec.reader import nearest

SEEDS = ("base-files", "base-passwd", "ca-certificates", "libc-bin", "libstdc++6")
"""What every image has besides its interpreter: the frame of the file system, users, certificates, the loader's cache,
and the C++ library that wheels may expect of any system (PEP 600)."""

T = TypeVar("T")


class DebianResolver(Protocol):
    """Resolves against one state of Debian's archives."""

    def resolve(self, suite: str, architecture: str, names: tuple[str, ...]) -> Resolution:
        """The closure of `names`."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a lock is made with: all that reaches out of this process."""

    debian: DebianResolver
    python: Mapping[str, PythonResolver]
    """By the name that a spec gives to a resolver."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be locked."""

    environment: Environment
    sources: Sources = field(default_factory=Sources)
    """What its files ask for."""
    upgrade: Upgrade = field(default_factory=Upgrade)
    sdists: bool = True
    """Whether wheels may be built of source."""
    previous: Lock | None = None
    """The lock before, of which everything is kept that need not move."""

    def kept(self, *keys: str) -> bool:
        """Whether the lock before was made for the same values of these keys of the spec."""
        if self.previous is None:
            return False
        before, now = self.previous.document.spec, self.environment.content
        return all(before.get(key) == now.get(key) for key in keys)


@dataclass(frozen=True, slots=True)
class _Closure:
    packages: tuple[DebianPackage, ...]
    roots: tuple[str, ...]
    """The names of those that are there for themselves."""


def make_lock(wish: Wish, layer_format: int, tools: Tools) -> dict[str, bytes]:
    """The files of a lock, by name.

    Raises: EnvbuildError, with every platform's explanation, if something cannot be resolved.
    """
    environment = wish.environment
    _check_upgrade(wish)
    suite = suite_for(environment)
    closures = {platform: _closure(wish, suite, platform, tools) for platform in environment.targets}
    interpreters = {platform: _interpreter(environment, closure.packages) for platform, closure in closures.items()}
    wheels = _of_each(
        environment.targets, lambda platform: _wheels(wish, suite, platform, interpreters[platform], tools)
    )
    files, platforms = {}, {}
    for platform in environment.targets:
        name, interpreter = pylock_name(platform), interpreters[platform]
        files[name] = write_pylock(wheels[platform], interpreter.version, MACHINES[platform.architecture])
        closure = closures[platform]
        platforms[platform] = PlatformLock(
            suite, interpreter, closure.packages, name, Digest.of(files[name]), closure.roots
        )
    created = (environment.pypi.exclude_newer if environment.pypi else None) or DEFAULT_CREATED
    document = LockDocument(environment.content, wish.sources.inputs, layer_format, created, platforms)
    return {LOCK_FILE: document.to_bytes(), **files}


def _check_upgrade(wish: Wish) -> None:
    """Refuse to upgrade what is not there."""
    if wish.previous is None or not wish.upgrade.packages:
        return
    document = wish.previous.document
    names = {wheel.name for wheels in wish.previous.wheels.values() for wheel in wheels}
    names |= {package.name for lock in document.platforms.values() for package in lock.debian}
    for name in sorted(wish.upgrade.packages.keys() - names):
        raise EnvbuildError(f"`{name}` is not in the lock, so it cannot be upgraded", hint=nearest(name, names))


def suite_for(environment: Environment) -> str:
    """The suite that was asked for, or the first one that carries the Python that was.

    Raises: EnvbuildError, if none does.
    """
    if environment.base and environment.base.suite:
        return environment.base.suite
    suites = suites_with_python(_python(environment))
    if not suites:
        listed = "; ".join(f"{', '.join(suite.pythons)} in {suite.name}" for suite in SUITES.values())
        raise EnvbuildError(f"no Debian suite carries Python {environment.version}", hint=f"Debian has {listed}")
    return suites[0]


def _closure(wish: Wish, suite: str, platform: Platform, tools: Tools) -> _Closure:
    """The Debian packages of a platform: those of the lock before, unless what they follow from has changed."""
    before = wish.previous.document.platforms.get(platform) if wish.previous else None
    known = {package.digest: package.urls for package in before.debian} if before else {}
    named = wish.upgrade.packages.keys() & {package.name for package in before.debian} if before else set()
    if before and wish.kept("python", "base", "debian") and not wish.upgrade.everything and not named:
        return _Closure(before.debian, before.debian_roots)
    names = (*SEEDS, interpreter_package(suite, _python(wish.environment)), *wish.environment.debian)
    resolved = tools.debian.resolve(suite, platform.architecture, names)
    packages = (replace(package, urls=known.get(package.digest, package.urls)) for package in resolved.packages)
    return _Closure(tuple(packages), resolved.roots)


def _wheels(wish: Wish, suite: str, platform: Platform, interpreter: Interpreter, tools: Tools) -> tuple[Wheel, ...]:
    """The wheels of a platform: those of the lock before, unless what they follow from has changed."""
    pypi, previous = wish.environment.pypi, wish.previous
    if pypi is None:
        return ()
    before = previous.document.platforms.get(platform) if previous else None
    if previous and before and (before.suite, before.interpreter) == (suite, interpreter) and not wish.upgrade:
        same_inputs = previous.document.inputs == wish.sources.inputs
        if (
            wish.kept("pypi")
            and same_inputs
            and (wish.sdists or all(not wheel.built for wheel in previous.wheels[platform]))
        ):
            return previous.wheels[platform]
    request = Request(
        _with_wanted_versions(wish),
        pypi.indexes,
        pypi.exclude_newer,
        pypi.exclude_newer_package,
        _preferences(wish, platform),
        wish.sdists,
    )
    files = tools.python[pypi.resolver](request, target_of(suite, platform, interpreter))
    return tuple(file for file in files if isinstance(file, Wheel))


def _with_wanted_versions(wish: Wish) -> Sources:
    wanted = tuple(
        Line(f"{name}=={version}", f"--upgrade-package {name}")
        for name, version in wish.upgrade.packages.items()
        if version
    )
    return replace(wish.sources, constraints=(*wish.sources.constraints, *wanted))


def _preferences(wish: Wish, platform: Platform) -> dict[str, str]:
    """The versions that the lock before had on this platform, or else on another."""
    if wish.previous is None:
        return {}
    before = wish.previous.wheels
    order = [*(other for other in sorted(before) if other != platform), *(name for name in before if name == platform)]
    versions = {wheel.name: wheel.version for other in order for wheel in before[other]}
    return {name: version for name, version in versions.items() if wish.upgrade.keeps(name)}


def target_of(suite: str, platform: Platform, interpreter: Interpreter) -> Target:
    """What the wheels of a platform must run on."""
    major, minor = SUITES[suite].glibc.split(".")
    return Target(platform, MACHINES[platform.architecture], interpreter.version, (int(major), int(minor)))


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
    if len({error.why for error in errors}) == 1:
        first, platforms = next(iter(failures)), " and ".join(map(str, failures))
        return EnvbuildError(errors[0].what.replace(str(first), platforms), errors[0].why, errors[0].hint)
    lines = [line for error in errors for line in (error.what, *error.why)]
    hints = dict.fromkeys(error.hint for error in errors if error.hint)
    return EnvbuildError("the Python packages cannot be resolved", lines, "; ".join(hints) or None)


def _python(environment: Environment) -> str:
    version = environment.version
    if version is None:
        raise EnvbuildError("the environment names no Python", hint='Write `python: "3.11"`')
    return version


def _interpreter(environment: Environment, closure: tuple[DebianPackage, ...]) -> Interpreter:
    """The interpreter that a closure brings; its full version is the package's."""
    python = _python(environment)
    package = next(package for package in closure if package.name == f"python{python}")
    match = re.match(r"(?:\d+:)?(\d+\.\d+\.\d+)(?:~(a|b|rc)(\d+))?", package.version)
    if match is None:
        raise EnvbuildError(f"`{package.version}` of `{package.name}` is not a version of Python")
    version = match[1] + (f"{match[2]}{match[3]}" if match[2] else "")
    return Interpreter("debian", version, f"/usr/bin/python{python}")
