from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from builder.image.kept import Image, kept_image, kept_layer, write_image
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Directory
from builder.layers.join import Fresh, Layer, write_layer
from builder.oci.documents import ImageConfig, Platform
from builder.oci.registry.reference import Reference
from builder.oci.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


def make_layer(store: Store) -> Layer:
    return write_layer(store, [Directory("a")], [Fresh(FileTree([FileEntry("a/b", b"x" * 5000)]))])


def make_image(store: Store) -> Image:
    layer = make_layer(store)
    return write_image(store, [layer], ImageConfig(Platform("amd64"), "1980-01-02T00:00:00Z", (layer.diff_id,), ("a",)))


@pytest.mark.parametrize("damage", ["missing", "cut short"])
@pytest.mark.parametrize("part", ["manifest", "config", "layer", "record"])
def test_an_image_is_made_again_when_any_part_of_it_is_gone(part: str, damage: str, store: Store) -> None:
    made = []

    def make() -> Image:
        made.append(1)
        return make_image(store)

    image = kept_image(store, {"plan": "x"}, make)
    assert kept_image(store, {"plan": "x"}, make) == image
    assert len(made) == 1
    blobs = {"manifest": image.descriptor, "config": image.manifest.config, "layer": image.manifest.layers[0]}
    path = store.path(blobs[part].digest) if part in blobs else next((store.root / "records/images").iterdir())
    data = path.read_bytes()
    path.unlink()
    if damage == "cut short":
        path.write_bytes(data[: len(data) // 2])
    assert kept_image(store, {"plan": "x"}, make) == image
    assert len(made) == 2
    assert kept_image(store, {"plan": "y"}, make) == image
    assert len(made) == 3


def test_a_layer_is_made_again_when_its_blob_is_gone(store: Store) -> None:
    layer = kept_layer(store, {"packages": ["x"]}, lambda: make_layer(store))
    store.discard(layer.descriptor.digest)
    assert kept_layer(store, {"packages": ["x"]}, lambda: make_layer(store)) == layer
    assert store.has(layer.descriptor.digest, layer.descriptor.size)


def test_an_image_is_known_although_layers_of_its_base_are_elsewhere(store: Store) -> None:
    image = make_image(store)
    layer = image.manifest.layers[0]
    places = {layer.digest: Reference.parse("registry.example/base:1")}
    assert kept_image(store, {"plan": "x"}, lambda: replace(image, elsewhere=places), places).elsewhere == places
    store.discard(layer.digest)
    assert kept_image(store, {"plan": "x"}, unneeded, places) == replace(image, elsewhere=places)
    with pytest.raises(AssertionError, match="made"):
        kept_image(store, {"plan": "x"}, unneeded)


def unneeded() -> Image:
    raise AssertionError("it was made again")
