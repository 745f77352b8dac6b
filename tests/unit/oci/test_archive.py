from __future__ import annotations

import io
import random
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.archive import ArchiveReader, DockerEntry, only_image, read_index, write_archive, write_layout
from builder.oci.documents import Descriptor
from builder.oci.layout import Layout
from builder.oci.store import Store
from builder.oci.validate import validate


@pytest.fixture
def archive(samples: Any, store: Store, tmp_path: Path) -> Path:
    top, manifest = samples.index()
    write_archive(tmp_path / "a.tar", store, top, DockerEntry(manifest, ("a:1",)))
    return tmp_path / "a.tar"


def members(path: Path) -> list[str]:
    with tarfile.open(path) as file:
        return file.getnames()


def _top(reader: ArchiveReader) -> Descriptor:
    return only_image(read_index(reader.index_json(), str(reader.file_path)).manifests, str(reader.file_path))


def rewrite(path: Path, change: Any) -> Path:
    """The archive again, with each member as `change` has it."""
    target = path.with_name("changed.tar")
    with tarfile.open(path) as source, tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as output:
        for member in source:
            data = source.extractfile(member).read()  # type: ignore[union-attr]
            for changed, content in change(member, data):
                changed.size = len(content)
                output.addfile(changed, io.BytesIO(content))
    return target


def test_an_archive_has_its_documents_first_and_every_blob_once(archive: Path) -> None:
    names = members(archive)
    assert names[:3] == ["index.json", "manifest.json", "oci-layout"]
    assert len(names[3:]) == len(set(names[3:])) == 1 + 2 * 2 + 3
    with tarfile.open(archive) as file:
        facts = {(m.mode, m.uid, m.gid, m.uname, m.gname, m.mtime, m.type) for m in file}
    assert facts == {(0o644, 0, 0, "", "", 315619200, tarfile.REGTYPE)}


def test_an_archive_is_the_same_bytes_whatever_the_store_and_the_umask(
    archive: Path, tmp_path: Path, samples: Any
) -> None:
    import os

    other = Store(tmp_path / "other")
    other.create()
    before = os.umask(0o077)
    try:
        top, manifest = type(samples)(other).index()
        write_archive(tmp_path / "b.tar", other, top, DockerEntry(manifest, ("a:1",)))
    finally:
        os.umask(before)
    assert (tmp_path / "b.tar").read_bytes() == archive.read_bytes()
    assert (tmp_path / "b.tar").stat().st_mode & 0o777 == 0o600


def test_an_archive_is_read_where_it_is(archive: Path) -> None:
    reader = ArchiveReader(archive)
    assert validate(reader, _top(reader)).problems == ()
    assert reader.docker_manifest()[0]["RepoTags"] == ["a:1"]  # type: ignore[index]


def test_a_failed_archive_leaves_the_old_file_and_no_other(archive: Path, samples: Any, store: Store) -> None:
    before = archive.read_bytes()
    top, manifest = samples.index()
    path = store.path(manifest.layers[0].digest)
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(DigestMismatchError):
        write_archive(archive, store, top, DockerEntry(manifest, ("a:1",)))
    assert archive.read_bytes() == before
    assert sorted(entry.name for entry in archive.parent.iterdir()) == ["a.tar", "store"]
    assert not path.exists(), "the damaged blob is deleted, so that it is made anew"


def test_a_layout_folder_is_complete_and_can_be_written_again(samples: Any, store: Store, tmp_path: Path) -> None:
    top, _ = samples.index()
    (tmp_path / "layout/tmp").mkdir(parents=True)
    (tmp_path / "layout/tmp/blob-left-by-a-killed-process").touch()
    for _ in range(2):
        write_layout(tmp_path / "layout", store, top)
    assert sorted(entry.name for entry in (tmp_path / "layout").iterdir()) == ["blobs", "index.json", "oci-layout"]
    assert validate(Layout(tmp_path / "layout"), top).problems == ()


def _entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry


