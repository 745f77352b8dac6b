"""What stands below the packages of a platform: the base, its Debian packages, the interpreter.

What has not changed since the lock before is taken from it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from builder.errors import EnvbuildError
from builder.lock.artifact import CondaPackage, DebianPackage
from builder.lock.base_image import BaseImage
from builder.lock.base_image.room import check_room
from builder.lock.debian.suites import SUITES, interpreter_package, suites_with_python
from builder.lock.document import Interpreter, base_glibc
from builder.lock.interface import Target
from builder.lock.named_lines import with_places
from builder.lock.pypi.pylock import MACHINES
from builder.lock.wish import Tools, Wish
from builder.oci.documents import Platform
from builder.spec import Environment

SEEDS = ("base-files", "base-passwd", "ca-certificates", "libc-bin", "libstdc++6")
"""What every image has besides its interpreter: the frame of the file system, users, certificates, the loader's cache,
and the C++ library that wheels may expect of any system (PEP 600)."""
BUILD_SEEDS = ("bash", "coreutils", "dash", "diffutils", "findutils", "grep", "gzip", "mawk", "sed", "tar")
"""What Debian's compilers expect to be there without asking for it: the tools among its essential packages."""
DEFAULT_SUITE = "trixie"
"""For an interpreter that is of no suite."""


@dataclass(frozen=True, slots=True)
class Foundation:
    """The base of one platform, before its interpreter is known."""

    platform: Platform
    source: str
    """Where the interpreter comes from, as `Interpreter.source`."""
    suite: str = ""
    """Of Debian; empty where the base is an image."""
    debian: tuple[DebianPackage, ...] = ()
    debian_roots: tuple[str, ...] = ()
    build_debian: tuple[DebianPackage, ...] = ()
    build_debian_roots: tuple[str, ...] = ()
    image: BaseImage | None = None
    image_interpreter: Interpreter | None = None

    @property
    def glibc(self) -> tuple[int, int]:
        """Of its C library."""
        return base_glibc(self.suite, self.image)


@dataclass(frozen=True, slots=True)
class Ground:
    """What stands below the wheels of one platform."""

    foundation: Foundation
    interpreter: Interpreter
    conda: tuple[CondaPackage, ...]
    """Sorted by name."""

    @property
    def target(self) -> Target:
        """What wheels must run on."""
        platform = self.foundation.platform
        return Target(platform, MACHINES[platform.architecture], self.interpreter.version, self.foundation.glibc)


def lay_foundation(wish: Wish, platform: Platform, tools: Tools) -> Foundation:
    """The base of a platform.

    Raises: EnvbuildError, if it cannot be had.
    """
    environment = wish.environment
    if environment.base and environment.base.image:
        return _on_image(wish, environment.base.image, platform, tools)
    suite, source = choose_suite(environment)
    return _on_suite(wish, platform, Foundation(platform, source, suite), tools)


def choose_suite(environment: Environment) -> tuple[str, str]:
    """The Debian suite to build on, and where the interpreter comes from.

    The suite is the one that was asked for, or the first one that carries the Python that was.

    Raises: EnvbuildError, if Debian was asked for a Python that it does not have.
    """
    asked, version = environment.source, environment.version
    given = environment.base.suite if environment.base else None
    if asked is None:
        asked = "conda" if environment.conda else None
    if asked not in (None, "debian"):
        return given or DEFAULT_SUITE, asked
    carriers = suites_with_python(_wanted(environment))
    if given is None and carriers:
        return carriers[0], "debian"
    if given in carriers:
        return str(given), "debian"
    if asked == "debian":
        place = f"Debian {given} carries no" if given else "no Debian suite carries"
        listed = "; ".join(f"{', '.join(suite.pythons)} in {suite.name}" for suite in SUITES.values())
        raise EnvbuildError(f"{place} Python {version}", hint=f"Debian has {listed}; or use `source: standalone`")
    return given or DEFAULT_SUITE, "standalone"


def find_interpreter(wish: Wish, foundation: Foundation, conda: Sequence[CondaPackage], tools: Tools) -> Interpreter:
    """The interpreter of a platform.

    Raises: EnvbuildError, if there is none of the version that is wanted.
    """
    if foundation.source == "conda":
        return _of_conda(wish.environment, conda)
    if foundation.source == "debian":
        return _of_debian(_wanted(wish.environment), foundation.debian)
    if foundation.image_interpreter and foundation.source == "base":
        return foundation.image_interpreter
    before = wish.before(foundation.platform)
    if before and before.interpreter.source == "standalone" and wish.kept("python") and not wish.upgrade.everything:
        return before.interpreter
    found = tools.standalone(_wanted(wish.environment), foundation.platform)
    if wish.environment.source is None:
        tools.say(
            f"{foundation.platform}: Python {found.version} is python-build-standalone's, as "
            f"Debian {foundation.suite} has no {wish.environment.version}"
        )
    return found


