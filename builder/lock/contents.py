"""What is in a lock: packages of every kind in one form, and which of them were asked for. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from builder.fetch.project_name import normalised
from builder.lock.artifact import CondaPackage, DebianPackage, Wheel
from builder.lock.document import Lock
from builder.lock.graph import reach, tops
from builder.oci.digest import Digest
from builder.oci.documents import Platform

Kind = Literal["python", "conda", "debian"]
KINDS: tuple[Kind, ...] = ("python", "conda", "debian")

_REQUIREMENT = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """One package of a platform."""

    kind: Kind
    name: str
    version: str
    digest: Digest
    size: int
    """In bytes, of what is downloaded."""
    dependencies: tuple[str, ...]
    """Names of packages of the same kind and platform."""
    license: str
    """As its metadata says; empty where the lock does not tell."""


@dataclass(frozen=True, slots=True)
class Packages:
    """The packages of one kind on one platform."""

    kind: Kind
    by_name: Mapping[str, LockedPackage]
    """Sorted by name."""
    roots: tuple[str, ...]
    """Those that were asked for, and as many others as are needed to reach all; sorted."""

    @property
    def edges(self) -> dict[str, tuple[str, ...]]:
        """What each package needs, of what is there."""
        return {
            name: tuple(sorted({*package.dependencies} & self.by_name.keys() - {name}))
            for name, package in self.by_name.items()
        }


def contents(lock: Lock, platform: Platform) -> dict[Kind, Packages]:
    """The packages of a platform, in the order of `KINDS`; kinds of which there are none are left out."""
    locked = lock.document.platforms[platform]
    found: dict[Kind, list[LockedPackage]] = {
        "python": [_python(wheel) for wheel in lock.wheels[platform]],
        "conda": [_conda(package) for package in lock.conda.get(platform, ())],
        "debian": [_debian(package) for package in locked.debian],
    }
    asked: dict[Kind, Iterable[str]] = {
        "python": _requirements(lock, "pypi", "requirements"),
        "conda": _requirements(lock, "conda", "dependencies"),
        "debian": locked.debian_roots,
    }
    return {kind: _packages(kind, found[kind], asked[kind]) for kind in KINDS if found.get(kind)}


def _packages(kind: Kind, packages: Iterable[LockedPackage], asked: Iterable[str]) -> Packages:
    by_name = {package.name: package for package in sorted(packages, key=lambda package: package.name)}
    edges = {name: package.dependencies for name, package in by_name.items()}
    roots = {*asked} & by_name.keys()
    rest = by_name.keys() - reach(roots, edges)
    return Packages(kind, by_name, tuple(sorted(roots | tops(rest, edges))))


def _python(wheel: Wheel) -> LockedPackage:
    return LockedPackage(
        "python", wheel.name, wheel.version, wheel.digest, wheel.size, wheel.dependencies, wheel.license
    )


def _conda(package: CondaPackage) -> LockedPackage:
    return LockedPackage(
        "conda", package.name, package.version, package.digest, package.size, package.dependencies, package.license
    )


def _debian(package: DebianPackage) -> LockedPackage:
    return LockedPackage(
        "debian", package.name, package.version, package.digest, package.size, package.dependencies, ""
    )


def _requirements(lock: Lock, section: str, key: str) -> set[str]:
    """The normalised names that the spec, and the files that it names, ask for."""
    document = lock.document
    lists = [_section(document.spec, section).get(key), *document.inputs.values()]
    texts = [text for listed in lists if isinstance(listed, list) for text in listed if isinstance(text, str)]
    return {normalised(match[1]) for match in map(_REQUIREMENT.match, texts) if match}


def _section(spec: Any, name: str) -> Mapping[str, Any]:
    section = spec.get(name) if isinstance(spec, Mapping) else None
    return section if isinstance(section, Mapping) else {}


def matching(packages: Iterable[Packages], name: str) -> Iterator[LockedPackage]:
    """The packages of this name, as it is written or normalised (PEP 503)."""
    for group in packages:
        spelled = name if name in group.by_name else normalised(name)
        if spelled in group.by_name:
            yield group.by_name[spelled]
