"""The parts of an environment image, in the order in which they are made: files, packages, segments, layers, image.

Each step gives jobs that depend on nothing but the step before; `builder.image.build` runs them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from builder.image.base import base_directories, base_layers, base_places
from builder.image.bytecode import Sources
from builder.image.bytecode_layers import Ground, bytecode_layers, bytecode_target, package_tar
from builder.image.config import environment_config
from builder.image.filesystem import Owner, merge
from builder.image.kept import (
    Image,
    contents_from_value,
    contents_to_value,
    kept_layer,
    kept_value,
    known_layer,
    write_image,
)
from builder.image.locked_file import LockedPackage, using
from builder.image.skeleton import environment_files
from builder.image.unpacking import Encoded, Unpacked, Unpacker, owner_name
from builder.image.workshop import Workshop
from builder.layers.bytecode import BytecodeTarget
from builder.layers.conda import conda_order
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Contents, Directory, Package
from builder.layers.join import Fresh, Layer, Segment, read_segment, write_layer, write_segment
from builder.layers.system import DebFacts, system_directories, system_files
from builder.layers.wheel import open_wheel, wheel_order
from builder.layers.wheel_layout import WheelTarget
from builder.lock.artifact import Wheel
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.plan import ALONE_SIZE, LayerPlan, Plan

SYSTEM, ENVIRONMENT = "the system files", "the environment's own files"
"""How the two packages that are made here are called in messages."""

_KEPT_OPEN = 30_000
"""How many paths of wheels stay in memory from the listing to the layer, so that their indexes are read once."""

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Job(Generic[R]):
    """A piece of work. Two with one name come to the same, whichever image they are for."""

    name: str
    size: int
    """In bytes, of what it is made of."""
    run: Callable[[], R]


class OpenWheels:
    """Wheels that were opened for their listings and are needed once more, as far as memory is given to them."""

    def __init__(self) -> None:
        self._opened: dict[Digest, Package] = {}
        self._room = _KEPT_OPEN

    def keep(self, digest: Digest, package: Package, paths: int) -> None:
        """Keep one, if there is room."""
        self._room -= paths
        if self._room >= 0:
            self._opened[digest] = package

    def take(self, digest: Digest) -> Package | None:
        """The one that was kept, once."""
        return self._opened.pop(digest, None)


class Assembly:
    """One image while it is made. Its steps are taken in the order in which they stand here."""

    def __init__(self, plan: Plan, workshop: Workshop, opened: OpenWheels) -> None:
        self.plan = plan
        self._store = workshop.store
        self._fetcher = workshop.fetcher
        major, minor = plan.interpreter.minor.split(".")
        self._target = WheelTarget(python_version=(int(major), int(minor)))
        self._opened = opened
        self._encoded: tuple[Encoded, ...] = (*plan.debian, *((plan.archive,) if plan.archive else ()), *plan.conda)
        self._own: Mapping[str, FileTree] = {}

    def fetch(self) -> None:
        """Have every file in the store. Raises: EnvbuildError, DigestMismatchError."""
        fetcher = self._fetcher.with_indexes(dict(self.plan.indexes))
        self._paths: Mapping[Digest, Path] = fetcher.blobs(
            [artifact.source for artifact in (*self._encoded, *self.plan.wheels)]
        )
        self._unpacker = Unpacker(self._store, self._paths, self.plan.interpreter, self._target)

    def unpacking(self) -> list[Job[Any]]:
        """A job for each artifact that has to be encoded anew."""
        return [
            Job(self._unpacker.key_name(one), _size(one), lambda one=one: self._unpacker.unpack(one))  # type: ignore[misc]
            for one in self._encoded
        ]

    def listing(self) -> list[Job[Contents]]:
        """A job for each wheel."""
        return [
            Job(_name("wheel", self._wheel_key(wheel)), wheel.size, lambda wheel=wheel: self._listed(wheel))  # type: ignore[misc]
            for wheel in self.plan.wheels
        ]

    def merge(self, unpacked: Sequence[Any], listed: Sequence[Contents]) -> None:
        """Take what those jobs gave, and decide which package provides what. Raises: EnvbuildError."""
        self._unpacked = dict(zip(self._encoded, map(Unpacked.from_value, unpacked), strict=True))
        self._listings = dict(zip(self.plan.wheels, listed, strict=True))
        facts = {artifact: one.facts for artifact, one in self._unpacked.items() if one.facts}
        self._own, settled = self._own_files(list(facts.values()))
        self._filesystem = merge(_debian_owners(self._unpacked, facts), self._later(), settled)
        packages = [layer for layer in self.plan.packages if layer.kind not in self._own]
        self._layer_directories = {layer: self._directories(self._contents(layer)) for layer in packages}
        self._layer_keys = {layer: self._layer_key(layer) for layer in packages}

    def segments(self) -> list[Job[Segment]]:
        """A job for each small wheel of a layer that the store lacks."""
        wheels = [
            wheel
            for layer, key in self._layer_keys.items()
            if layer.wheels and known_layer(self._store, key) is None
            for wheel in layer.wheels
            if wheel.size < ALONE_SIZE
        ]
        return [
            Job(_name("segment", self._segment_key(wheel)), wheel.size, lambda wheel=wheel: self._segment(wheel))  # type: ignore[misc]
            for wheel in wheels
        ]

    def layers(self) -> list[Job[Layer]]:
        """A job for each layer, lowest first."""
        return [
            Job(self._layer_name(layer), layer.size, lambda layer=layer: self._layer(layer))  # type: ignore[misc]
            for layer in self.plan.packages
        ]

    def bytecode(self, made: Sequence[Layer], workshop: Workshop) -> list[tuple[LayerPlan, Layer]]:
        """The layers of bytecode, made on those of the packages.

        Raises: EnvbuildError, DigestMismatchError.
        """
        if not self.plan.bytecode:
            return []
        target = bytecode_target(self.plan)
        sources = {
            one: self._wheel_sources(one, target) if isinstance(one, Wheel) else self._encoded_sources(one, target)
            for layer in self.plan.bytecode
            for one in layer.artifacts
        }
        return bytecode_layers(Ground(self.plan, made, self._filesystem), sources, target, workshop)

    def image(self, made: Sequence[Layer], bytecode: Sequence[tuple[LayerPlan, Layer]]) -> Image:
        """The image of these layers, written to the store."""
        base = self.plan.base
        layers = [*base_layers(base), *made, *(layer for _, layer in bytecode)]
        plan = replace(self.plan, layers=(*self.plan.packages, *(planned for planned, _ in bytecode)))
        config = environment_config(plan, [layer.diff_id for layer in layers])
        return write_image(self._store, layers, config, base_places(base))

    def _own_files(self, facts: Sequence[DebFacts]) -> tuple[dict[str, FileTree], tuple[Directory, ...]]:
        """What is made here, by kind of layer, and the directories that are settled, whoever declares them."""
        plan, architecture = self.plan, self.plan.platform.architecture
        environment = FileTree(environment_files(plan.interpreter, conda=bool(plan.conda)))
        if plan.base:
            return {"environment": environment}, tuple(base_directories(plan.base).values())
        settled = tuple(system_directories(facts, architecture))
        system = FileTree((*system_files(facts, architecture), *_entries(settled)))
        return {"system": system, "environment": environment}, settled

    def _later(self) -> list[Owner]:
        """What comes after the Debian packages, in the order of installing: the last one with a path provides it."""
        later = [Owner(SYSTEM, self._own["system"].contents())] if "system" in self._own else []
        if self.plan.archive:
            later.append(Owner(owner_name(self.plan.archive), self._unpacked[self.plan.archive].contents))
        later.append(Owner(ENVIRONMENT, self._own["environment"].contents()))
        later += [Owner(owner_name(one), self._unpacked[one].contents) for one in conda_order(self.plan.conda)]
        return later + [Owner(wheel.file_name, self._listings[wheel]) for wheel in wheel_order(self._listings)]

    def _listed(self, wheel: Wheel) -> Contents:
        def make() -> Any:
            opened = self._open_wheel(wheel)
            contents = opened.contents()
            self._opened.keep(wheel.digest, opened, len(contents.paths))
            return contents_to_value(contents)

        return contents_from_value(kept_value(self._store, "wheels", self._wheel_key(wheel), make))

    def _segment(self, wheel: Wheel) -> Segment:
        """Of a small wheel, kept for the layers of others."""

        def make() -> Any:
            segment = write_segment(self._store, self._open_wheel(wheel), self._left_out(wheel.file_name))
            return [str(segment.digest), segment.size]

        digest, size = kept_value(self._store, "segments", self._segment_key(wheel), make)
        if not self._store.has(Digest.parse(digest), size):
            digest, size = make()
        return Segment(Digest.parse(digest), size)

    def _layer(self, layer: LayerPlan) -> Layer:
        """A layer, from the store where it was made of the same before."""
        if layer.kind in self._own:
            tree = self._own[layer.kind]
            return write_layer(self._store, self._directories([tree.contents()]), [Fresh(tree)])
        directories, key = self._layer_directories[layer], self._layer_keys[layer]
        return kept_layer(self._store, key, lambda: write_layer(self._store, directories, self._parts(layer)))

    def _parts(self, layer: LayerPlan) -> list[Segment | Fresh]:
        """What a layer is joined of. A large wheel goes straight into the layer that it has alone."""
        if layer.wheels:
            return [
                Fresh(self._open_wheel(wheel), self._left_out(wheel.file_name))
                if wheel.size >= ALONE_SIZE
                else self._segment(wheel)
                for wheel in layer.wheels
            ]
        return [
            self._unpacker.part(one, self._unpacked[one], self._left_out(owner_name(one))) for one in _encoded_of(layer)
        ]

    def _layer_key(self, layer: LayerPlan) -> dict[str, Any]:
        """Everything that a layer depends on."""
        names = [wheel.file_name for wheel in layer.wheels] or list(map(owner_name, _encoded_of(layer)))
        directories = self._layer_directories[layer]
        segments = [self._unpacked[one].segment.digest.hex for one in layer.conda]
        return {
            "packages": [digest.hex for digest in layer.digests],
            "python": self.plan.interpreter.minor if layer.wheels else None,
            "left-out": [sorted(self._left_out(name)) for name in names],
            "directories": [[entry.path, entry.mode, entry.uid, entry.gid] for entry in directories],
            **({"segments": segments} if segments else {}),  # hold more than their files' digests say
        }

    def _layer_name(self, layer: LayerPlan) -> str:
        if layer.kind in self._own:
            return _name(layer.kind, self.plan.key)
        return _name("layer", self._layer_keys[layer])

    def _contents(self, layer: LayerPlan) -> list[Contents]:
        if layer.wheels:
            return [self._listings[wheel] for wheel in layer.wheels]
        return [self._unpacked[one].contents for one in _encoded_of(layer)]

    def _directories(self, contents: Iterable[Contents]) -> tuple[Directory, ...]:
        return self._filesystem.directories_for(_all_paths(contents))

    def _left_out(self, name: str) -> frozenset[str]:
        return self._filesystem.left_out.get(name, frozenset())

    def _encoded_sources(self, artifact: Encoded, target: BytecodeTarget) -> Sources:
        one, name = self._unpacked[artifact], owner_name(artifact)
        paths = target.sources(one.contents.paths, self._left_out(name))
        key = {"segment": one.segment.digest.hex}
        return Sources(name, key, paths, lambda: read_segment(self._store, self._unpacker.part(artifact, one, ())))

    def _wheel_sources(self, wheel: Wheel, target: BytecodeTarget) -> Sources:
        paths = target.sources(self._listings[wheel].paths, self._left_out(wheel.file_name))
        key = self._wheel_key(wheel)
        return Sources(
            wheel.file_name, key, paths, lambda: package_tar(self._open_wheel(wheel), paths, self._store), wheel.size
        )

    def _open_wheel(self, wheel: Wheel) -> Package:
        if (opened := self._opened.take(wheel.digest)) is not None:
            return opened
        with using(self._store, wheel):
            path = self._paths[wheel.digest]
            package = open_wheel(path, self._target, expected_name=wheel.name, expected_version=wheel.version)
        return LockedPackage(self._store, wheel, package)

    def _wheel_key(self, wheel: Wheel) -> dict[str, Any]:
        return {"wheel": wheel.digest.hex, "name": [wheel.name, wheel.version], "python": self.plan.interpreter.minor}

    def _segment_key(self, wheel: Wheel) -> dict[str, Any]:
        return {**self._wheel_key(wheel), "left-out": sorted(self._left_out(wheel.file_name))}


def _encoded_of(layer: LayerPlan) -> list[Encoded]:
    return [*layer.debian, *([layer.archive] if layer.archive else []), *layer.conda]


def _name(kind: str, key: Any) -> str:
    return hashlib.sha256(canonical_json([kind, key])).hexdigest()


def _size(artifact: Encoded) -> int:
    return artifact.size or 0


def _debian_owners(unpacked: Mapping[Encoded, Unpacked], facts: Mapping[Encoded, DebFacts]) -> list[Owner]:
    """In the order of unpacking: base-files makes the root's directories, the others follow by name."""
    owners = [
        Owner(owner_name(package), unpacked[package].contents, _names(one.field("Replaces")))
        for package, one in facts.items()
    ]
    return sorted(owners, key=lambda owner: (owner.name != "base-files", owner.name))


def _entries(directories: Iterable[Directory]) -> Iterable[FileEntry]:
    return (FileEntry.directory(entry.path, entry.mode, entry.uid, entry.gid) for entry in directories)


def _names(relation: str) -> frozenset[str]:
    """The packages that a relation field names, whatever their versions."""
    return frozenset(re.findall(r"(?:^|,)\s*([a-z0-9][a-z0-9+.-]+)", relation))


def _all_paths(contents: Iterable[Contents]) -> Iterable[str]:
    for one in contents:
        yield from one.paths
        yield from (directory.path for directory in one.directories)
