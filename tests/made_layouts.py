"""Layouts of images of any content, for tests of what moves them."""

from __future__ import annotations

import json
import random
from pathlib import Path

from registry_simulator import Simulator

from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)
from builder.oci.layout import Layout


def new_layout(path: Path) -> Layout:
    """An empty layout."""
    layout = Layout(path)
    layout.create()
    return layout


def add_image(layout: Layout, architecture: str, *layers: bytes) -> Descriptor:
    """An image of these layers."""
    config = ImageConfig(Platform(architecture), "2020-01-01T00:00:00Z", tuple(map(Digest.of, layers)), ()).to_bytes()
    manifest = Manifest(
        Descriptor(MEDIA_TYPE_CONFIG, layout.write(config), len(config)),
        tuple(Descriptor(MEDIA_TYPE_LAYER_GZIP, layout.write(layer), len(layer)) for layer in layers),
    ).to_bytes()
    return Descriptor(MEDIA_TYPE_MANIFEST, layout.write(manifest), len(manifest), platform=Platform(architecture))


def add_index(layout: Layout, *entries: Descriptor) -> Descriptor:
    """An index of these entries."""
    data = Index(entries).to_bytes()
    return Descriptor(MEDIA_TYPE_INDEX, layout.write(data), len(data))


def noise(size: int, seed: int) -> bytes:
    """Bytes that are others for each seed."""
    return random.Random(seed).randbytes(size)


def contents(layout: Layout) -> dict[str, bytes]:
    """Every blob by its digest."""
    return {str(digest): layout.path(digest).read_bytes() for digest in layout.blobs()}


def fill(simulator: Simulator, repository: str, layout: Layout, top: Descriptor, tag: str) -> None:
    """Have a registry keep everything of a layout, and `top` under a tag."""
    for data in contents(layout).values():
        document = json.loads(data) if data.startswith(b'{"') else {}
        if "schemaVersion" in document:
            simulator.add_manifest(repository, data, document["mediaType"])
        else:
            simulator.add_blob(repository, data)
    simulator.tags.setdefault(repository, {})[tag] = str(top.digest)
