from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from data_projects import DataProject

from builder.bundle.parts.model import packed_model
from builder.errors import DigestMismatchError
from builder.layers.files import FileEntry
from builder.lock.data import hashing
from builder.lock.data.entry import Pointer
from builder.lock.data.locking import entries
from builder.lock.integrity import StaleLockError

LAUNCHER = Path(__file__).parents[4] / "templates/launcher.py"


@pytest.fixture
def project(tmp_path: Path) -> DataProject:
    return DataProject(tmp_path / "project", tmp_path / "store")


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """A folder of weights elsewhere, as a URL."""
    (tmp_path / "hub/a b").mkdir(parents=True)
    (tmp_path / "hub/w.bin").write_bytes(b"1")
    (tmp_path / "hub/a b/config.json").write_bytes(b"22")
    return f"file://{tmp_path}/hub"


def packed(project: DataProject) -> dict[str, bytes]:
    files = packed_model(project.loaded, entries(project.loaded).model, project.fetcher)
    return {entry.path: content(entry) for entry in files}


def content(entry: FileEntry) -> bytes:
    assert entry.source is not None
    return entry.source.read_bytes()


def test_a_file_at_a_url_is_packed_under_its_own_name(project: DataProject, weights: str) -> None:
    project.spec(model={"url": f"{weights}/w.bin"})
    project.lock()
    assert packed(project) == {"w.bin": b"1"}


@pytest.mark.parametrize(("below", "wanted"), [("", {"w.bin", "a b/config.json"}), ("/*", {"w.bin"})])
def test_a_folder_at_a_url_is_packed_as_it_is(project: DataProject, weights: str, below: str, wanted: set[str]) -> None:
    project.spec(model={"url": weights + below})
    project.lock()
    assert set(packed(project)) == wanted


def test_weights_that_are_promised_need_no_lock(project: DataProject, weights: str) -> None:
    sha = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    project.spec(model={"url": f"{weights}/w.bin", "sha256": sha})
    assert packed(project) == {"w.bin": b"1"}
    project.spec(model={"url": f"{weights}/w.bin", "sha256": "0" * 64})
    with pytest.raises(DigestMismatchError):
        packed(project)


def test_weights_that_were_locked_are_packed_although_they_are_gone(
    project: DataProject, weights: str, tmp_path: Path
) -> None:
    project.spec(model={"url": weights})
    entry = project.lock().model
    packed(project)
    (tmp_path / "hub/w.bin").write_bytes(b"2")
    assert entry is not None
    assert packed(project)["w.bin"] == b"1"


def test_weights_that_dvc_points_to_are_packed_by_their_own_name(project: DataProject) -> None:
    project.file("w.bin")
    project.spec(model={"url": "w.bin"})
    entry = project.lock().model
    assert entry is not None
    pointed = replace(entry, url="w.bin.dvc", pointer=Pointer("w.bin", "0" * 32))
    assert [file.path for file in packed_model(project.loaded, pointed, project.fetcher)] == ["w.bin"]


def test_a_model_of_the_working_tree_is_packed_as_it_is_locked_or_not_at_all(project: DataProject) -> None:
    project.spec(model={"path": "model"})
    assert packed(project) == {}
    project.file("model/w.bin")
    assert packed(project) == {"w.bin": b"1"}
    project.lock()
    assert packed(project) == {"w.bin": b"1"}
    project.file("model/w.bin", b"2")
    with pytest.raises(StaleLockError):
        packed(project)


def test_the_launcher_leaves_out_what_locking_leaves_out() -> None:
    found = re.search(r"^LEFT_OUT = frozenset\(\{(.*)\}\)$", LAUNCHER.read_text(), re.MULTILINE)
    assert found is not None
    assert {text.strip().strip('"') for text in found[1].split(",")} == hashing.LEFT_OUT
