from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wheels import make_wheel

from builder.errors import EnvbuildError
from builder.lock.pypi import metadata as module
from builder.lock.pypi.metadata import Metadata, parse_metadata, sdist_metadata, wheel_metadata

STATIC = "Metadata-Version: 2.2\nName: App\nVersion: 1.0\nRequires-Dist: lib>=1\n"


def sdist(folder: Path, files: dict[str, str], kind: str = "gz") -> Path:
    path = folder / "app"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
        return path
    with tarfile.open(path, f"w:{kind}") as packed:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            packed.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zip"])
def test_a_source_that_says_what_it_asks_for_is_believed(tmp_path: Path, kind: str) -> None:
    path = sdist(tmp_path, {"app-1.0/deeper/PKG-INFO": "Name: no", "app-1.0/PKG-INFO": STATIC}, kind)
    found = sdist_metadata(path, "app-1.0.zip" if kind == "zip" else "app-1.0.tar.gz")
    assert found == Metadata("app", "1.0", ("lib>=1",))


@pytest.mark.parametrize(
    "text",
    [
        STATIC.replace("2.2", "2.1"),
        STATIC.replace("2.2", "1.0"),
        STATIC.replace("2.2", "x"),
        STATIC + "Dynamic: Version\nDynamic: requires-dist\n",
        STATIC.replace("Metadata-Version: 2.2\n", ""),
    ],
)
def test_a_source_that_only_a_build_can_ask_is_not(tmp_path: Path, text: str) -> None:
    found = sdist_metadata(sdist(tmp_path, {"app-1.0/PKG-INFO": text}), "app-1.0.tar.gz")
    assert found == Metadata("app", "1.0", complete=False)
    assert Metadata.from_record(found.to_record()) == found


def test_a_source_without_metadata_says_nothing(tmp_path: Path) -> None:
    assert sdist_metadata(sdist(tmp_path, {"app-1.0/setup.py": ""}), "app-1.0.tar.gz") is None


@pytest.mark.parametrize("name", ["app.tar.gz", "app.zip"])
@pytest.mark.parametrize("data", [b"", b"nonsense", b"\x1f\x8b\x08\x00", b"PK\x03\x04", b"PK\x05\x06"])
def test_what_is_no_source_is_refused(tmp_path: Path, name: str, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(EnvbuildError, match=name):
        sdist_metadata(tmp_path / "x", name)


def test_a_source_with_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_MEMBERS", 3)
    path = sdist(tmp_path, {f"app-1.0/{number}": "" for number in range(9)} | {"app-1.0/PKG-INFO": STATIC})
    with pytest.raises(EnvbuildError, match="more than 3 files"):
        sdist_metadata(path, "app-1.0.tar.gz")


def test_the_metadata_of_a_wheel_is_its_own(tmp_path: Path) -> None:
    path = tmp_path / "x.whl"
    path.write_bytes(make_wheel("app", "1.0", "py3-none-any", ("lib",)))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("vendored-2.0.dist-info/METADATA", "Name: vendored\nVersion: 2.0\n")
    assert wheel_metadata(path, "app-1.0-py3-none-any.whl") == Metadata("app", "1.0", ("lib",))
    with pytest.raises(EnvbuildError, match=r"other-1\.0"):
        wheel_metadata(path, "other-1.0-py3-none-any.whl")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ("License-Expression: MIT OR Apache-2.0\nLicense: long text", "MIT OR Apache-2.0"),
        ("Classifier: License :: OSI Approved :: BSD License\nLicense: see LICENSE", "BSD License"),
        ("Classifier: License :: OSI Approved\nLicense: Apache 2.0", "Apache 2.0"),
        ("License:\n        MIT License\n\n        Copyright", "MIT License"),
        ("License: UNKNOWN", ""),
        ("License: \x1b[31mred\x07", "[31mred"),
        ("License: " + "x" * 200, "x" * 79 + "…"),
        ("", ""),
    ],
)
def test_a_license_is_told_in_a_few_words(headers: str, expected: str) -> None:
    assert parse_metadata(f"Name: a\nVersion: 1\n{headers}\n\nLicense: of the description".encode()).license == expected


@given(st.binary(max_size=400))
def test_no_bytes_make_it_fail(data: bytes) -> None:
    parse_metadata(data)


def test_a_record_tells_all_that_was_read() -> None:
    found = Metadata("app", "1.0", ("lib>=1",), "MIT", ">=3.8", ("fast",), complete=False)
    assert Metadata.from_record(found.to_record()) == found


@pytest.mark.parametrize("record", [None, 3, {}, {"name": 1}, [1], {"name": "a", "version": "1", "requires": "x"}])
def test_a_record_of_another_form_is_none(record: object) -> None:
    assert Metadata.from_record(record) is None


def test_metadata_that_is_damaged_is_told(tmp_path: Path) -> None:
    path = tmp_path / "app-1.0-py3-none-any.whl"
    for compression in (zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("app-1.0.dist-info/METADATA", "Name: app\n" * 100)
        data = bytearray(path.read_bytes())
        start = data.index(b"METADATA") + 8
        data[start : start + 12] = b"\xff" * 12
        path.write_bytes(data)
        with pytest.raises(EnvbuildError, match=r"app-1\.0-py3-none-any\.whl` is not a wheel"):
            wheel_metadata(path, path.name)


def _header(kind: bytes, size: int) -> bytes:
    info = tarfile.TarInfo("app-1.0/PKG-INFO")
    info.type, info.size = kind, size
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK])
def test_a_name_that_unpacks_to_gigabytes_takes_no_memory(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "app-1.0.tar.gz"
    with gzip.open(path, "wb", 1) as packed:
        packed.write(_header(kind, 8 << 30))
        for _ in range(64):
            packed.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(EnvbuildError, match=r"app-1\.0\.tar\.gz` is not a source distribution"):
            sdist_metadata(path, path.name)
        assert tracemalloc.get_traced_memory()[1] < 32 << 20
    finally:
        tracemalloc.stop()
