"""Images to build on that others could have made: Debian with Python and without an environment, changed at will."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import zstandard
from docker_registry import Registry

from builder.image.kept import read_image
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_LAYER,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
)
from builder.oci.layout import Layout

ROOT = Path(__file__).parents[1]
_DOCKER = {
    MEDIA_TYPE_MANIFEST: "application/vnd.docker.distribution.manifest.v2+json",
    MEDIA_TYPE_CONFIG: "application/vnd.docker.container.image.v1+json",
    MEDIA_TYPE_LAYER: "application/vnd.docker.image.rootfs.diff.tar",
    f"{MEDIA_TYPE_LAYER}+gzip": "application/vnd.docker.image.rootfs.diff.tar.gzip",
    f"{MEDIA_TYPE_LAYER}+zstd": "application/vnd.docker.image.rootfs.diff.tar.zstd",
}
_COMPRESS = {"": bytes, "gzip": lambda data: gzip.compress(data, 1, mtime=0), "zstd": zstandard.compress}


@dataclass(frozen=True)
class Base:
    """An image of one platform."""

    config: ImageConfig
    layers: tuple[Descriptor, ...]
    blobs: dict[Digest, bytes] = field(repr=False, default_factory=dict)

    def add(self, *entries: tuple[tarfile.TarInfo, bytes], compression: str = "gzip", text: str = "made up") -> Base:
        """With one layer more."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for info, content in entries:
                archive.addfile(info, io.BytesIO(content))
        blob = _COMPRESS[compression](tar.getvalue())
        kind = f"{MEDIA_TYPE_LAYER}+{compression}" if compression else MEDIA_TYPE_LAYER
        config = replace(
            self.config,
            diff_ids=(*self.config.diff_ids, Digest.of(tar.getvalue())),
            history=(*self.config.history, text),
        )
        layer = Descriptor(kind, Digest.of(blob), len(blob))
        return replace(self, config=config, layers=(*self.layers, layer), blobs={**self.blobs, layer.digest: blob})

    def configured(self, **settings: Any) -> Base:
        """With other settings."""
        return replace(self, config=replace(self.config, **settings))

    def push(self, registry: Registry, name: str, *, docker: bool = False) -> Descriptor:
        """Put it into a registry, in OCI's format or in docker's; the manifest's descriptor."""
        blobs, media_type, manifest = self._documents(docker)
        registry.put(name, blobs, [(media_type, manifest)])
        return Descriptor(media_type, Digest.of(manifest), len(manifest), platform=self.config.platform)

    def _documents(self, docker: bool) -> tuple[list[bytes], str, bytes]:
        config = self.config.to_bytes()
        text = Manifest(Descriptor(MEDIA_TYPE_CONFIG, Digest.of(config), len(config)), self.layers).to_bytes()
        if docker:
            document = json.loads(text)
            for part in (document, document["config"], *document["layers"]):
                part["mediaType"] = _DOCKER[part["mediaType"]]
            text = canonical_json(document)
        media_type = _DOCKER[MEDIA_TYPE_MANIFEST] if docker else MEDIA_TYPE_MANIFEST
        return [*(self.blobs[layer.digest] for layer in self.layers), config], media_type, text


def debian_bases(projects: Path, store: Path) -> dict[str, Base]:
    """Debian's base with its Python, by architecture: an environment's image without what makes it one."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)}
    line = [sys.executable, "-m", "builder", "-q", "build", str(projects / "environments/plain"), "--json"]
    built = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300, check=True).stdout
    return {
        name.rpartition("/")[2]: _without_environment(Layout(store), Digest.parse(digest))
        for name, digest in json.loads(built)["images"].items()
    }


def push_index(registry: Registry, name: str, bases: Sequence[Base]) -> None:
    """Put images of several platforms under one name."""
    repository = name.rpartition(":")[0]
    entries = tuple(base.push(registry, f"{repository}:{base.config.platform.architecture}") for base in bases)
    registry.put(name, [], [(MEDIA_TYPE_INDEX, Index(entries).to_bytes())])


def _without_environment(store: Layout, digest: Digest) -> Base:
    image = read_image(store, Descriptor(MEDIA_TYPE_MANIFEST, digest, store.path(digest).stat().st_size))
    kept = [text.startswith("Debian: ") or text == "system files" for text in image.config.history]
    layers = tuple(layer for layer, keep in zip(image.manifest.layers, kept, strict=True) if keep)
    config = ImageConfig(
        image.config.platform,
        image.config.created,
        tuple(diff_id for diff_id, keep in zip(image.config.diff_ids, kept, strict=True) if keep),
        tuple(text for text, keep in zip(image.config.history, kept, strict=True) if keep),
        env=("PATH=/usr/local/bin:/usr/bin:/bin",),
        cmd=("python3",),
    )
    return Base(config, layers, {layer.digest: store.path(layer.digest).read_bytes() for layer in layers})
