"""The normal form of wheels."""

from __future__ import annotations

import io
import os
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.layers.wheel import open_wheel
from builder.layers.wheel_layout import WheelTarget
from builder.oci.store import Store
from builder.run.wheels.normal import normalised_wheel

INFO = "thing-1.0.dist-info"
FILES = {
    "thing/__init__.py": b"x = 1\n" * 1000,
    "thing/ünicode.txt": os.urandom(100),
    "thing/empty": b"",
    "thing-1.0.data/scripts/run": b"#!python\n",
    f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: thing\nVersion: 1.0\n",
    f"{INFO}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    f"{INFO}/RECORD": b"",
}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


def pack(folder: Path, order: Iterable[str], year: int, method: int, mode: int = 0o644) -> Path:
    path = folder / "thing-1.0-py3-none-any.whl"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name in order:
            info = zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0))
            info.compress_type = method
            info.external_attr = (stat.S_IFREG | (0o775 if name.endswith("run") else mode)) << 16
            archive.writestr(info, FILES.get(name, b""))
    path.write_bytes(buffer.getvalue())
    return path


def test_who_packed_it_when_and_how_changes_no_byte(tmp_path: Path, store: Store) -> None:
    first = normalised_wheel(pack(tmp_path, FILES, 2001, zipfile.ZIP_STORED), store)
    order = [f"{INFO}/", *reversed(FILES), f"{INFO}/RECORD.jws"]
    assert normalised_wheel(pack(tmp_path, order, 2020, zipfile.ZIP_DEFLATED, 0o600), store) == first


def test_the_contents_stay_and_the_wheel_can_be_installed(tmp_path: Path, store: Store) -> None:
    digest, size = normalised_wheel(pack(tmp_path, FILES, 2001, zipfile.ZIP_DEFLATED), store)
    with zipfile.ZipFile(store.path(digest)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in FILES if not name.endswith("RECORD")} == {
            name: data for name, data in FILES.items() if not name.endswith("RECORD")
        }
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
        assert (modes["thing-1.0.data/scripts/run"], modes["thing/empty"]) == (0o100755, 0o100644)
    assert size == store.path(digest).stat().st_size < sum(map(len, FILES.values()))
    opened = open_wheel(store.path(digest), WheelTarget(python_version=(3, 11)), expected_name="thing")

    class Nowhere:
        def compressed(self, data: bytes | memoryview) -> None: ...
        def uncompressed(self, data: bytes | memoryview) -> None: ...

    opened.write(Nowhere())  # every file is checked against RECORD
    assert "opt/env/lib/python3.11/site-packages/thing/ünicode.txt" in opened.contents().paths


def test_an_archive_without_its_record_is_no_wheel(tmp_path: Path, store: Store) -> None:
    order = [name for name in FILES if not name.endswith("RECORD")]
    with pytest.raises(EnvbuildError, match="it has 0 files `RECORD` instead of one"):
        normalised_wheel(pack(tmp_path, order, 2001, zipfile.ZIP_DEFLATED), store)
    assert not list(store.temporary.iterdir())
