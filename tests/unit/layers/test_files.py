"""Packages of generated files and of files on disk."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.layers.files import FileEntry, FileTree
from builder.layers.interface import PACKAGE_MTIME, Directory, Package
from builder.oci.sourced import Sourced


class Collector:
    def __init__(self) -> None:
        self.gz, self.tar = bytearray(), bytearray()

    def compressed(self, data: bytes | memoryview) -> None:
        self.gz += data

    def uncompressed(self, data: bytes | memoryview) -> None:
        self.tar += data


def written(package: Package, left_out: tuple[str, ...] = ()) -> list[tarfile.TarInfo]:
    sink = Collector()
    package.write(sink, left_out)
    with tarfile.open(fileobj=io.BytesIO(bytes(sink.tar) + bytes(1024))) as archive:
        return archive.getmembers()


def test_entries_are_sorted_by_bytes_whatever_their_order() -> None:
    names = ["é", "a/b", "a.b", "Z", "a-b", "a"]
    entries = [FileEntry(name if name != "a" else "a/a") for name in names]
    tree, reverse = FileTree(entries), FileTree(entries[::-1])
    assert tree.contents() == reverse.contents()
    assert list(tree.contents().paths) == sorted(tree.contents().paths, key=str.encode)
    assert [member.name for member in written(tree)] == list(tree.contents().paths)


def test_modes_owners_times_and_targets_are_kept() -> None:
    tree = FileTree([FileEntry("etc/shadow", b"x", mode=0o640, gid=42), FileEntry.link("bin", "usr/bin")])
    link, file = written(tree)
    assert (link.issym(), link.linkname, link.mode) == (True, "usr/bin", 0o777)
    assert (file.mode, file.gid, file.size, file.mtime) == (0o640, 42, 1, PACKAGE_MTIME)


def test_directories_are_listed_and_not_written() -> None:
    tree = FileTree([FileEntry.directory("tmp", 0o1777), FileEntry("a")])
    assert tree.contents().directories == (Directory("tmp", 0o1777),)
    assert [member.name for member in written(tree)] == ["a"]


def test_paths_are_left_out() -> None:
    assert [member.name for member in written(FileTree([FileEntry("a"), FileEntry("b")]), ("a",))] == ["b"]


def test_parts_are_what_is_written_not_compressed(tmp_path: Path) -> None:
    source = tmp_path / "weights"
    source.write_bytes(bytes(range(250)) * 9)
    entries = [FileEntry.on_disk("model/weights", source), FileEntry("model/a", b"x"), FileEntry.link("model/l", "a")]
    sink = Collector()
    FileTree(entries).write(sink)
    with Sourced.of(FileTree(entries).parts()).open() as file:
        assert file.read() == bytes(sink.tar)


@pytest.mark.parametrize("size", [10, 2_000_000])
def test_a_source_that_changes_is_an_error(tmp_path: Path, size: int) -> None:
    source = tmp_path / "data"
    source.write_bytes(bytes(1_000_000))
    tree = FileTree([FileEntry.on_disk("data", source)])
    source.write_bytes(bytes(size))
    with pytest.raises(EnvbuildError, match="changed while it was read"):
        tree.write(Collector())
    with pytest.raises(EnvbuildError, match="changed while it was read"):
        list(tree.parts())


def test_a_source_that_is_gone_is_an_error(tmp_path: Path) -> None:
    tree = FileTree([FileEntry("data", source=tmp_path / "none", size=1)])
    with pytest.raises(EnvbuildError, match="cannot be read"):
        tree.write(Collector())
    with pytest.raises(EnvbuildError, match="cannot be read"):
        FileEntry.on_disk("data", tmp_path / "none")
    with pytest.raises(EnvbuildError, match="not a regular file"):
        FileEntry.on_disk("data", tmp_path)


@pytest.mark.parametrize(
    "path", ["", "/etc", "a//b", "a/", "./a", "a/../b", "..", "a\0b", "a\nb", "\udc80", "a" * 256, "a/" * 2050 + "a"]
)
def test_paths_that_do_not_belong_into_an_image_are_refused(path: str) -> None:
    with pytest.raises(EnvbuildError, match="cannot be a path"):
        FileTree([FileEntry(path)])


def test_duplicates_and_files_as_folders_are_refused() -> None:
    with pytest.raises(EnvbuildError, match="occurs twice"):
        FileTree([FileEntry("a"), FileEntry.directory("a")])
    with pytest.raises(EnvbuildError, match="lies below"):
        FileTree([FileEntry.link("lib", "usr/lib"), FileEntry("lib/x")])
    with pytest.raises(EnvbuildError, match="no usable target"):
        FileTree([FileEntry.link("lib", "")])
