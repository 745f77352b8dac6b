"""What is known of each Debian suite beforehand: its archives, its Pythons, its C library. Pure, and a table."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from builder.errors import EnvbuildError

ARCHITECTURES = ("amd64", "arm64")
"""Those that are locked for, in Debian's names (and Go's)."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A tree of archives that share a pool."""

    name: str
    url: str
    """Its own, without a slash at the end."""
    snapshot_url: str
    """Of its history; a timestamp goes behind it."""


DEBIAN = Repository("debian", "http://deb.debian.org/debian", "http://snapshot.debian.org/archive/debian")
SECURITY = Repository(
    "debian-security", "http://deb.debian.org/debian-security", "http://snapshot.debian.org/archive/debian-security"
)


@dataclass(frozen=True, slots=True)
class Archive:
    """One set of indexes of a repository."""

    repository: Repository
    codename: str
    """Its folder below `dists/`, and what its InRelease calls it."""


@dataclass(frozen=True, slots=True)
class Suite:
    """A Debian release, with what updates it."""

    name: str
    archives: tuple[Archive, ...]
    """The order decides between equal versions: the first one's file is taken."""
    pythons: tuple[str, ...]
    """Minor versions of Python that it carries, oldest first."""
    default_python: str
    """What its package `python3` is."""
    glibc: str
    """Version of its C library, which decides the wheels that run on it."""


def _archives(name: str) -> tuple[Archive, ...]:
    """Of a suite with updates; unstable has none."""
    return Archive(DEBIAN, name), Archive(DEBIAN, f"{name}-updates"), Archive(SECURITY, f"{name}-security")


SUITES = {
    suite.name: suite
    for suite in (
        Suite("bookworm", _archives("bookworm"), ("3.11",), "3.11", "2.36"),
        Suite("trixie", _archives("trixie"), ("3.13",), "3.13", "2.41"),
        Suite("forky", _archives("forky"), ("3.13", "3.14", "3.15"), "3.14", "2.43"),
        Suite("sid", (Archive(DEBIAN, "sid"),), ("3.13", "3.14", "3.15"), "3.14", "2.43"),
    )
}
"""By name, oldest first. As the archives were in November 2026; forky and sid still move."""

_PYTHON = re.compile(r"3\.[0-9]{1,3}")


def find_suite(name: str) -> Suite:
    """The suite of this name.

    Raises: EnvbuildError, if it is not one of `SUITES`.
    """
    suite = SUITES.get(name)
    if suite is None:
        raise EnvbuildError(f"`{name[:80]}` is not a Debian suite that can be used", hint=f"Use {_either(SUITES)}")
    return suite


def suites_with_python(version: str) -> tuple[str, ...]:
    """The suites that carry Python `version` (such as `3.11`), oldest first."""
    return tuple(suite.name for suite in SUITES.values() if version in suite.pythons)


def interpreter_package(suite: str, version: str) -> str:
    """The name of the package that is Python `version` (such as `3.11`) in `suite`.

    Raises: EnvbuildError, if the suite has none; the hint names those that have.
    """
    found = find_suite(suite)
    if version in found.pythons:
        return f"python{version}"
    others = suites_with_python(version)
    if others:
        hint = f"Use `base: {{suite: {others[0]}}}`" + (f" ({_either(others)} has it)" if len(others) > 1 else "")
    elif _PYTHON.fullmatch(version):
        hint = "Debian has " + "; ".join(f"{', '.join(s.pythons)} in {s.name}" for s in SUITES.values())
    else:
        hint = "Give a minor version, such as `3.11`"
    raise EnvbuildError(
        f"Debian {suite} does not carry Python {version[:40]}", f"it carries {', '.join(found.pythons)}", hint
    )


def _either(names: Iterable[str]) -> str:
    *most, last = [f"`{name}`" for name in names]
    return f"{', '.join(most)} or {last}" if most else last
