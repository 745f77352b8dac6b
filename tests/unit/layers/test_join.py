"""Joining segments into layers."""

import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import Directory
from builder.layers.join import LARGE, Fresh, Layer, Segment, write_layer, write_plain_layer, write_segment
from builder.oci.digest import Digest
from builder.oci.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


def segment_of(store: Store) -> Segment:
    text = "".join(f"{number} lines of some text\n" for number in range(20_000))
    return write_segment(store, FileTree([FileEntry("a/text", text.encode())]))


@pytest.mark.parametrize("place", [0.0, 0.02, 0.5, 0.99])
def test_damaged_segment_is_found_out_and_deleted(store: Store, place: float) -> None:
    segment = segment_of(store)
    path = store.path(segment.digest)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(DigestMismatchError, match="was damaged"):
        write_layer(store, [], [segment])
    assert not path.exists()


def test_cut_segment_is_found_out_and_deleted(store: Store) -> None:
    segment = segment_of(store)
    path = store.path(segment.digest)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DigestMismatchError, match="was damaged"):
        write_layer(store, [], [segment])
    assert not path.exists()


def plain(store: Store, entries: list[FileEntry]) -> Layer:
    return write_plain_layer(store, [Directory("model")], FileTree(entries))


@pytest.fixture
def weights(tmp_path: Path) -> FileEntry:
    path = tmp_path / "weights.bin"
    path.write_bytes(bytes(range(256)) * (LARGE // 128))
    return FileEntry.on_disk("model/weights.bin", path)


def test_a_plain_layer_is_the_tar_that_a_compressed_one_inflates_to(store: Store, weights: FileEntry) -> None:
    layer = plain(store, [weights, FileEntry("model/a", b"abc")])
    compressed = write_layer(store, [Directory("model")], [Fresh(FileTree([weights, FileEntry("model/a", b"abc")]))])
    assert layer.descriptor.media_type == "application/vnd.oci.image.layer.v1.tar"
    assert layer.diff_id == layer.descriptor.digest == compressed.diff_id
    with store.open(layer.descriptor.digest) as file, tarfile.open(fileobj=file) as archive:
        assert archive.getnames() == ["model", "model/a", "model/weights.bin"]
        found = archive.extractfile("model/weights.bin")
        assert found is not None
        assert weights.source is not None
        assert found.read() == weights.source.read_bytes()


def test_no_second_copy_of_a_large_file_is_written(store: Store, weights: FileEntry) -> None:
    layer = plain(store, [weights])
    assert store.has(layer.descriptor.digest, layer.descriptor.size)
    assert sum(usage.size for usage in store.usage() if usage.name == "blobs") == 0


def test_small_files_are_written_so_that_their_changes_do_no_harm(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"{}")
    layer = plain(store, [FileEntry.on_disk("model/config.json", path)])
    path.unlink()
    assert store.path(layer.descriptor.digest).stat().st_size == layer.descriptor.size


def test_weights_of_another_digest_than_is_known_are_refused(store: Store, weights: FileEntry) -> None:
    with pytest.raises(DigestMismatchError, match="bytes that were promised"):
        plain(store, [replace(weights, digest=Digest.of(b"other"))])


def test_weights_that_changed_since_they_were_listed_are_refused(store: Store, weights: FileEntry) -> None:
    assert weights.source is not None
    weights.source.write_bytes(b"short")
    with pytest.raises(EnvbuildError, match="changed while it was read"):
        plain(store, [weights])
    assert list(store.blobs()) == []


def test_layer_of_a_kept_segment_equals_one_written_straight(store: Store) -> None:
    tree = FileTree([FileEntry("a/text", b"text" * 1000), FileEntry.link("a/link", "text")])
    assert write_layer(store, [], [write_segment(store, tree)]) == write_layer(store, [], [Fresh(tree)])
