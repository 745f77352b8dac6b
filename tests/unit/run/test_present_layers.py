from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_CONFIG, MEDIA_TYPE_LAYER_GZIP, Descriptor, ImageConfig, Manifest, Platform
from builder.oci.store import Store
from builder.run.docker.load import present_layers
from builder.run.interface import LocalImage

SIZES = (50_000_000, 40_000_000, 3_000, 2_000)
DIFF_IDS = tuple(Digest.of(bytes([number])) for number in range(len(SIZES)))


@dataclass
class _Images:
    """The images of an engine: what it lists of each, and its layers."""

    listed: list[dict[str, Any]] = field(default_factory=list)
    layers: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def add(self, identity: str, layers: int, *tags: str) -> None:
        self.listed.append({"Id": identity, "RepoTags": list(tags) or None})
        self.layers[identity] = [str(diff_id) for diff_id in DIFF_IDS[:layers]] + ["sha256:other"]

    def get(self, identity: str) -> Any:
        self.asked.append(identity)
        return type("Image", (), {"attrs": {"RootFS": {"Layers": self.layers[identity]}}})()


class _Engine:
    def __init__(self) -> None:
        self.images = _Images()
        self.api = type("Api", (), {"images": lambda _: self.images.listed})()


@pytest.fixture
def engine() -> _Engine:
    return _Engine()


@pytest.fixture
def image(tmp_path: Path) -> LocalImage:
    layers = tuple(
        Descriptor(MEDIA_TYPE_LAYER_GZIP, diff_id, size) for diff_id, size in zip(DIFF_IDS, SIZES, strict=True)
    )
    config = ImageConfig(Platform("amd64"), "1980-01-02T00:00:00Z", DIFF_IDS, ("layer",) * len(SIZES))
    manifest = Manifest(Descriptor(MEDIA_TYPE_CONFIG, Digest.of(b"{}"), 2), layers, {})
    return LocalImage(Store(tmp_path), Descriptor("manifest", Digest.of(b""), 1), manifest, config, "churn:1.0")


def test_an_engine_without_images_has_no_layer(engine: Any, image: LocalImage) -> None:
    assert present_layers(engine, image) == 0


def test_the_longest_chain_of_all_images_counts(engine: Any, image: LocalImage) -> None:
    engine.images.add("a", 1, "a:1")
    engine.images.add("b", 2, "b:1")
    engine.images.add("c", 0)
    assert present_layers(engine, image) == 2


def test_the_image_of_the_same_name_is_asked_first_and_no_other_once_little_is_left(
    engine: Any, image: LocalImage
) -> None:
    engine.images.add("dangling", 3)
    engine.images.add("similar", 3, "churned:1.0")
    engine.images.add("previous", 2, "registry/churn:1.0", "churn:0.9")
    assert present_layers(engine, image) == 2
    assert engine.images.asked == ["previous"]


def test_other_images_are_asked_while_much_is_left(engine: Any, image: LocalImage) -> None:
    engine.images.add("environment", 2, "sklearn:latest")
    engine.images.add("previous", 1, "churn:1.0")
    assert present_layers(engine, image) == 2
    assert engine.images.asked == ["previous", "environment"]
