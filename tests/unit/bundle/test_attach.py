"""Attaching records to a bundle in a file and in a folder, and reading them back."""

from __future__ import annotations

import json
import os
import random
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from made_layouts import add_image, add_index, new_layout, noise

from builder.bundle.attach import attach, attached
from builder.bundle.reader import open_bundle
from builder.oci.archive import DockerEntry, write_archive, write_layout
from builder.oci.attachments import Attachment
from builder.oci.documents import Descriptor, name_annotations
from builder.oci.layout import Layout

RECORDS = [Attachment("application/vnd.in-toto+json", "application/vnd.in-toto+json", b'{"number":%d}' % number)
           for number in range(5)]  # fmt: skip


@pytest.fixture
def source(tmp_path: Path) -> tuple[Layout, Descriptor]:
    """A bundle of two platforms in a layout."""
    layout = new_layout(tmp_path / "source")
    images = [
        add_image(layout, name, noise(3000, 0), noise(2000, number))
        for number, name in enumerate(("amd64", "arm64"), 1)
    ]
    return layout, replace(add_index(layout, *images), annotations=name_annotations("a:1"))


@pytest.fixture(params=["file", "folder"])
def place(request: pytest.FixtureRequest, source: tuple[Layout, Descriptor], tmp_path: Path) -> Path:
    """The same as a file and as a folder."""
    layout, top = source
    path = tmp_path / ("a.tar" if request.param == "file" else "a")
    if request.param == "file":
        image = layout.index(top).manifests[0]
        write_archive(path, layout, top, DockerEntry(layout.manifest(image), ("a:1",)))
    else:
        write_layout(path, layout, top)
    return path


def state(path: Path) -> dict[str, bytes]:
    """Every file of an archive or a folder, in order."""
    if path.is_dir():
        return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}


def test_what_is_attached_is_read_back(place: Path) -> None:
    top = open_bundle(place).top
    listed = attach(place, top, RECORDS)
    found = attached(place, top.digest)
    assert sorted(entry.digest for entry in listed) == [entry.digest for entry, _ in found]
    assert sorted(record.data for _, record in found) == [record.data for record in RECORDS]
    assert {record.artifact_type for _, record in found} == {"application/vnd.in-toto+json"}
    assert open_bundle(place).top == top


def test_all_that_was_there_is_there_as_it_was(place: Path) -> None:
    before = state(place)
    attach(place, open_bundle(place).top, RECORDS)
    after = state(place)
    changed = {name for name in before if before[name] != after[name]}
    assert len(json.loads(after["index.json"])["manifests"]) == 1
    assert changed == {"index.json"}
    assert [name for name in after if name in before] == list(before)


def test_attaching_again_changes_nothing(place: Path) -> None:
    top = open_bundle(place).top
    attach(place, top, RECORDS)
    before, inode = state(place), place.stat().st_ino
    attach(place, top, RECORDS[2:4])
    assert state(place) == before
    assert place.stat().st_ino == inode


def test_the_order_of_attaching_leaves_no_trace(place: Path, tmp_path: Path) -> None:
    top = open_bundle(place).top
    other = tmp_path / "other" / place.name
    other.parent.mkdir()
    os.system(f"cp -r {place} {other}")
    shuffled = random.Random(3).sample(RECORDS, len(RECORDS))
    for record in shuffled:
        attach(place, top, [record])
    attach(other, top, RECORDS)
    assert state(place) == state(other)
    if place.is_file():
        assert place.read_bytes() == other.read_bytes()


def test_records_can_be_about_one_image(place: Path) -> None:
    bundle = open_bundle(place)
    image = next(iter(bundle.images.values())).descriptor
    attach(place, image, RECORDS[:1])
    assert [record for _, record in attached(place, image.digest)] == RECORDS[:1]
    assert attached(place, bundle.top.digest) == []
