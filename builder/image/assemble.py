"""The native builder: from a plan to an environment image in the store, without daemon, root or network.

Only what is not in the store is made, each piece once, in parallel: the listing of each package, the segment of
each small one, each layer, the image.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from builder.image.base import base_directories, base_layers, base_places, check_base
from builder.image.config import environment_config
from builder.image.filesystem import Filesystem, Owner, merge
from builder.image.kept import (
    Image,
    contents_from_value,
    contents_to_value,
    kept_image,
    kept_layer,
    kept_value,
    write_image,
)
from builder.image.locked_file import LockedPackage, using
from builder.image.skeleton import environment_files
from builder.image.unpacking import Encoded, Unpacked, Unpacker, owner_name
from builder.image.workshop import Workshop
from builder.layers.conda import conda_order
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Contents, Directory, Package
from builder.layers.join import Fresh, Layer, Segment, write_layer, write_segment
from builder.layers.system import DebFacts, system_directories, system_files
from builder.layers.wheel import open_wheel
from builder.layers.wheel_layout import WheelTarget
from builder.lock.artifact import Wheel
from builder.oci.digest import Digest
from builder.plan import ALONE_SIZE, LayerPlan, Plan

SYSTEM, ENVIRONMENT = "the system files", "the environment's own files"
"""How the two packages that are made here are called in messages."""

_KEPT_OPEN = 30_000
"""How many paths of wheels stay in memory from the listing to the layer, so that their indexes are read once."""


def build_environment(plan: Plan, workshop: Workshop) -> Image:
    """The environment image of `plan`, made where it is not in the store yet.

    Raises: EnvbuildError, if an artifact cannot be had or built from; DigestMismatchError.
    """
    base = plan.base
    if base:
        check_base(base, plan.platform, workshop.store)
    elsewhere = base_places(base) if base else {}
    return kept_image(workshop.store, {"plan": plan.key}, lambda: _Build(plan, workshop).image(), elsewhere)


class _Build:
    """One run of the builder over one plan."""

    def __init__(self, plan: Plan, workshop: Workshop) -> None:
        self._plan = plan
        self._workshop = workshop
        self._store = workshop.store
        major, minor = plan.interpreter.minor.split(".")
        self._target = WheelTarget(python_version=(int(major), int(minor)))
        self._paths: Mapping[Digest, Path] = {}
        self._opened: dict[Digest, Package] = {}
        self._room = _KEPT_OPEN

    def image(self) -> Image:
        """The image, written to the store."""
        plan, workshop = self._plan, self._workshop
        encoded = _encoded(plan)
        fetcher = workshop.fetcher.with_indexes(dict(plan.indexes))
        self._paths = fetcher.blobs([artifact.source for artifact in (*encoded, *plan.wheels)])
        unpacker = Unpacker(self._store, self._paths, plan.interpreter, self._target)
        what = "Debian packages" if len(encoded) == len(plan.debian) else "packages"
        values = workshop.split(unpacker.unpack, encoded, _size, f"{plan.platform}: unpacking {what}")
        unpacked = dict(zip(encoded, map(Unpacked.from_value, values), strict=True))
        listed = dict(zip(plan.wheels, workshop.each(self._listed_wheel, plan.wheels, _size), strict=True))
        facts = {artifact: one.facts for artifact, one in unpacked.items() if one.facts}
        own, settled = self._own_files(list(facts.values()))
        filesystem = merge(_debian_owners(unpacked, facts), self._later(own, unpacked, listed), settled)

        def layer_of(layer: LayerPlan) -> Layer:
            if layer.kind in own:
                return self._own_layer(own[layer.kind], filesystem)
            if layer.wheels:
                return self._python_layer(layer, listed, filesystem)
            return self._encoded_layer(layer, unpacked, unpacker, filesystem)

        made = workshop.split(layer_of, plan.layers, _layer_size, f"{plan.platform}: writing layers")
        layers = [*(base_layers(plan.base) if plan.base else ()), *made]
        elsewhere = base_places(plan.base) if plan.base else {}
        config = environment_config(plan, [layer.diff_id for layer in layers])
        return write_image(self._store, layers, config, elsewhere)

    def _own_files(self, facts: Sequence[DebFacts]) -> tuple[dict[str, FileTree], tuple[Directory, ...]]:
        """What is made here, by kind of layer, and the directories that are settled, whoever declares them."""
        plan, architecture = self._plan, self._plan.platform.architecture
        environment = FileTree(environment_files(plan.interpreter, conda=bool(plan.conda)))
        if plan.base:
            return {"environment": environment}, tuple(base_directories(plan.base).values())
        settled = tuple(system_directories(facts, architecture))
        system = FileTree((*system_files(facts, architecture), *_entries(settled)))
        return {"system": system, "environment": environment}, settled

    def _later(
        self, own: Mapping[str, FileTree], unpacked: Mapping[Encoded, Unpacked], listed: Mapping[Wheel, Contents]
    ) -> list[Owner]:
        """What comes after the Debian packages, in the order of installing: the last one with a path provides it."""
        later = [Owner(SYSTEM, own["system"].contents())] if "system" in own else []
        if self._plan.archive:
            later.append(Owner(owner_name(self._plan.archive), unpacked[self._plan.archive].contents))
        later.append(Owner(ENVIRONMENT, own["environment"].contents()))
        later += [Owner(owner_name(one), unpacked[one].contents) for one in conda_order(self._plan.conda)]
        return later + [Owner(wheel.file_name, contents) for wheel, contents in listed.items()]

    def _listed_wheel(self, wheel: Wheel) -> Contents:
        def make() -> Any:
            opened = self._open_wheel(wheel)
            contents = opened.contents()
            self._room -= len(contents.paths)
            if self._room >= 0:
                self._opened[wheel.digest] = opened
            return contents_to_value(contents)

        return contents_from_value(kept_value(self._store, "wheels", self._wheel_key(wheel), make))

    def _own_layer(self, tree: FileTree, filesystem: Filesystem) -> Layer:
        return write_layer(self._store, filesystem.directories_for(_all_paths([tree.contents()])), [Fresh(tree)])

    def _encoded_layer(
        self, layer: LayerPlan, unpacked: Mapping[Encoded, Unpacked], unpacker: Unpacker, filesystem: Filesystem
    ) -> Layer:
        artifacts: list[Encoded] = [*layer.debian, *([layer.archive] if layer.archive else []), *layer.conda]

        def parts() -> list[Segment | Fresh]:
            return [
                unpacker.part(one, unpacked[one], filesystem.left_out.get(owner_name(one), frozenset()))
                for one in artifacts
            ]

        contents = [unpacked[one].contents for one in artifacts]
        names = [owner_name(one) for one in artifacts]
        segments = [unpacked[one].segment.digest.hex for one in layer.conda]  # hold more than their files' digests say
        more = {"segments": segments} if segments else {}
        return self._kept_layer(layer, contents, names, parts, filesystem, more)

    def _python_layer(self, layer: LayerPlan, listed: Mapping[Wheel, Contents], filesystem: Filesystem) -> Layer:
        def parts() -> list[Segment | Fresh]:
            return [self._python_part(wheel, filesystem) for wheel in layer.wheels]

        contents = [listed[wheel] for wheel in layer.wheels]
        return self._kept_layer(layer, contents, [wheel.file_name for wheel in layer.wheels], parts, filesystem)

    def _python_part(self, wheel: Wheel, filesystem: Filesystem) -> Segment | Fresh:
        """A large wheel goes straight into the layer that it has alone; a small one's segment is kept for others."""
        left_out = filesystem.left_out.get(wheel.file_name, frozenset())
        if wheel.size >= ALONE_SIZE:
            return Fresh(self._open_wheel(wheel), left_out)

        def make() -> Any:
            segment = write_segment(self._store, self._open_wheel(wheel), left_out)
            return [str(segment.digest), segment.size]

        key = {**self._wheel_key(wheel), "left-out": sorted(left_out)}
        digest, size = kept_value(self._store, "segments", key, make)
        if not self._store.has(Digest.parse(digest), size):
            digest, size = make()
        return Segment(Digest.parse(digest), size)

    def _kept_layer(
        self,
        layer: LayerPlan,
        contents: Sequence[Contents],
        names: Sequence[str],
        parts: Callable[[], list[Segment | Fresh]],
        filesystem: Filesystem,
        more: Mapping[str, Any] = MappingProxyType({}),
    ) -> Layer:
        """The layer, from the store where it was made of the same before; `more` is what it depends on besides."""
        directories = filesystem.directories_for(_all_paths(contents))
        key = {
            "packages": [digest.hex for digest in layer.digests],
            "python": self._plan.interpreter.minor if layer.wheels else None,
            "left-out": [sorted(filesystem.left_out.get(name, ())) for name in names],
            "directories": [[entry.path, entry.mode, entry.uid, entry.gid] for entry in directories],
            **more,
        }
        return kept_layer(self._store, key, lambda: write_layer(self._store, directories, parts()))

    def _open_wheel(self, wheel: Wheel) -> Package:
        if wheel.digest in self._opened:
            return self._opened.pop(wheel.digest)
        with using(self._store, wheel):
            path = self._paths[wheel.digest]
            opened = open_wheel(path, self._target, expected_name=wheel.name, expected_version=wheel.version)
        return LockedPackage(self._store, wheel, opened)

    def _wheel_key(self, wheel: Wheel) -> dict[str, Any]:
        return {"wheel": wheel.digest.hex, "name": [wheel.name, wheel.version], "python": self._plan.interpreter.minor}


def _encoded(plan: Plan) -> tuple[Encoded, ...]:
    return (*plan.debian, *((plan.archive,) if plan.archive else ()), *plan.conda)


def _size(artifact: Encoded | Wheel) -> int:
    return artifact.size or 0


def _layer_size(layer: LayerPlan) -> int:
    return layer.size


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
