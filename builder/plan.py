"""The plan of an image: which layers, made of which locked artifacts. Pure: needs no download and no clock.

Layers are named by what goes into them, and which package goes into which layer does not depend on the other
packages, so that a change moves only what changed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

from builder.errors import EnvbuildError
from builder.lock.artifact import Archive, CondaPackage, DebianPackage, Wheel
from builder.lock.base_image import BaseImage
from builder.lock.base_image.room import check_room
from builder.lock.document import Interpreter, Lock, PlatformLock
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.documents import MOUNTED_LAYERS, Platform
from builder.spec.cuda import Cuda

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
"""With the interpreter, system, environment, code, model and bundle layers: 60 at most, which engines are safe with."""
CONDA_BUDGET = Budget(alone=18, bins=8)
WHEEL_BUDGET_BESIDE_CONDA = Budget(alone=6, bins=6)
"""Together as many as wheels alone may take."""

BYTECODE_BUDGET = Budget(alone=8, bins=6)
BYTECODE_BUDGETS_WITH_CONDA = Budget(alone=5, bins=4), Budget(alone=3, bins=2)
BYTECODE_BUDGET_ON_BASE = Budget(alone=3, bins=3)
BYTECODE_BUDGETS_WITH_CONDA_ON_BASE = Budget(alone=2, bins=2), Budget(alone=1, bins=1)
"""Besides one layer for the interpreter's own; of conda packages and of wheels where there are both."""
WHEEL_BUDGET_COMPILED = Budget(alone=11, bins=12)
CONDA_BUDGETS_COMPILED = Budget(alone=6, bins=8), Budget(alone=3, bins=6)
"""With their bytecode as many as without; what is shared stays as it is."""
BYTECODE_FORMAT = 1
"""The revision of the rules that decide the bytes of bytecode, beside those of the layer format."""

FRAME = 12
"""Layers of an image on a base that are neither conda's nor wheels': interpreter, environment, bytecode, model, code,
documents, and some room."""
_LEAST_ROOM = 4
"""Layers that packages need at least."""

Kind = Literal["debian", "interpreter", "system", "environment", "conda", "python", "bytecode"]
Named = DebianPackage | CondaPackage | Wheel
Artifact = TypeVar("Artifact", DebianPackage, CondaPackage, Wheel)


@dataclass(frozen=True, slots=True)
class LayerPlan:
    """One layer and what it is made of."""

    kind: Kind
    name: str
    """What it holds, for history and messages."""
    debian: tuple[DebianPackage, ...] = ()
    """Sorted by name."""
    archive: Archive | None = None
    """Of a standalone interpreter."""
    conda: tuple[CondaPackage, ...] = ()
    """Sorted by name."""
    wheels: tuple[Wheel, ...] = ()
    """Sorted by name."""

    @property
    def artifacts(self) -> tuple[DebianPackage | Archive | CondaPackage | Wheel, ...]:
        """What it is made of, in order."""
        return (*self.debian, *((self.archive,) if self.archive else ()), *self.conda, *self.wheels)

    @property
    def digests(self) -> tuple[Digest, ...]:
        """Of the artifacts, in order."""
        return tuple(artifact.digest for artifact in self.artifacts)

    @property
    def size(self) -> int:
        """Of the artifacts together, in bytes, as far as it is known."""
        return sum(artifact.size or 0 for artifact in self.artifacts)


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
    """Lowest first; on the layers of the base, where there is one."""
    base: BaseImage | None = None
    """The image that it stands on, where it is not assembled from Debian packages."""
    entrypoint: str | None = None
    """Whether the entry point of the base is to stay: `keep`, `replace`, or None where nothing was said."""
    indexes: tuple[tuple[str, str], ...] = ()
    """Names and URLs of the indexes that files may be of, as `Lock.indexes`; the image does not depend on it."""
    cuda: Cuda | None = None
    """What the packages were chosen for."""

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
            **({"conda": [_record(package) for package in self.conda]} if self.conda else {}),
            **({"base": self.base.to_dict(), "entrypoint": self.entrypoint} if self.base else {}),
            **({"bytecode": BYTECODE_FORMAT} if self.bytecode else {}),
            **({"cuda": self.cuda.version} if self.cuda else {}),
        }
        return hashlib.sha256(canonical_json(inputs)).hexdigest()

    @property
    def debian(self) -> tuple[DebianPackage, ...]:
        """All Debian packages, sorted by name."""
        return tuple(sorted(package for layer in self.layers if layer.kind == "debian" for package in layer.debian))

    @property
    def archive(self) -> Archive | None:
        """Of a standalone interpreter, if it is one."""
        return self.interpreter.archive

    @property
    def conda(self) -> tuple[CondaPackage, ...]:
        """All conda packages, sorted by name."""
        return tuple(sorted(package for layer in self.packages for package in layer.conda))

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        """All wheels, sorted by name."""
        return tuple(sorted(wheel for layer in self.packages for wheel in layer.wheels))

    @property
    def packages(self) -> tuple[LayerPlan, ...]:
        """The layers without those of bytecode, lowest first."""
        return tuple(layer for layer in self.layers if layer.kind != "bytecode")

    @property
    def bytecode(self) -> tuple[LayerPlan, ...]:
        """The layers of bytecode, whose artifacts are what it is made of; one that turns out empty is left out."""
        return tuple(layer for layer in self.layers if layer.kind == "bytecode")


