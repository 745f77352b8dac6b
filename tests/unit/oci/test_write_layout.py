from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import DigestMismatchError
from builder.oci.archive import only_image, reachable, read_index, write_layout
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from builder.oci.layout import Layout
from builder.oci.store import Store

LAYERS = [bytes([number]) * 3_000_000 for number in range(5)]


def _kept(store: Store, media_type: str, data: bytes) -> Descriptor:
    return Descriptor(media_type, store.write(data), len(data))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture
def top(store: Store) -> Descriptor:
    layers = tuple(_kept(store, MEDIA_TYPE_LAYER_GZIP, data) for data in LAYERS)
    manifest = Manifest(_kept(store, MEDIA_TYPE_CONFIG, b"{}"), layers, {})
    entry = _kept(store, MEDIA_TYPE_MANIFEST, manifest.to_bytes())
    return _kept(store, MEDIA_TYPE_INDEX, Index((entry,)).to_bytes())


def test_a_layout_folder_holds_what_is_reachable_and_nothing_else(
    store: Store, top: Descriptor, tmp_path: Path
) -> None:
    store.write(b"of another image")
    write_layout(tmp_path / "layout", store, top)
    layout = Layout(tmp_path / "layout")
    assert set(layout.blobs()) == {blob.digest for blob in reachable(store, top)}
    assert only_image(read_index((tmp_path / "layout/index.json").read_bytes(), "layout").manifests, "layout") == top
    assert sorted(path.name for path in (tmp_path / "layout").iterdir()) == ["blobs", "index.json", "oci-layout"]


def test_a_damaged_blob_is_refused_and_the_index_names_nothing(store: Store, top: Descriptor, tmp_path: Path) -> None:
    damaged = reachable(store, top)[-2]
    store.path(damaged.digest).write_bytes(b"x" * damaged.size)
    with pytest.raises(DigestMismatchError):
        write_layout(tmp_path / "layout", store, top)
    assert Index.from_bytes((tmp_path / "layout/index.json").read_bytes()).manifests == ()
    assert not (tmp_path / "layout/blobs/sha256" / damaged.digest.hex).exists()


def test_layout_that_is_there_is_replaced_whole(tmp_path):
    from builder.oci.archive import reachable, write_layout
    from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor, Manifest
    from builder.oci.layout import Layout
    from builder.oci.store import Store

    store = Store(tmp_path / "store")
    store.create()

    def image(text: bytes) -> Descriptor:
        layer = Descriptor("application/vnd.oci.image.layer.v1.tar", store.write(text), len(text))
        config = Descriptor("application/vnd.oci.image.config.v1+json", store.write(b"{}"), 2)
        data = Manifest(config, (layer,)).to_bytes()
        return Descriptor(MEDIA_TYPE_MANIFEST, store.write(data), len(data))

    first, second = image(b"first"), image(b"second")
    write_layout(tmp_path / "bundle", store, first)
    write_layout(tmp_path / "bundle", store, second)
    assert set(Layout(tmp_path / "bundle").blobs()) == {blob.digest for blob in reachable(store, second)}
