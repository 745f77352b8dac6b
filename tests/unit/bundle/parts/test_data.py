"""Data that are packed into images: which, from where, and the layers that they give."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from data_projects import DataProject
from made_bundles import bundle_of, documents, write_folder
from made_up_image import file, folder, layer

from builder.bundle.checking.check import check
from builder.bundle.checking.subject import open_file
from builder.bundle.parts.data import PackedData, layer_groups, packed_data, packed_names, packing_of
from builder.bundle.parts.layers import data_layers
from builder.errors import DigestMismatchError, EnvbuildError
from builder.layers.files import check_path
from builder.layers.interface import Directory
from builder.lock.data.entry import DataEntry, LockedFile, manifest_digest
from builder.lock.data.locking import entries
from builder.oci.digest import Digest
from builder.oci.store import Store

MIB = 1 << 20
ROOT = Directory("data", 0o1777)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataProject:
    monkeypatch.chdir(tmp_path)
    return DataProject(tmp_path / "project", tmp_path / "store")


def of_size(*sizes: int | None) -> dict[str, DataEntry]:
    return {f"n{number}": DataEntry("x", "file", Digest("a" * 64), size) for number, size in enumerate(sizes)}


@pytest.mark.parametrize(
    ("sizes", "default"),
    [((), ()), ((1, 2), ("n0", "n1")), ((32 * MIB, 32 * MIB), ("n0", "n1")), ((64 * MIB, 1), ()), ((1, None), ())],
    ids=["none", "small", "just small", "large", "unknown"],
)
def test_all_data_are_packed_where_they_are_known_to_be_small(
    sizes: tuple[int | None, ...], default: tuple[str, ...]
) -> None:
    data = of_size(*sizes)
    assert packed_names(data, "default") == default
    assert packed_names(data, "full") == tuple(data)
    assert packed_names(data, "thin") == ()


@pytest.mark.parametrize("packing", ["full", "thin"])
def test_a_bundle_tells_how_it_was_packed(packing: str) -> None:
    assert packing_of({"data": {"a": {"packed": packing == "full"}}}) == packing
    assert packing_of({"data": {}}) == packing_of({}) == "default"


def packed(project: DataProject, folder: Path | None = None) -> dict[str, PackedData]:
    made = DataProject(folder, project.store.root) if folder else project
    if folder:
        (made.folder / "envbuild.yaml").write_bytes((project.folder / "envbuild.yaml").read_bytes())
        (made.folder / "lock").mkdir()
        made.lock_file.write_bytes(project.lock_file.read_bytes())
    found = packed_data(made.loaded, entries(made.loaded).data, "full", made.fetcher)
    return {one.name: one for one in found}


def contents(one: PackedData) -> dict[str, bytes]:
    return {file.path: Path(str(file.source)).read_bytes() for file in one.files}


def test_files_folders_and_patterns_are_packed_below_their_names(project: DataProject) -> None:
    for path in ("data/a.csv", "data/b/c d.csv", "data/.DS_Store"):
        project.file(path, path.encode())
    project.spec({"one": {"url": "data/a.csv"}, "all": {"url": "data"}, "some": {"url": "data/**/c*.csv"}})
    project.lock()
    found = packed(project)
    assert contents(found["one"]) == {"data/one": b"data/a.csv"}
    assert contents(found["all"]) == {"data/all/a.csv": b"data/a.csv", "data/all/b/c d.csv": b"data/b/c d.csv"}
    assert contents(found["some"]) == {"data/some/b/c d.csv": b"data/b/c d.csv"}


@pytest.mark.parametrize("url", ["data", "data/a.csv", "data/*.csv"])
def test_data_that_have_changed_are_not_packed(project: DataProject, url: str) -> None:
    path = project.file("data/a.csv")
    project.spec({"train": {"url": url}})
    project.lock()
    path.write_bytes(b"2")
    with pytest.raises(DigestMismatchError, match="the data `train` is another"):
        packed(project)


def test_data_that_are_nowhere_name_the_way_without(project: DataProject, tmp_path: Path) -> None:
    project.file("a.csv", b"123")
    digest = hashlib.sha256(b"123").hexdigest()
    project.spec({"train": {"url": "a.csv", "sha256": digest, "size": 3}})
    assert contents(packed(project)["train"]) == {"data/train": b"123"}
    (project.folder / "a.csv").unlink()
    with pytest.raises(EnvbuildError, match="is to be packed, and is neither here nor") as caught:
        packed(project)
    assert "--thin" in str(caught.value.hint)


def test_data_of_a_url_are_fetched_once(project: DataProject, tmp_path: Path) -> None:
    origin = tmp_path / "origin.csv"
    origin.write_bytes(b"123")
    project.spec({"train": {"url": origin.as_uri()}})
    project.lock()
    assert contents(packed(project)["train"]) == {"data/train": b"123"}
    project.store.write(b"123")
    origin.unlink()
    assert contents(packed(project, tmp_path / "other")["train"]) == {"data/train": b"123"}


def made(store: Store, files: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [(name, str(layer.diff_id)) for name, layer in data_layers(store, list(files.values()), ROOT) if layer]


def test_a_layer_is_the_same_wherever_the_bytes_were_had(project: DataProject, tmp_path: Path) -> None:
    project.file("data/a.csv").chmod(0o600)
    project.spec({"train": {"url": "data"}})
    entry = project.lock().data["train"]
    here = made(project.store, packed(project))
    other = Store(tmp_path / "other")
    other.create()
    file = other.write(b"1")
    assert [one.digest for one in entry.files] == [file]
    elsewhere = DataProject(tmp_path / "elsewhere", other.root)
    (elsewhere.folder / "envbuild.yaml").write_bytes((project.folder / "envbuild.yaml").read_bytes())
    (elsewhere.folder / "lock").mkdir()
    elsewhere.lock_file.write_bytes(project.lock_file.read_bytes())
    found = packed_data(elsewhere.loaded, entries(elsewhere.loaded).data, "full", elsewhere.fetcher)
    assert made(other, {one.name: one for one in found}) == here
    assert [name for name, _ in here] == ["data train"]


def test_a_layer_has_just_its_data_in_a_folder_that_everybody_may_write_to(project: DataProject) -> None:
    project.file("data/b/a.csv")
    (project.folder / "empty").mkdir()
    project.spec({"train": {"url": "data"}, "empty": {"url": "empty"}})
    project.lock()
    layers = dict(data_layers(project.store, list(packed(project).values()), ROOT))
    rows = {}
    for name, one in layers.items():
        assert one is not None
        with (
            project.store.open(one.descriptor.digest) as stream,
            tarfile.open(fileobj=io.BytesIO(stream.read())) as tar,
        ):
            rows[name] = [(member.name, oct(member.mode), member.uid) for member in tar]
    assert rows == {
        "data empty": [("data", "0o1777", 0), ("data/empty", "0o755", 0)],
        "data train": [
            ("data", "0o1777", 0), ("data/train", "0o755", 0), ("data/train/b", "0o755", 0),
            ("data/train/b/a.csv", "0o644", 0),
        ],
    }  # fmt: skip


def test_a_change_of_one_entry_leaves_the_layers_of_others(project: DataProject) -> None:
    project.file("a.csv", b"1"), project.file("b.csv", b"2")
    project.spec({"a": {"url": "a.csv"}, "b": {"url": "b.csv"}})
    project.lock()
    before = dict(made(project.store, packed(project)))
    project.file("b.csv", b"3")
    project.lock()
    after = dict(made(project.store, packed(project)))
    assert (after["data a"], after["data b"] == before["data b"]) == (before["data a"], False)


def test_a_file_that_changes_while_it_is_packed_leaves_no_layer(project: DataProject) -> None:
    path = project.file("a.csv", b"1")
    project.spec({"a": {"url": "a.csv"}})
    project.lock()
    found = packed(project)
    path.write_bytes(b"2")
    with pytest.raises(DigestMismatchError):
        made(project.store, found)
    path.write_bytes(b"1")
    assert made(project.store, found)


def test_many_entries_share_a_layer_but_for_the_largest() -> None:
    entry = DataEntry("x", "file", Digest("a" * 64), 1)
    packed = [PackedData(f"n{number:02}", entry, ()) for number in range(12)]
    groups = layer_groups(packed)
    assert [len(group) for _, group in groups] == [1] * 8 + [4]
    assert groups[-1][0] == "data n08, n09, n10, n11"


@pytest.mark.parametrize("path", [".wh.a", "a/.wh..wh..opq", ".wh./b"])
def test_a_name_that_engines_take_for_a_deletion_is_refused(path: str) -> None:
    with pytest.raises(EnvbuildError, match=r"begins with `\.wh\.`"):
        check_path(path)


FILES = {"a.csv": b"1", "b/c.csv": b"22"}
DIGEST = manifest_digest([LockedFile(path, Digest.of(data), len(data)) for path, data in sorted(FILES.items())]).hex


def problems(tmp_path: Path, files: Mapping[str, bytes], entry: Mapping[str, Any], **options: Any) -> list[str]:
    """What `verify` says of a bundle with a layer of these data."""
    folders = sorted({parent for path in files for parent in list(map(str, Path(path).parents))[:-1]})
    data = layer(*map(folder, folders), *(file(path, content, 0o644) for path, content in files.items()))
    document = documents(data={"train": {"path": "/data/train", "packed": True, **entry}}, **options)
    image = bundle_of({"data train": data, "bundle documents": document})
    verdict = check(open_file(write_folder(tmp_path / "bundle", image)))
    return [problem.message for problem in verdict.problems if problem.path and problem.path.startswith("data")]


@pytest.mark.parametrize(
    ("files", "entry", "said"),
    [
        ({"data/train": b"1"}, {"sha256": Digest.of(b"1").hex}, ""),
        ({"data/train": b"2"}, {"sha256": Digest.of(b"1").hex}, "`/data/train` is 6b86b"),
        ({"data/other": b"1"}, {"sha256": Digest.of(b"1").hex}, "and it is missing"),
        ({"data/train": b"1", "data/x": b"2"}, {"sha256": Digest.of(b"1").hex}, "`data/x` is in the layers of data"),
        ({f"data/train/{path}": data for path, data in FILES.items()}, {"kind": "folder", "sha256": DIGEST}, ""),
        ({"data/train/a.csv": b"1"}, {"kind": "folder", "sha256": DIGEST}, "says that `/data/train` is"),
        ({"data/train": b"1"}, {"sha256": Digest.of(b"1").hex, "packed": False}, "`data/train` is in the layers"),
    ],
    ids=["file", "changed", "missing", "more", "folder", "less", "not packed"],
)
def test_verify_holds_packed_data_against_what_is_told_of_them(
    tmp_path: Path, files: dict[str, bytes], entry: dict[str, Any], said: str
) -> None:
    found = problems(tmp_path, files, entry)
    assert bool(found) == bool(said)
    assert said in " ".join(found)