def make_plan(lock: Lock, platform: Platform) -> Plan:
    """The plan for one of the lock's platforms.

    Raises: EnvbuildError, if the lock has no such platform, or one that cannot be built.
    """
    locked = lock.document.platforms.get(platform)
    if locked is None:
        raise EnvbuildError(
            f"the lock has no platform {platform}",
            f"it has {', '.join(map(str, lock.platforms))}",
            "Add it to `platforms` in the environment and lock again",
        )
    packages = lock.conda.get(platform, ())
    _check(platform, locked, packages)
    return Plan(
        platform,
        locked.base_name,
        locked.interpreter,
        lock.document.created,
        lock.document.layer_format,
        lock.digest,
        tuple(_layers(locked, packages, lock.wheels[platform], compiled=bool(lock.document.spec.get("compile")))),
        locked.image,
        _entrypoint(lock) if locked.image else None,
        lock.indexes,
        Cuda.of_spec(lock.document.spec),
    )


def _entrypoint(lock: Lock) -> str | None:
    base = lock.document.spec.get("base")
    return base.get("entrypoint") if isinstance(base, dict) else None


def _check(platform: Platform, locked: PlatformLock, conda: Sequence[CondaPackage]) -> None:
    if locked.image:
        check_room(locked.image, standalone=locked.interpreter.source == "standalone")
    if locked.interpreter.source != "conda" and any(package.name == "python" for package in conda):
        raise EnvbuildError(
            f"the image for {platform} would have two interpreters in one environment",
            f"the conda packages bring one, and the environment's is of `source: {locked.interpreter.source}`",
            "Leave out `source`, or ask for conda packages that need no Python",
        )


def _layers(
    locked: PlatformLock, conda: Sequence[CondaPackage], wheels: Sequence[Wheel], *, compiled: bool
) -> Iterator[LayerPlan]:
    conda_budget, wheel_budget = _budgets(locked.image, bool(conda), compiled=compiled)
    for debs in _groups(locked.debian, DEBIAN_BUDGET):
        yield LayerPlan("debian", _name("Debian", debs), debian=debs)
    interpreter = locked.interpreter
    if interpreter.archive:
        yield LayerPlan("interpreter", f"Python {interpreter.version}, standalone", archive=interpreter.archive)
    if not locked.image:
        yield LayerPlan("system", "system files", debian=tuple(sorted(locked.debian)))
    yield LayerPlan("environment", f"environment for Python {interpreter.version}")
    for packages in _groups(conda, conda_budget):
        yield LayerPlan("conda", _name("conda", packages), conda=packages)
    for group in _groups(wheels, wheel_budget):
        yield LayerPlan("python", _name("Python", group), wheels=group)
    if compiled:
        yield from _bytecode(locked, conda, wheels)


