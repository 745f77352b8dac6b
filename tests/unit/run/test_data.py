from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from data_projects import DataProject

from builder.bundle.inside.documents import data_reference
from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.data.locking import entries
from builder.run.data import data_path


@pytest.fixture
def project(tmp_path: Path) -> DataProject:
    return DataProject(tmp_path / "project", tmp_path / "store")


def path_of(project: DataProject, name: str = "train", folder: Path | None = None) -> Path:
    entry = entries(project.loaded).data[name]
    return data_path(name, data_reference(name, entry), folder or project.folder, project.fetcher, lambda: entry)


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_the_project_is_used_where_it_is(project: DataProject) -> None:
    project.file("data/a.csv")
    project.spec({"train": {"url": "data"}})
    project.lock()
    assert path_of(project) == project.folder / "data"


@pytest.mark.parametrize("url", ["data/*.csv", "file"])
def test_a_pattern_is_a_folder_with_just_what_was_locked(project: DataProject, url: str) -> None:
    for name in ("data/a.csv", "data/b.txt", "data/c/d.csv"):
        project.file(name)
    url = f"file://{project.folder}/data/**" if url == "file" else url
    project.spec({"train": {"url": url}})
    project.lock()
    folder = path_of(project)
    wanted = {"a.csv"} if url.startswith("data") else {"a.csv", "b.txt", "c/d.csv"}
    assert content(folder) == dict.fromkeys(wanted, b"1")
    assert path_of(project) == folder
    project.file("data/a.csv", b"2")
    assert content(folder)["a.csv"] == b"1"


def test_a_pattern_whose_files_have_changed_is_a_wrong_digest(project: DataProject) -> None:
    project.file("data/a.csv")
    project.spec({"train": {"url": "data/*.csv"}})
    project.lock()
    project.file("data/a.csv", b"2")
    with pytest.raises(DigestMismatchError):
        path_of(project)


@pytest.mark.parametrize("url", ["data", "data/a.csv"])
def test_what_has_other_bytes_is_not_given_to_a_command(project: DataProject, url: str) -> None:
    project.file("data/a.csv")
    project.spec({"train": {"url": url}})
    project.lock()
    entry = entries(project.loaded).data["train"]
    assert path_of(project) == project.folder / url
    (project.folder / "data/link").symlink_to("/")
    project.file("data/a.csv", b"2")
    with pytest.raises(DigestMismatchError, match=r"the data `train` is another: .* has not the bytes that are locked"):
        path_of(project)
    project.file("elsewhere/a.csv")
    place = f"file://{project.folder}/elsewhere/"
    reference = {**data_reference("train", entry), "urls": [place if url == "data" else f"{place}a.csv"]}
    found = data_path("train", reference, project.folder, project.fetcher, lambda: entry)
    assert (found if found.is_file() else found / "a.csv").read_bytes() == b"1"


def test_a_folder_that_is_nowhere_names_a_way_out(project: DataProject, tmp_path: Path) -> None:
    project.file("data/a.csv")
    project.spec({"train": {"url": "data"}})
    project.lock()
    with pytest.raises(EnvbuildError, match="data train is neither in the project nor in the store") as caught:
        path_of(project, folder=tmp_path / "elsewhere")
    assert "dvc pull" in (caught.value.hint or "")


def test_a_bundle_cannot_name_files_outside_of_the_folder(project: DataProject, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"1")
    (project.folder / "link").symlink_to(tmp_path / "secret")

    def mounted(local: str) -> Any:
        reference = {"local": local, "urls": [], "sha256": "0" * 64, "size": 1}
        return data_path("train", reference, project.folder, project.fetcher, lambda: pytest.fail("not asked"))

    for local in ("link", "../secret", str(tmp_path / "secret")):
        with pytest.raises(EnvbuildError, match="leads out of the project"):
            mounted(local)
