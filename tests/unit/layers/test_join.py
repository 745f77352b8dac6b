"""Joining segments into layers."""

from pathlib import Path

import pytest

from builder.errors import DigestMismatchError
from builder.layers.files import FileEntry, FileTree
from builder.layers.join import Segment, write_layer, write_segment
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


def test_layer_of_a_kept_segment_equals_one_written_straight(store: Store) -> None:
    from builder.layers.join import Fresh

    tree = FileTree([FileEntry("a/text", b"text" * 1000), FileEntry.link("a/link", "text")])
    assert write_layer(store, [], [write_segment(store, tree)]) == write_layer(store, [], [Fresh(tree)])
