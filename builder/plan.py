"""The plan of an image: which layers, made of which locked artifacts. Pure: needs no download and no clock.

Layers are named by what goes into them, and which package goes into which layer does not depend on the other
packages, so that a change moves only what changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from builder.errors import EnvbuildError
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.document import Interpreter, Lock
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.documents import Platform

ALONE_SIZE = 4 << 20
"""Bytes of an artifact from which on it has a layer of its own, equal in every image."""


@dataclass(frozen=True, slots=True)
class Budget:
    """How many layers one kind of package may take."""

    alone: int
    """Layers of one package; the largest have them where there are more."""
    bins: int
    """Layers that the others share."""


DEBIAN_BUDGET = Budget(alone=10, bins=6)
WHEEL_BUDGET = Budget(alone=26, bins=12)
"""With the system, environment, code, model and bundle layers: 59 at most, below the 60 that engines are safe with."""

Kind = Literal["debian", "system", "environment", "python"]
Artifact = TypeVar("Artifact", DebianPackage, Wheel)


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer and what it is made of."""

    kind: Kind
    name: str
    """What it holds, for history and messages."""
    debian: tuple[DebianPackage, ...] = ()
    """Sorted by name."""
    wheels: tuple[Wheel, ...] = ()
    """Sorted by name."""

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Of the artifacts, in order."""
        return (*(package.digest for package in self.debian), *(wheel.digest for wheel in self.wheels))


@dataclass(frozen=True, slots=True)
class Plan:
    """An environment image of one platform, before anything is fetched."""

    platform: Platform
    base_name: str
    """Of what the image starts from, for its labels."""
    interpreter: Interpreter
    created: str
    layer_format: int
    lock_digest: Digest
    layers: tuple[LayerPlan, ...]
    """Lowest first."""
    indexes: tuple[tuple[str, str], ...] = ()
    """Names and URLs of the package indexes that files may be of, as `Lock.indexes`; the image does not depend on it."""

    @property
    def key(self) -> str:
        """Names the image by everything that it depends on."""
        inputs = {
            "platform": str(self.platform),
            "interpreter": [self.base_name, self.interpreter.version, self.interpreter.path],
            "created": self.created,
            "layer-format": self.layer_format,
            "lock": str(self.lock_digest),
            "layers": [[layer.kind, layer.name, [digest.hex for digest in layer.digests]] for layer in self.layers],
        }
        return hashlib.sha256(canonical_json(inputs)).hexdigest()

    @property
    def debian(self) -> tuple[DebianPackage, ...]:
        """All Debian packages, sorted by name."""
        return tuple(sorted(package for layer in self.layers if layer.kind == "debian" for package in layer.debian))

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """All wheels, sorted by name."""
        return tuple(sorted(wheel for layer in self.layers for wheel in layer.wheels))


def make_plan(lock: Lock, platform: Platform) -> Plan:
    """The plan for one of the lock's platforms.

    Raises: EnvbuildError, if the lock has no such platform.
    """
    locked = lock.document.platforms.get(platform)
    if locked is None:
        raise EnvbuildError(
            f"the lock has no platform {platform}",
            f"it has {', '.join(map(str, lock.platforms))}",
            "Add it to `platforms` in the environment and lock again",
        )
    system = LayerPlan("system", "system files", debian=tuple(sorted(locked.debian)))
    environment = LayerPlan("environment", f"environment for Python {locked.interpreter.version}")
    debian = (
        LayerPlan("debian", _name("Debian", group), debian=group) for group in _groups(locked.debian, DEBIAN_BUDGET)
    )
    wheels = (
        LayerPlan("python", _name("Python", group), wheels=group)
        for group in _groups(lock.wheels[platform], WHEEL_BUDGET)
    )
    return Plan(
        platform,
        locked.base_name,
        locked.interpreter,
        lock.document.created,
        lock.document.layer_format,
        lock.digest,
        (*debian, system, environment, *wheels),
        lock.indexes,
    )


def _groups(artifacts: Sequence[Artifact], budget: Budget) -> list[tuple[Artifact, ...]]:
    """The large ones alone, the others binned by a hash of the name alone, so that a bump moves nobody else."""
    large = sorted((artifact for artifact in artifacts if artifact.size >= ALONE_SIZE), key=_by_size)[: budget.alone]
    bins: dict[int, list[Artifact]] = {}
    for artifact in sorted(set(artifacts) - set(large)):
        bins.setdefault(_bin(artifact.name, budget.bins), []).append(artifact)
    alone = [(artifact,) for artifact in sorted(large)]
    return alone + [tuple(bins[number]) for number in sorted(bins)]


def _by_size(artifact: DebianPackage | Wheel) -> tuple[int, str]:
    return -artifact.size, artifact.name


def _bin(name: str, bins: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % bins


def _name(kind: str, group: Sequence[DebianPackage | Wheel]) -> str:
    return f"{kind}: " + ", ".join(f"{artifact.name} {artifact.version}" for artifact in group)
