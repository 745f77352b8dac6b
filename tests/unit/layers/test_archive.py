"""What of a standalone interpreter's archive becomes part of an image, and what is refused."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import zstandard
from conda_images import written
from standalone_archive import Entry, file, link, make_standalone_archive, pack

from builder.errors import EnvbuildError
from builder.layers.archive import open_archive
from builder.layers.interface import PACKAGE_MTIME, Directory

PYTHON = "/opt/python/bin/python3.12"
PROGRAM = file("python/bin/python3.12", b"program", 0o775)


def opened(path: Path, *entries: Entry, data: bytes = b""):
    target = path / "cpython.tar.gz"
    target.write_bytes(data or pack([PROGRAM, *entries]))
    return open_archive(target, PYTHON, path)


def test_files_have_plain_modes_one_time_and_no_owner(tmp_path: Path) -> None:
    with opened(tmp_path, file("python/lib/os.py", b"code", 0o664), link("python/bin/python3", "python3.12")) as made:
        found = written(made)
    assert [
        (path, oct(info.mode), info.mtime, info.uid, info.gid, info.uname) for path, (info, _) in found.items()
    ] == [
        ("opt/python/bin/python3", "0o777", PACKAGE_MTIME, 0, 0, ""),
        ("opt/python/bin/python3.12", "0o755", PACKAGE_MTIME, 0, 0, ""),
        ("opt/python/lib/os.py", "0o644", PACKAGE_MTIME, 0, 0, ""),
    ]
    assert found["opt/python/bin/python3.12"][1] == b"program"
    assert found["opt/python/bin/python3"][0].linkname == "python3.12"


def test_the_order_in_the_archive_and_its_times_do_not_count(tmp_path: Path) -> None:
    entries = [PROGRAM, file("python/lib/b"), file("python/lib/a")]
    with opened(tmp_path, data=pack(entries, mtime=1)) as one, opened(tmp_path, data=pack(entries[::-1], 2)) as other:
        assert [info.tobuf() for info, _ in written(one).values()] == [
            info.tobuf() for info, _ in written(other).values()
        ]


def test_bytecode_is_left_out(tmp_path: Path) -> None:
    data = make_standalone_archive("3.12.4", "riscv64")
    with opened(tmp_path, data=data) as made:
        paths = made.contents().paths
    assert "opt/python/lib/python3.12/os.py" in paths
    assert "opt/python/lib/python3.12/EXTERNALLY-MANAGED" in paths
    assert not any("__pycache__" in path for path in paths)


def test_hard_links_stay_links_to_one_file(tmp_path: Path) -> None:
    with opened(tmp_path, link("python/bin/python", "python/bin/python3.12", tarfile.LNKTYPE)) as made:
        found = written(made)
        assert found["opt/python/bin/python3.12"][0].linkname == "opt/python/bin/python"
        assert found["opt/python/bin/python"][1] == b"program"
        assert written(made, ["opt/python/bin/python"])["opt/python/bin/python3.12"][1] == b"program"


def test_of_a_full_archive_only_what_is_installed_is_taken(tmp_path: Path) -> None:
    entries = [
        file("python/PYTHON.json", b"{}"),
        file("python/build/core.o", b"object"),
        file("python/install/bin/python3.12", b"program", 0o755),
    ]
    data = zstandard.compress(__import__("gzip").decompress(pack(entries)))
    with opened(tmp_path, data=data) as made:
        assert made.contents().paths == ("opt/python/bin/python3.12",)


def test_an_empty_directory_stays(tmp_path: Path) -> None:
    folder = tarfile.TarInfo("python/lib/site-packages")
    folder.type, folder.mode = tarfile.DIRTYPE, 0o700
    with opened(tmp_path, (folder, b"")) as made:
        assert made.contents().directories == (Directory("opt/python/lib/site-packages"),)


def test_another_interpreter_than_the_locked_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError, match="not the interpreter that was locked") as caught:
        opened(tmp_path, data=pack([file("python/bin/python3.13", b"", 0o755)]))
    assert caught.value.why == ("it has no `/opt/python/bin/python3.12`",)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (file("python/../../etc/passwd"), "cannot be a path in an image"),
        (file("/etc/passwd"), "cannot be a path in an image"),
        (file("python/bin/python3.12"), "twice"),
        (file("python/bin/python3.12/below"), "lies below"),
        (link("python/hard", "../../../etc/passwd", tarfile.LNKTYPE), "cannot be a path in an image"),
        (link("python/hard", "etc/passwd", tarfile.LNKTYPE), "no file before it"),
        (link("python/device", "", tarfile.CHRTYPE), "neither a file, nor a directory, nor a link"),
        (link("python/pipe", "", tarfile.FIFOTYPE), "neither a file, nor a directory, nor a link"),
        (file("python/a\nb"), "control characters"),
    ],
)
def test_a_hostile_archive_is_refused(tmp_path: Path, entry: Entry, message: str) -> None:
    with pytest.raises(EnvbuildError, match=message):
        opened(tmp_path, entry)
    assert [path.name for path in tmp_path.iterdir()] == ["cpython.tar.gz"]


@pytest.mark.parametrize(
    "data", [b"x" * 100, b"\x1f\x8bxxxxxxxxxxxxxxxxxxx", pack([PROGRAM])[:-40], b"\x28\xb5\x2f\xfdxx"]
)
def test_a_damaged_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(EnvbuildError):
        opened(tmp_path, data=data)


def test_an_archive_that_says_it_is_absurdly_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    info = tarfile.TarInfo("python/huge")
    info.size = 1 << 40
    buffer = io.BytesIO(info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(EnvbuildError, match="too large"):
        opened(tmp_path, data=zstandard.compress(buffer.getvalue()))
