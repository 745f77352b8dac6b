"""A solved closure, before its packages have URLs: kept by what it follows from, so that it is solved once. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest

SOLVER = 1
"""The revision of the rules of `solve` and `needs`. A change of what they choose makes a new one."""


class Records(Protocol):
    """What is needed of `builder.oci.store.Store`."""

    def record(self, kind: str, key: str) -> Any | None:
        """What was kept under a key, or None."""

    def keep_record(self, kind: str, key: str, value: Any) -> None:
        """Keep a JSON value under a key."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """One package of a closure."""

    name: str
    version: str
    architecture: str
    path: str
    """In its archive."""
    size: int
    """In bytes."""
    digest: Digest
    archive: int
    """Which of the suite's archives it is from."""
    dependencies: tuple[str, ...]
    """The names of the packages of the closure that meet its needs, sorted."""


@dataclass(frozen=True, slots=True)
class Closure:
    """What was chosen."""

    packages: tuple[Chosen, ...]
    """Sorted by name."""
    roots: tuple[str, ...]
    """Those that were asked for, or that nothing needs; sorted."""

    def to_value(self) -> dict[str, Any]:
        """As JSON data."""
        packages = [
            [
                one.name,
                one.version,
                one.architecture,
                one.path,
                one.size,
                one.digest.hex,
                one.archive,
                [*one.dependencies],
            ]
            for one in self.packages
        ]
        return {"packages": packages, "roots": list(self.roots)}

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Closure:
        """From JSON data. Raises: KeyError, TypeError, ValueError, EnvbuildError, if it is something else."""
        packages = tuple(
            Chosen(name, version, architecture, path, int(size), Digest(sha256), int(archive), tuple(dependencies))
            for name, version, architecture, path, size, sha256, archive, dependencies in value["packages"]
        )
        return cls(packages, tuple(map(str, value["roots"])))


def closure_key(architecture: str, names: Sequence[str], indexes: Sequence[Digest]) -> str:
    """Names a closure by all that it follows from: `indexes` are those of the suite's archives, in their order."""
    inputs = [SOLVER, architecture, list(names), [digest.hex for digest in indexes]]
    return hashlib.sha256(canonical_json(inputs)).hexdigest()