@pytest.mark.parametrize(
    "entry",
    [
        _entry("evil"),
        _entry("/index.json"),
        _entry("../index.json"),
        _entry("blobs/sha256/../../index.json"),
        _entry("blobs/sha256/" + "0" * 63),
        _entry("blobs/sha256/" + "A" * 64),
        _entry("blobs/sha512/" + "0" * 64),
        _entry("blobs/sha256/" + "0" * 64, tarfile.SYMTYPE, "/etc/passwd"),
        _entry("blobs/sha256/" + "0" * 64, tarfile.LNKTYPE, "index.json"),
        _entry("index.json", tarfile.SYMTYPE, "/etc/passwd"),
        _entry("blobs/sha256/" + "0" * 64, tarfile.FIFOTYPE),
        _entry("blobs/sha256/" + "0" * 64, tarfile.CHRTYPE),
        _entry("index.json"),
        _entry("./index.json"),
    ],
    ids=lambda entry: f"{entry.name[:40]}-{entry.type}",
)
def test_an_archive_with_a_foreign_or_second_entry_is_refused(entry: tarfile.TarInfo, archive: Path) -> None:
    first = iter([True])

    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        return [(member, data), *([(entry, b"")] if next(first, False) else [])]

    with pytest.raises(EnvbuildError):
        ArchiveReader(rewrite(archive, change))


def test_folders_and_a_leading_dot_in_an_archive_are_taken(archive: Path) -> None:
    def change(member: tarfile.TarInfo, data: bytes) -> list[tuple[tarfile.TarInfo, bytes]]:
        member.name = f"./{member.name}"
        return [(_entry("./blobs", tarfile.DIRTYPE), b""), (member, data)]

    reader = ArchiveReader(rewrite(archive, change))
    assert validate(reader, _top(reader)).problems == ()


def test_an_archive_of_endless_entries_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.oci.archive._MEMBER_LIMIT", 50)
    for kind in (tarfile.DIRTYPE, tarfile.REGTYPE):
        with tarfile.open(tmp_path / "many.tar", "w") as output:
            for number in range(60):
                output.addfile(_entry(f"blobs/sha256/{number:064x}", kind))
        with pytest.raises(EnvbuildError, match="more than 50 entries"):
            ArchiveReader(tmp_path / "many.tar")


def test_an_archive_of_endless_extended_headers_is_refused(tmp_path: Path) -> None:
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XHDTYPE, 12
    (tmp_path / "pax.tar").write_bytes((entry.tobuf(tarfile.USTAR_FORMAT) + b"12 path=abc\n".ljust(512, b"\0")) * 5000)
    with pytest.raises(EnvbuildError, match="cannot be read as a bundle"):
        ArchiveReader(tmp_path / "pax.tar")


@pytest.mark.parametrize("data", [b"", b"x", b"x" * 5000, bytes(1024), b"PK\x03\x04" + bytes(2000)])
def test_a_file_that_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.tar").write_bytes(data)
    with pytest.raises(EnvbuildError):
        _top(ArchiveReader(tmp_path / "b.tar"))


def test_a_damaged_archive_is_refused_or_its_damage_is_found(archive: Path) -> None:
    data = archive.read_bytes()
    chance = random.Random(1)
    changed = archive.with_name("damaged.tar")
    for _ in range(150):
        copy = bytearray(data)
        for _ in range(chance.randrange(1, 4)):
            copy[chance.randrange(len(copy))] ^= 1 << chance.randrange(8)
        changed.write_bytes(copy[: chance.choice([len(copy), len(copy), chance.randrange(len(copy))])])
        try:
            reader = ArchiveReader(changed)
            assert all(problem.message for problem in validate(reader, _top(reader)).problems)
        except EnvbuildError:
            pass


def test_an_archive_that_was_cut_short_is_to_be_got_again(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.create()
    layout.write(bytes(100_000))
    with tarfile.open(tmp_path / "whole.tar", "w") as output:
        output.add(layout.root / "blobs", "blobs")
    (tmp_path / "cut.tar").write_bytes((tmp_path / "whole.tar").read_bytes()[:50_000])
    with pytest.raises(EnvbuildError, match=r"cut\.tar` cannot be read") as caught:
        ArchiveReader(tmp_path / "cut.tar")
    assert caught.value.hint == "It was cut short: get it again"


def test_a_damaged_index_names_its_file() -> None:
    with pytest.raises(EnvbuildError, match=r"the `index\.json` of `some\.tar` cannot be read"):
        read_index(b'{"manifests": [', "some.tar")


def test_an_extended_header_as_large_as_the_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """A hole of a gigabyte costs its sender nothing."""
    entry = tarfile.TarInfo("././@PaxHeader")
    entry.type, entry.size = tarfile.XHDTYPE, 1 << 30
    with open(tmp_path / "pax.tar", "wb") as file:
        file.write(entry.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(1 << 30 | 1 << 10)
    tracemalloc.start()
    try:
        with pytest.raises(EnvbuildError, match="an extension record takes"):
            ArchiveReader(tmp_path / "pax.tar")
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
