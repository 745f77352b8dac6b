"""What was pulled is given the name that it says itself, and what a bundle cannot have is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_layouts import add_image, add_index

from builder.bundle.build import index_images
from builder.bundle.pulled import pulled_images, subjects, with_name
from builder.bundle.reading.reader import read_bundle
from builder.errors import EnvbuildError
from builder.image.kept import Image, read_image, write_image
from builder.oci.attachments import Attachment, write_attachment
from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor, ImageConfig, Platform
from builder.oci.registry import Reference
from builder.oci.store import Store

REFERENCE = Reference.parse("registry.example/team/shared:7")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    store.create()
    return store


def labelled(store: Store, title: str, version: str) -> Image:
    labels = {"org.opencontainers.image.title": title, "org.opencontainers.image.version": version}
    return write_image(store, [], ImageConfig(Platform("amd64"), "2020-01-01T00:00:00Z", (), (), labels=labels))


def test_an_image_alone_gives_the_index_that_it_was_built_with(store: Store) -> None:
    built = index_images(store, "penguins:1.0", [labelled(store, "penguins", "1.0")])
    assert pulled_images(store, built.images[0].descriptor, REFERENCE) == built
    assert pulled_images(store, built.index, REFERENCE) == built


def test_what_has_no_name_is_called_as_the_repository(store: Store) -> None:
    top = add_image(store, "amd64", b"layer")
    assert pulled_images(store, top, REFERENCE).name == "shared:7"
    by_digest = Reference.parse(f"registry.example/team/shared@{top.digest}")
    assert pulled_images(store, top, by_digest).name == "shared:latest"
    odd = labelled(store, "../../etc", "a b")
    assert pulled_images(store, odd.descriptor, REFERENCE).name == "shared:7"


def test_images_are_sorted_by_platform_and_the_index_stays(store: Store) -> None:
    entries = [add_image(store, name, name.encode()) for name in ("s390x", "amd64")]
    top = add_index(store, *entries)
    built = pulled_images(store, top, REFERENCE)
    assert [image.descriptor for image in built.images] == entries[::-1]
    assert [read_image(store, entry) for entry in entries] == list(built.images[::-1])
    assert built.index.digest == top.digest


def test_what_a_bundle_cannot_have_is_refused(store: Store) -> None:
    nested = add_index(store, add_index(store, add_image(store, "amd64", b"layer")))
    with pytest.raises(EnvbuildError, match="cannot be written as a bundle"):
        pulled_images(store, nested, REFERENCE)
    with pytest.raises(EnvbuildError, match="holds no image"):
        pulled_images(store, add_index(store), REFERENCE)


def test_a_model_and_records_come_along(store: Store) -> None:
    image = labelled(store, "penguins", "1.0")
    model = Descriptor(MEDIA_TYPE_MANIFEST, store.write(b"{}"), 2, platform=Platform("unknown", "unknown"))
    top = add_index(store, image.descriptor, model)
    record = write_attachment(store, top, Attachment("application/x", "application/x", b"record"))
    assert subjects(store, top) == (top.digest, image.descriptor.digest, model.digest)
    built = pulled_images(store, top, REFERENCE, [record])
    assert (built.name, built.index.digest) == ("penguins:1.0", top.digest)
    assert [one.descriptor for one in built.images] == [image.descriptor]
    assert built.attached is not None
    assert store.index(built.attached).manifests == (record,)
    assert pulled_images(store, top, REFERENCE).attached is None


def test_a_bundle_that_is_read_in_a_registry_is_called_as_it_says(store: Store) -> None:
    top = add_index(store, labelled(store, "penguins", "1.0").descriptor)
    bundle = with_name(read_bundle(store, top), REFERENCE)
    assert (bundle.name, bundle.top.digest) == ("penguins:1.0", top.digest)