def _on_image(wish: Wish, reference: str, platform: Platform, tools: Tools) -> Foundation:
    source = wish.environment.source or ("conda" if wish.environment.conda else "base")
    before = wish.before(platform)
    same = wish.kept("python") and _same_image(wish, reference) and not wish.upgrade.everything
    if before and before.image and same and before.interpreter.source == source:
        interpreter = before.interpreter if source == "base" else None
        return Foundation(platform, source, image=before.image, image_interpreter=interpreter)
    image, interpreter = tools.image(reference, platform, wish.environment.version, source == "base")
    check_room(image, standalone=source == "standalone")
    return Foundation(platform, source, image=image, image_interpreter=interpreter)


def _same_image(wish: Wish, reference: str) -> bool:
    """Whether the lock before was made for this name of an image, whatever else was said of it."""
    base = wish.previous.document.spec.get("base") if wish.previous else None
    return isinstance(base, dict) and base.get("image") == reference


def _on_suite(wish: Wish, platform: Platform, bare: Foundation, tools: Tools) -> Foundation:
    """With the Debian packages: those of the lock before, unless what they follow from has changed."""
    before, environment = wish.before(platform), wish.environment
    named = wish.upgrade.packages.keys() & {package.name for package in before.debian} if before else set()
    same = wish.kept("python", "base", "debian", "build-debian") and not wish.upgrade.everything and not named
    if before and same and before.suite == bare.suite and before.interpreter.source == bare.source:
        return replace(
            bare,
            debian=before.debian,
            debian_roots=before.debian_roots,
            build_debian=before.build_debian,
            build_debian_roots=before.build_debian_roots,
        )
    python = (interpreter_package(bare.suite, _wanted(environment)),) if bare.source == "debian" else ()
    names = (*SEEDS, *python, *environment.debian)
    debian, roots = _debian_packages(wish, bare, names, tools)
    found = replace(bare, debian=debian, debian_roots=roots)
    if not environment.build_debian:
        return found
    return _with_build_packages(
        found, *_debian_packages(wish, bare, (*names, *BUILD_SEEDS, *environment.build_debian), tools)
    )


def _debian_packages(
    wish: Wish, bare: Foundation, names: tuple[str, ...], tools: Tools
) -> tuple[tuple[DebianPackage, ...], tuple[str, ...]]:
    """What `names` lead to, and which of it is there for itself; files of the lock before keep the URLs they have."""
    before = wish.before(bare.platform)
    known = {package.digest: package.urls for package in (*before.debian, *before.build_debian)} if before else {}
    try:
        resolution = tools.debian.resolve(bare.suite, bare.platform.architecture, names)
    except EnvbuildError as error:
        raise with_places(error, wish.debian) from error
    packages = (replace(package, urls=known.get(package.digest, package.urls)) for package in resolution.packages)
    return tuple(packages), resolution.roots


def _with_build_packages(base: Foundation, packages: tuple[DebianPackage, ...], roots: tuple[str, ...]) -> Foundation:
    """With what is there only to build; `packages` are those of the image with it. Raises: EnvbuildError."""
    present = {*base.debian}
    changed = {package.name for package in present - {*packages}}
    if changed:
        raise EnvbuildError(
            f"`build-debian` changes packages of the image for {base.platform}",
            sorted(f"`{name}` would be another version or missing while wheels are built" for name in changed),
            "Leave out what asks for them, or list them under `debian`",
        )
    names = {package.name for package in present}
    return replace(
        base,
        build_debian=tuple(package for package in packages if package not in present),
        build_debian_roots=tuple(sorted({*roots} - names)),
    )


def _wanted(environment: Environment) -> str:
    if environment.version is None:
        raise EnvbuildError("the environment names no Python", hint='Write `python: "3.11"`')
    return environment.version


def _of_debian(python: str, closure: Sequence[DebianPackage]) -> Interpreter:
    """The interpreter that a closure brings; its full version is the package's."""
    package = next(package for package in closure if package.name == f"python{python}")
    match = re.match(r"(?:\d+:)?(\d+\.\d+\.\d+)(?:~(a|b|rc)(\d+))?", package.version)
    if match is None:
        raise EnvbuildError(f"`{package.version}` of `{package.name}` is not a version of Python")
    version = match[1] + (f"{match[2]}{match[3]}" if match[2] else "")
    return Interpreter("debian", version, f"/usr/bin/python{python}")


def _of_conda(environment: Environment, packages: Sequence[CondaPackage]) -> Interpreter:
    """The interpreter that the solution brings."""
    package = next((package for package in packages if package.name == "python"), None)
    if package is None:
        raise EnvbuildError(
            "the conda packages bring no Python", hint="Add `python` to the dependencies, or name another `source`"
        )
    minor = ".".join(package.version.split(".")[:2])
    if environment.version and environment.version != minor:
        raise EnvbuildError(
            f"the conda packages bring Python {package.version}, where the environment wants {environment.version}",
            hint=f"Ask for `python {environment.version}.*` in the dependencies",
        )
    return Interpreter("conda", package.version, f"/opt/env/bin/python{minor}")
