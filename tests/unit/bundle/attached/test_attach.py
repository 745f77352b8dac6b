"""Attaching records to a bundle in a file and in a folder, and reading them back."""

from __future__ import annotations

import json
import random
import shutil
import tarfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from made_layouts import add_image, add_index, new_layout, noise

from builder.bundle.attached.attach import attach, attached
from builder.bundle.reading.reader import open_bundle
from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.archive import DockerEntry, index_document, write_archive, write_layout
from builder.oci.attachments import ATTACHED, ATTACHMENT_LIMIT, MOST_ATTACHED, Attachment, write_attachment
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, Descriptor, Index, name_annotations
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
    (shutil.copytree if place.is_dir() else shutil.copy)(place, other)
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


def test_what_is_not_in_the_bundle_gets_no_record(place: Path, source: tuple[Layout, Descriptor]) -> None:
    before = state(place)
    with pytest.raises(EnvbuildError, match="it is not in `a:1`"):
        attach(place, add_image(source[0], "arm64", b"other"), RECORDS[:1])
    assert state(place) == before


def test_a_record_that_is_too_large_is_refused(place: Path) -> None:
    large = Attachment("any", "any", bytes(ATTACHMENT_LIMIT + 1))
    with pytest.raises(EnvbuildError, match="cannot be attached"):
        attach(place, open_bundle(place).top, [large])


def test_no_more_records_are_attached_than_are_read(place: Path) -> None:
    top, before = open_bundle(place).top, state(place)
    many = [Attachment("any", "any", b"%d" % number) for number in range(MOST_ATTACHED + 1)]
    with pytest.raises(EnvbuildError, match="more than 1000 records"):
        attach(place, top, many)
    assert state(place) == before


def test_several_who_attach_at_once_lose_nothing(place: Path) -> None:
    top = open_bundle(place).top
    with ThreadPoolExecutor(len(RECORDS)) as pool:
        list(pool.map(lambda record: attach(place, top, [record]), RECORDS))
    assert sorted(record.data for _, record in attached(place, top.digest)) == [record.data for record in RECORDS]


def test_a_writing_that_fails_leaves_the_file_as_it_was(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(place)

    def fails(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("builder.oci.layout.os.replace", fails)
    with pytest.raises(OSError, match="no space left"):
        attach(place, open_bundle(place).top, RECORDS)
    monkeypatch.undo()
    assert {name: data for name, data in state(place).items() if name in before} == before
    assert not [path for path in place.parent.iterdir() if path.name.startswith(f".{place.name}")]


def test_permissions_and_what_docker_is_told_stay(place: Path) -> None:
    place.chmod(0o700)
    docker = state(place).get("manifest.json")
    attach(place, open_bundle(place).top, RECORDS)
    assert place.stat().st_mode & 0o777 == 0o700
    assert state(place).get("manifest.json") == docker


def test_a_file_is_rewritten_where_its_link_leads(place: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.tar"
    link.symlink_to(place)
    attach(link, open_bundle(place).top, RECORDS[:1])
    assert link.is_symlink()
    assert len(attached(place, open_bundle(place).top.digest)) == 1


def test_a_thin_bundle_stays_thin(place: Path, source: tuple[Layout, Descriptor]) -> None:
    layout, top = source
    image = layout.manifest(layout.index(top).manifests[0])
    if place.is_file():
        write_archive(place, layout, top, None, left_out={image.layers[0].digest})
    else:
        write_layout(place, layout, top, {image.layers[0].digest})
    attach(place, top, RECORDS)
    assert f"blobs/sha256/{image.layers[0].digest.hex}" not in state(place)
    assert len(attached(place, top.digest)) == len(RECORDS)


# hostile


def listed(folder: Path, top: Descriptor, *entries: Descriptor) -> Path:
    """A bundle's folder whose list has these entries, whatever they are."""
    layout = Layout(folder)
    layout.create()
    data = Index(entries).to_bytes()
    attached = Descriptor(MEDIA_TYPE_INDEX, layout.write(data), len(data))
    (folder / "index.json").write_bytes(index_document(top, attached))
    return folder


def refused(folder: Path, top: Descriptor, *entries: Descriptor) -> EnvbuildError:
    with pytest.raises(EnvbuildError) as told:
        attached(listed(folder, top, *entries), top.digest)
    return told.value


def test_a_record_about_something_else_is_refused(source: tuple[Layout, Descriptor]) -> None:
    layout, top = source
    foreign = write_attachment(layout, add_image(layout, "arm64", b"other"), RECORDS[0])
    assert "is attached to something else" in refused(layout.root, top, foreign).what


def test_what_is_attached_to_nothing_or_is_no_manifest_is_refused(source: tuple[Layout, Descriptor]) -> None:
    layout, top = source
    assert "not attached to anything" in refused(layout.root, top, layout.index(top).manifests[0]).what
    assert "is no record" in refused(layout.root, top, replace(top, annotations={})).what
    assert "is no record" in refused(layout.root, top, Descriptor("text/\x1b[2J", top.digest, 3)).what


def test_a_list_that_lists_itself_cannot_be_made_and_a_list_of_lists_is_refused(
    source: tuple[Layout, Descriptor],
) -> None:
    layout, top = source
    inner = Index((write_attachment(layout, top, RECORDS[0]),)).to_bytes()
    nested = Descriptor(MEDIA_TYPE_INDEX, layout.write(inner), len(inner))
    assert "is no record" in refused(layout.root, top, nested).what


def test_100000_records_are_refused(source: tuple[Layout, Descriptor]) -> None:
    layout, top = source
    digests = (Digest(f"{number:064x}") for number in range(100_000))
    with pytest.raises(EnvbuildError, match="too large to be a document"):
        open_bundle(listed(layout.root, top, *(Descriptor(MEDIA_TYPE_MANIFEST, digest, 1) for digest in digests)))
    digests = (Digest(f"{number:064x}") for number in range(MOST_ATTACHED + 1))
    with pytest.raises(EnvbuildError, match="has too much attached"):
        open_bundle(listed(layout.root, top, *(Descriptor(MEDIA_TYPE_MANIFEST, digest, 1) for digest in digests)))


def test_a_record_that_was_changed_is_noticed(place: Path) -> None:
    top = open_bundle(place).top
    attach(place, top, RECORDS)
    path = place if place.is_file() else place / "blobs/sha256" / Digest.of(RECORDS[0].data).hex
    data = path.read_bytes()
    assert RECORDS[0].data in data
    path.write_bytes(data.replace(RECORDS[0].data, RECORDS[0].data.replace(b"number", b"numbed")))
    with pytest.raises(DigestMismatchError):
        attached(place, top.digest)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"digest":"x"}', '{"mediaType":"a","digest":"sha256:1","size":-1}'])
def test_an_annotation_of_another_form_is_refused(text: str, source: tuple[Layout, Descriptor]) -> None:
    layout, top = source
    (layout.root / "index.json").write_bytes(Index((top,), {ATTACHED: text}).to_bytes())
    with pytest.raises(EnvbuildError):
        open_bundle(layout.root)


def test_a_record_of_several_blobs_is_not_read(source: tuple[Layout, Descriptor]) -> None:
    layout, top = source
    manifest = layout.manifest(write_attachment(layout, top, RECORDS[0]))
    data = replace(manifest, layers=manifest.layers * 2).to_bytes()
    entry = Descriptor(MEDIA_TYPE_MANIFEST, layout.write(data), len(data))
    assert attached(listed(layout.root, top, entry), top.digest) == []
