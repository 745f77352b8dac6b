"""Small images with real gzip layers in a real store."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

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
    name_annotations,
)
from builder.oci.store import Store


class Samples:
    """Writes images into a store."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def blob(self, media_type: str, data: bytes) -> Descriptor:
        return Descriptor(media_type, self.store.write(data), len(data))

    def layer(self, text: str) -> tuple[Descriptor, Digest]:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as archive:
            member = tarfile.TarInfo("file")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
        return self.blob(MEDIA_TYPE_LAYER_GZIP, gzip.compress(file.getvalue(), mtime=0)), Digest.of(file.getvalue())

    def image(self, architecture: str = "amd64") -> tuple[Descriptor, Manifest]:
        layers = [self.layer("shared " * 5000), self.layer(architecture * 3000)]
        config = ImageConfig(
            Platform(architecture), "1980-01-02T00:00:00Z", tuple(diff for _, diff in layers), ("a", "b")
        )
        manifest = Manifest(self.blob(MEDIA_TYPE_CONFIG, config.to_bytes()), tuple(layer for layer, _ in layers))
        data = manifest.to_bytes()
        top = Descriptor(MEDIA_TYPE_MANIFEST, self.store.write(data), len(data), platform=config.platform)
        return top, manifest

    def index(self) -> tuple[Descriptor, Manifest]:
        images = [self.image("amd64"), self.image("arm64")]
        data = Index(tuple(top for top, _ in images)).to_bytes()
        top = Descriptor(MEDIA_TYPE_INDEX, self.store.write(data), len(data), name_annotations("a:1"))
        return top, images[0][1]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture
def samples(store: Store) -> Samples:
    return Samples(store)
