"""What a source says of how it is built."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from source_packages import flit_project, make_sdist

from builder.errors import EnvbuildError
from builder.lock.artifact import Sdist
from builder.oci.digest import Digest
from builder.run.wheels.source import LEGACY, BuildSystem, read_build_system


def read(folder: Path, files: dict[str, str], kind: str = "tar.gz", subdirectory: str = "") -> BuildSystem:
    name, data = make_sdist("thing", "1.0", files, kind)
    (folder / name).write_bytes(data)
    sdist = Sdist("thing", "1.0", name, Digest.of(data), len(data), "", subdirectory=subdirectory)
    return read_build_system(folder / name, sdist)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_the_table_is_read_of_every_kind_of_archive(tmp_path: Path, kind: str) -> None:
    assert read(tmp_path, flit_project("thing"), kind) == BuildSystem(("flit_core >=3.11,<4",), "flit_core.buildapi")


def test_a_project_without_a_table_is_built_by_setuptools(tmp_path: Path) -> None:
    assert read(tmp_path, {"setup.py": ""}) == LEGACY
    assert read(tmp_path, {"pyproject.toml": "[tool.black]\n"}) == LEGACY


def test_only_the_project_in_the_subdirectory_counts(tmp_path: Path) -> None:
    inner = '[build-system]\nrequires = []\nbuild-backend = "inner"\nbackend-path = ["."]\n'
    files = {"pyproject.toml": "[build-system]\n", "deep/er/pyproject.toml": inner, "deep/er/x/pyproject.toml": "["}
    assert read(tmp_path, files, subdirectory="deep/er") == BuildSystem((), "inner", (".",))
    with pytest.raises(EnvbuildError, match=r"`nowhere` of its source has neither `pyproject.toml` nor `setup.py`"):
        read(tmp_path, files, subdirectory="nowhere")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[build-system", "is not valid"),
        ("build-system = 1\n", "`build-system` is not a table"),
        ("[build-system]\nrequires = 'setuptools'\n", "of another kind than PEP 517 says"),
        ("[build-system]\nrequires = [1]\n", "of another kind than PEP 517 says"),
        ("[build-system]\nrequires = []\nbackend-path = ['../..']\n", "`backend-path` leads out of the project"),
        ("[build-system]\nrequires = []\nbackend-path = ['/usr']\n", "`backend-path` leads out of the project"),
        ("a = 1\n" * 200_000, "has more than 1048576 bytes"),
    ],
)
def test_a_bad_project_is_refused(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises(EnvbuildError) as caught:
        read(tmp_path, {"pyproject.toml": text})
    assert why in str(caught.value)


@pytest.mark.parametrize(
    "data", [b"", b"PK\3\4", gzip.compress(b"x" * 600, mtime=0), b"\x1f\x8bx", b"BZh9x", b"\xfd7zXZ\0x"]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(EnvbuildError, match=r"thing 1\.0"):
        read_build_system(tmp_path / "a", Sdist("thing", "1.0", "a", Digest.of(data), len(data), ""))
