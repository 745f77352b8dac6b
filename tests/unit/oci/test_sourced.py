"""Blobs that are described, and lie in files of this machine."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor
from builder.oci.layout import Layout, copy_blob
from builder.oci.sourced import Part, Sourced
from builder.oci.store import Store

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "weights"
    path.write_bytes(CONTENT)
    return path


@pytest.fixture
def described(store: Store, source: Path) -> Descriptor:
    content = Sourced.of([Part(b"head"), Part.of_file(source), Part(b"tail")])
    whole = b"head" + CONTENT + b"tail"
    store.describe(Digest.of(whole), content)
    return Descriptor("application/octet-stream", Digest.of(whole), len(whole))


def touch(path: Path) -> None:
    path.write_bytes(CONTENT[::-1])


def cut(path: Path) -> None:
    os.truncate(path, 10)


def replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(CONTENT)
    other.replace(path)


def remove(path: Path) -> None:
    path.unlink()


def read_all(file: IO[bytes]) -> None:
    while file.read(1000):
        pass


CHANGES = (touch, cut, replace, remove)


def test_a_described_blob_is_there_and_nothing_was_written(store: Store, described: Descriptor) -> None:
    assert store.has(described.digest, described.size)
    assert not store.has(described.digest, described.size + 1)
    assert list(store.blobs()) == [described.digest]
    with store.open(described.digest) as file:
        assert file.read() == b"head" + CONTENT + b"tail"
    assert not store.path(described.digest).exists()


def test_a_described_blob_is_known_to_other_processes(store: Store, described: Descriptor) -> None:
    assert Store(store.root).has(described.digest, described.size)


@pytest.mark.parametrize("change", CHANGES)
def test_a_blob_whose_file_changed_is_not_there(
    store: Store, described: Descriptor, source: Path, change: Callable[[Path], None]
) -> None:
    change(source)
    assert not store.has(described.digest, described.size)
    with (
        pytest.raises(EnvbuildError, match="changed since it was packed"),
        store.open(described.digest) as file,
    ):
        read_all(file)


@pytest.mark.parametrize("change", [touch, cut])
def test_a_file_that_changes_while_it_is_read_is_noticed(
    store: Store, described: Descriptor, source: Path, change: Callable[[Path], None]
) -> None:
    with store.open(described.digest) as file:
        assert file.read(6) == b"head"
        assert len(file.read(1000)) == 1000
        change(source)
        with pytest.raises(EnvbuildError, match="changed since it was packed"):
            read_all(file)


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_is_copied_of_a_file_that_changed(
    store: Store, described: Descriptor, source: Path, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    target = Layout(tmp_path / "target")
    target.create()
    change(source)
    with pytest.raises(EnvbuildError, match="changed since it was packed"):
        copy_blob(store, target, described)
    assert list(target.blobs()) == []
    assert list(target.temporary.iterdir()) == []


def test_a_discarded_blob_is_gone_and_its_file_is_not(store: Store, described: Descriptor, source: Path) -> None:
    store.discard(described.digest)
    assert not store.has(described.digest, described.size)
    assert list(store.blobs()) == []
    assert source.read_bytes() == CONTENT


def test_pruning_everything_forgets_descriptions(store: Store, described: Descriptor, source: Path) -> None:
    store.prune(everything=True)
    assert not store.has(described.digest, described.size)
    assert source.exists()


def test_a_description_of_another_form_is_none(store: Store, described: Descriptor) -> None:
    for value in ([], {"parts": [[]]}, {"parts": [["00", 1]]}, {"parts": [["zz", 1, 2, 3, 4, 5]]}, {"parts": [[1]]}):
        store.keep_record("sourced-blobs", described.digest.hex, value)
        assert not store.has(described.digest, described.size)
        with pytest.raises(EnvbuildError, match="is not in"):
            store.open(described.digest)


def test_a_path_may_have_any_bytes(store: Store, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(folder)
    path = Path(os.fsdecode(folder)) / "w"
    path.write_bytes(b"abc")
    store.describe(Digest.of(b"abc"), Sourced((Part.of_file(path),)))
    with store.open(Digest.of(b"abc")) as file:
        assert file.read() == b"abc"


def test_what_is_no_file_is_no_part(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none"):
        with pytest.raises(EnvbuildError):
            Part.of_file(path)


@given(st.lists(st.binary(max_size=40), max_size=5), st.data())
def test_reading_and_seeking_are_those_of_a_file(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    parts = []
    for number, content in enumerate(contents):
        (folder / str(number)).write_bytes(content)
        in_file = data.draw(st.booleans())
        parts.append(Part.of_file(folder / str(number)) if in_file and content else Part(content))
    expected, actual = io.BytesIO(b"".join(contents)), Sourced.of(parts).open()
    assert Sourced.of(parts).size == len(expected.getvalue())
    for place, count in data.draw(st.lists(st.tuples(st.integers(0, 220), st.integers(0, 90)), max_size=6)):
        end = len(expected.getvalue())
        assert actual.seek(place) == expected.seek(min(place, end))
        found = b""
        while len(found) < count and (piece := actual.read(count - len(found))):
            found += piece
        assert found == expected.read(count)
    actual.close()