def _bytecode(locked: PlatformLock, conda: Sequence[CondaPackage], wheels: Sequence[Wheel]) -> Iterator[LayerPlan]:
    """The layers of bytecode: of the standard library (a conda package has its own), of conda packages, of wheels."""
    interpreter = locked.interpreter
    if interpreter.archive:
        yield LayerPlan("bytecode", f"bytecode: Python {interpreter.version}", archive=interpreter.archive)
    debs = tuple(package for package in sorted(locked.debian) if "python3" in package.name)
    if interpreter.source == "debian" and debs:
        yield LayerPlan("bytecode", _name("bytecode", debs), debian=debs)
    conda_budget, wheel_budget = _bytecode_budgets(locked.image, bool(conda))
    for packages in _groups([package for package in conda if _has_modules(package)], conda_budget):
        yield LayerPlan("bytecode", _name("bytecode", packages), conda=packages)
    for group in _groups(wheels, wheel_budget):
        yield LayerPlan("bytecode", _name("bytecode", group), wheels=group)


def _has_modules(package: CondaPackage) -> bool:
    """Whether a conda package can have modules of Python: it is Python, or asks for it, or its needs are not known."""
    return package.name == "python" or not package.depends or any(text.startswith("python") for text in package.depends)


def _bytecode_budgets(base: BaseImage | None, conda: bool) -> tuple[Budget, Budget]:
    if conda:
        return BYTECODE_BUDGETS_WITH_CONDA_ON_BASE if base else BYTECODE_BUDGETS_WITH_CONDA
    alone = BYTECODE_BUDGET_ON_BASE if base else BYTECODE_BUDGET
    return alone, alone


def _budgets(base: BaseImage | None, conda: bool, *, compiled: bool) -> tuple[Budget, Budget]:
    """Of conda packages and of wheels: fewer where a base has taken most layers that an image may have.

    Raises: EnvbuildError, if there is no room for them.
    """
    usual = (CONDA_BUDGET, WHEEL_BUDGET_BESIDE_CONDA if conda else WHEEL_BUDGET)
    if compiled and not base:
        return CONDA_BUDGETS_COMPILED if conda else (CONDA_BUDGET, WHEEL_BUDGET_COMPILED)
    room = MOUNTED_LAYERS - FRAME - (len(base.layers) if base else 0)
    if room >= WHEEL_BUDGET.alone + WHEEL_BUDGET.bins:
        return usual
    if base and room < _LEAST_ROOM:
        raise EnvbuildError(
            f"nothing can be built on `{base.reference}`",
            f"it has {len(base.layers)} layers, and an image can have {MOUNTED_LAYERS}",
            "Make a base of fewer layers, for example with `docker build --squash` or `buildah --layers=false`",
        )
    share = room // 2 if conda else room
    tight = Budget(alone=share // 2, bins=share - share // 2)
    return tight, tight


def _record(package: CondaPackage) -> list[object]:
    """What an image tells of a conda package by the lock, not by the package itself."""
    return [package.url, package.channel, package.md5, package.size, list(package.depends)]


def _groups(artifacts: Sequence[Artifact], budget: Budget) -> list[tuple[Artifact, ...]]:
    """The large ones alone, the others binned by a hash of the name alone, so that a bump moves nobody else."""
    large = sorted((artifact for artifact in artifacts if artifact.size >= ALONE_SIZE), key=_by_size)[: budget.alone]
    bins: dict[int, list[Artifact]] = {}
    for artifact in sorted(set(artifacts) - set(large)):
        bins.setdefault(_bin(artifact.name, budget.bins), []).append(artifact)
    alone = [(artifact,) for artifact in sorted(large)]
    return alone + [tuple(bins[number]) for number in sorted(bins)]


def _by_size(artifact: Named) -> tuple[int, str]:
    return -artifact.size, artifact.name


def _bin(name: str, bins: int) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % bins


def _name(kind: str, group: Sequence[Named]) -> str:
    return f"{kind}: " + ", ".join(f"{artifact.name} {artifact.version}" for artifact in group)
