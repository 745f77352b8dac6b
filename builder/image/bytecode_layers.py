"""The layers of bytecode of an image: what is compiled of which package, on which root, joined as other layers are."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO

from builder.image.absent import bring
from builder.image.base import base_layers, base_places
from builder.image.bytecode import Bytecode, BytecodeMaker, Sources
from builder.image.config import environment_config
from builder.image.filesystem import Filesystem
from builder.image.kept import Image, kept_layer, write_image
from builder.image.locked_file import Artifact
from builder.image.skeleton import ENVIRONMENT
from builder.image.workshop import Workshop
from builder.layers.bytecode import BytecodeTarget
from builder.layers.interface import Package
from builder.layers.join import Layer, write_layer
from builder.oci.layout import CHUNK
from builder.oci.store import Store
from builder.plan import LayerPlan, Plan


@dataclass(frozen=True, slots=True)
class Ground:
    """An image before its bytecode."""

    plan: Plan
    layers: Sequence[Layer]
    """Of the plan's packages, without those of a base."""
    filesystem: Filesystem


def bytecode_target(plan: Plan) -> BytecodeTarget:
    """Where the environment's interpreter looks for modules that a package brings.

    Raises: EnvbuildError, if no bytecode can be made for it.
    """
    minor = plan.interpreter.minor
    prefix = plan.interpreter.path.strip("/").rpartition("/")[0].rpartition("/")[0]
    return BytecodeTarget(minor, tuple(f"{folder}/lib/python{minor}" for folder in (prefix, ENVIRONMENT)))


def bytecode_layers(
    ground: Ground, sources: Mapping[Artifact, Sources], target: BytecodeTarget, workshop: Workshop
) -> list[tuple[LayerPlan, Layer]]:
    """The planned layers of bytecode that are not empty; `sources` are those of every artifact in them.

    Raises: EnvbuildError, if bytecode cannot be made here; DigestMismatchError, if it is not the same twice.
    """
    plan = ground.plan
    artifacts = list(dict.fromkeys(artifact for layer in plan.bytecode for artifact in layer.artifacts))
    maker = BytecodeMaker(workshop, target, _interpreter(plan), lambda: _root(ground, workshop))
    made = maker.make([sources[artifact] for artifact in artifacts], f"{plan.platform}: compiling")
    compiled = dict(zip(artifacts, made, strict=True))
    layers = []
    for layer in plan.bytecode:
        parts = [compiled[artifact] for artifact in layer.artifacts]
        if any(part.contents.paths for part in parts):
            layers.append((layer, _layer(parts, ground.filesystem, workshop.store)))
    return layers


def package_tar(package: Package, wanted: Sequence[str], store: Store) -> Iterator[bytes]:
    """The tar stream of a package's files `wanted`, without its end."""
    with tempfile.TemporaryFile(dir=store.temporary) as file:
        package.write(_TarSink(file), frozenset(package.contents().paths).difference(wanted))
        file.seek(0)
        while data := file.read(CHUNK):
            yield data


class _TarSink:
    """A Sink that keeps the tar side alone."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def compressed(self, data: bytes | memoryview) -> None:
        pass

    def uncompressed(self, data: bytes | memoryview) -> None:
        self._file.write(data)


def _layer(parts: Sequence[Bytecode], filesystem: Filesystem, store: Store) -> Layer:
    segments = [part.segment for part in parts if part.contents.paths]
    directories = filesystem.directories_for([path for part in parts for path in part.contents.paths])
    key = {
        "bytecode": [segment.digest.hex for segment in segments],
        "directories": [[entry.path, entry.mode, entry.uid, entry.gid] for entry in directories],
    }
    return kept_layer(store, key, lambda: write_layer(store, directories, segments))


def _interpreter(plan: Plan) -> list[str]:
    """Names the interpreter by its path and by the digests of what it is made of."""
    minor, base = plan.interpreter.minor, plan.base
    digests = [plan.archive.digest] if plan.archive else []
    digests += [package.digest for package in plan.debian if package.name.startswith(_debian_names(minor))]
    digests += [package.digest for package in plan.conda if package.name == "python"]
    digests += [base.manifest.digest] if base and not digests else []
    return [plan.interpreter.version, plan.interpreter.path, *(digest.hex for digest in digests)]


def _debian_names(minor: str) -> tuple[str, str]:
    return f"python{minor}", f"libpython{minor}"


def _root(ground: Ground, workshop: Workshop) -> Image:
    """An image with the interpreter and what it needs, of layers that are there."""
    plan = ground.plan
    needed = _needed_conda(plan)
    pairs = [
        (layer, made)
        for layer, made in zip(plan.packages, ground.layers, strict=True)
        if layer.kind not in ("conda", "python") or any(package.name in needed for package in layer.conda)
    ]
    layers = [*base_layers(plan.base), *(made for _, made in pairs)]
    config = environment_config(
        replace(plan, layers=tuple(layer for layer, _ in pairs)), [layer.diff_id for layer in layers]
    )
    root = write_image(workshop.store, layers, config, base_places(plan.base))
    bring(root.manifest.layers, root.elsewhere, workshop)
    return root


def _needed_conda(plan: Plan) -> frozenset[str]:
    """The names of conda's Python, if there is one, and of all that it needs."""
    packages = {package.name: package for package in plan.conda}
    needed: set[str] = set()
    waiting = ["python"]
    while waiting:
        name = waiting.pop()
        if name in packages and name not in needed:
            needed.add(name)
            waiting += packages[name].dependencies
    return frozenset(needed)
