"""Making a lock: Debian packages first, which give the interpreter, then one resolution of wheels for each platform.

The resolvers are handed in; nothing here touches the network or the disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from builder.errors import EnvbuildError
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.debian.archive import Resolution
from builder.lock.debian.suites import SUITES, interpreter_package, suites_with_python
from builder.lock.document import DEFAULT_CREATED, LOCK_FILE, Interpreter, Lock, LockDocument, PlatformLock
from builder.lock.interface import Line, PythonResolver, Request, Sources, Target
from builder.lock.pypi.pylock import MACHINES, pylock_name, write_pylock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.spec import Environment
from builder.spec.fields import as_document

SEEDS = ("base-files", "base-passwd", "ca-certificates", "libc-bin", "libstdc++6")
"""What every image has besides its interpreter: the frame of the file system, users, certificates, the loader's cache,
and the C++ library that wheels may expect of any system (PEP 600)."""


class DebianResolver(Protocol):
    """Resolves against one state of Debian's archives."""

    def resolve(self, suite: str, architecture: str, names: tuple[str, ...]) -> Resolution:
        """The closure of `names`."""


def make_lock(
    environment: Environment,
    layer_format: int,
    debian: DebianResolver,
    resolvers: Mapping[str, PythonResolver],
    previous: Lock | None = None,
) -> dict[str, bytes]:
    """The files of a lock for `environment`, by name.

    What `previous` has of the same bytes keeps its URLs, so that a lock changes only where something changed.

    Raises: EnvbuildError, with every platform's explanation, if something cannot be resolved.
    """
    suite = suite_for(environment)
    names = (*SEEDS, interpreter_package(suite, _python(environment)), *environment.debian)
    closures = {
        platform: debian.resolve(suite, platform.architecture, names).packages for platform in environment.targets
    }
    with ThreadPoolExecutor() as pool:
        pending = {
            platform: pool.submit(_pylock, environment, suite, platform, closure, resolvers)
            for platform, closure in closures.items()
        }
    pylocks = _results(pending)
    platforms = {}
    for platform, closure in closures.items():
        interpreter = _interpreter(_python(environment), closure)
        kept = _with_known_urls(closure, previous, platform)
        name = pylock_name(platform)
        platforms[platform] = PlatformLock(suite, interpreter, kept, name, Digest.of(pylocks[platform]))
    created = environment.pypi.exclude_newer if environment.pypi else None
    document = LockDocument(as_document(environment), layer_format, created or DEFAULT_CREATED, platforms)
    return {LOCK_FILE: document.to_bytes(), **{pylock_name(platform): data for platform, data in pylocks.items()}}


def suite_for(environment: Environment) -> str:
    """The suite that was asked for, or the first one that carries the Python that was.

    Raises: EnvbuildError, if none does.
    """
    if environment.base and environment.base.suite:
        return environment.base.suite
    suites = suites_with_python(_python(environment))
    if not suites:
        listed = "; ".join(f"{', '.join(suite.pythons)} in {suite.name}" for suite in SUITES.values())
        raise EnvbuildError(f"no Debian suite carries Python {_python(environment)}", hint=f"Debian has {listed}")
    return suites[0]


def _pylock(
    environment: Environment,
    suite: str,
    platform: Platform,
    closure: tuple[DebianPackage, ...],
    resolvers: Mapping[str, PythonResolver],
) -> bytes:
    machine = MACHINES[platform.architecture]
    python = _interpreter(_python(environment), closure).version
    if environment.pypi is None:
        return write_pylock((), python, machine)
    major, minor = SUITES[suite].glibc.split(".")
    target = Target(platform, machine, python, (int(major), int(minor)))
    resolve = resolvers[environment.pypi.resolver]
    lines = tuple(Line(text, "requirements") for text in environment.pypi.requirements)
    request = Request(Sources(lines), environment.pypi.indexes, environment.pypi.exclude_newer)
    wheels = (file for file in resolve(request, target) if isinstance(file, Wheel))
    return write_pylock(wheels, python, machine)


def _python(environment: Environment) -> str:
    version = environment.version
    if version is None:
        raise EnvbuildError("the environment names no Python", hint='Write `python: "3.11"`')
    return version


def _results(pending: Mapping[Platform, Future[bytes]]) -> dict[Platform, bytes]:
    results: dict[Platform, bytes] = {}
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


def _interpreter(python: str, closure: tuple[DebianPackage, ...]) -> Interpreter:
    """The interpreter that a closure brings; its full version is the package's."""
    package = next(package for package in closure if package.name == f"python{python}")
    match = re.match(r"(?:\d+:)?(\d+\.\d+\.\d+)(?:~(a|b|rc)(\d+))?", package.version)
    if match is None:
        raise EnvbuildError(f"`{package.version}` of `{package.name}` is not a version of Python")
    version = match[1] + (f"{match[2]}{match[3]}" if match[2] else "")
    return Interpreter("debian", version, f"/usr/bin/python{python}")


def _with_known_urls(
    closure: tuple[DebianPackage, ...], previous: Lock | None, platform: Platform
) -> tuple[DebianPackage, ...]:
    """The same packages; one that was locked before with the same bytes is as it was then."""
    before = previous.document.platforms.get(platform) if previous else None
    known = {package.digest: package for package in before.debian} if before else {}
    return tuple(known.get(package.digest, package) for package in closure)
