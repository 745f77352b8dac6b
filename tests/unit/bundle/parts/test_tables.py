"""Files of data under names that say what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.bundle.parts.tables import file_names, named_file, named_files
from builder.errors import EnvbuildError
from builder.layers.files import FileEntry
from builder.lock.data.entry import DataEntry, LockedFile, folder_entry
from builder.oci.digest import Digest

ANY = Digest("1" * 64)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("data/a.csv", "a.csv"),
        ("https://example.org/x/b.csv.gz?version=2", "b.csv.gz"),
        ("s3://b/c.parquet", "c.parquet"),
    ],
    ids=["path", "url", "bucket"],
)
def test_a_file_is_called_as_where_it_comes_from(url: str, expected: str) -> None:
    assert file_names(DataEntry(url, "file", ANY, 1)) == (expected,)


def test_a_file_of_the_store_gets_its_ending(tmp_path: Path) -> None:
    blob = tmp_path / "0123abcd"
    blob.write_bytes(b"a\n1\n")
    named = named_file(blob, "x/table.csv", tmp_path / "links")
    assert (named.name, named.read_bytes()) == ("table.csv", b"a\n1\n")
    assert named_file(named, "other.csv", tmp_path) == named


def test_of_a_folder_marks_of_other_tools_are_left_out(tmp_path: Path) -> None:
    names = ["_SUCCESS", "part-1.csv", "sub/.part.crc", "sub/part-2.csv"]
    entry = folder_entry("t", "folder", [LockedFile(name, ANY, 1) for name in names])
    files = []
    for number in range(4):
        (tmp_path / f"{number}").write_bytes(b"1")
        files.append(FileEntry.on_disk(f"data/t/{number}", tmp_path / f"{number}"))
    assert [path.name for path in named_files(entry, files, tmp_path / "links")] == ["part-1.csv", "part-2.csv"]
    with pytest.raises(EnvbuildError, match="no file in it"):
        named_files(entry, files[:1], tmp_path)
