from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.lock.data.document import DataLock, read_data_lock, write_data_lock
from builder.lock.data.entry import DataEntry, LockedFile, Pointer, check_path, folder_entry, manifest_digest
from builder.lock.integrity import ConflictedLockError, TamperedLockError, sealed
from builder.oci.digest import Digest

A, B = Digest("a" * 64), Digest("b" * 64)
FOLDER = folder_entry("data/", "folder", [LockedFile("b.csv", B, 2), LockedFile("a/ä.csv", A, 1)])
LOCK = DataLock(
    {
        "train": DataEntry("https://example.com/a.csv", "file", A, 10),
        "images": FOLDER,
        "pointed": DataEntry("x.dvc", "file", B, 3, pinned="s3://b/k", pointer=Pointer("x", "c" * 32)),
    },
    DataEntry("hf://o/m", "folder", manifest_digest(()), 0, pinned="hf://o/m@" + "0" * 40),
)


def read(data: bytes) -> DataLock:
    return DataLock.from_bytes(data, "the data lock")


def changed(change: Any, *, seal: bool = False) -> bytes:
    document = json.loads(LOCK.to_bytes())
    change(document)
    if seal:
        document["data"] = {name: sealed(entry) for name, entry in document["data"].items()}
    return json.dumps(document).encode()


def test_what_was_written_is_read() -> None:
    assert read(LOCK.to_bytes()) == LOCK
    assert read(DataLock().to_bytes()) == DataLock()


def test_the_bytes_do_not_depend_on_the_order_of_names() -> None:
    assert DataLock(dict(reversed(LOCK.data.items())), LOCK.model).to_bytes() == LOCK.to_bytes()


def test_each_file_of_a_folder_has_one_line() -> None:
    lines = LOCK.to_bytes().decode().splitlines()
    assert f'        ["a/ä.csv", "{A.hex}", 1],' in lines
    assert f'        ["b.csv", "{B.hex}", 2]' in lines


def test_branches_that_lock_different_names_merge_by_themselves(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    def commit(lock: DataLock, message: str) -> None:
        write_data_lock(tmp_path, lock)
        git("add", ".")
        git("commit", "-m", message)

    base = {f"{name}-data": DataEntry(f"{name}.csv", "file", A, 1) for name in "bhm"}
    git("init", "-b", "main")
    commit(DataLock(base), "base")
    git("checkout", "-b", "other")
    commit(DataLock({**base, "a-data": FOLDER}), "other")
    git("checkout", "main")
    commit(DataLock({**base, "m-data": DataEntry("m.csv", "file", B, 2)}), "main")
    git("merge", "other")
    merged = read_data_lock(tmp_path)
    assert merged is not None
    assert sorted(merged.data) == ["a-data", "b-data", "h-data", "m-data"]
    assert merged.data["m-data"].digest == B


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda lock: lock["data"]["train"].update(sha256="c" * 64), "data.train"),
        (lambda lock: lock["data"]["train"].update(url="https://evil.example/a.csv"), "data.train"),
        (lambda lock: lock["data"]["train"].pop("check"), "data.train"),
        (lambda lock: lock["data"]["images"]["files"].pop(), "data.images"),
        (lambda lock: lock["model"].update(pinned="hf://o/m@" + "1" * 40), "model"),
    ],
)
def test_every_edited_entry_is_named(change: Any, place: str) -> None:
    with pytest.raises(TamperedLockError, match="was changed by hand") as caught:
        read(changed(change))
    assert caught.value.why == (f"`data.lock.json`: `{place}` is not as it was locked",)


def test_a_manifest_that_is_not_its_digest_is_noticed_although_its_check_is_right() -> None:
    with pytest.raises(TamperedLockError):
        read(changed(lambda lock: lock["data"]["images"].update(sha256="c" * 64), seal=True))


FILES = {
    "up": [["../x", "a" * 64, 1]],
    "inside up": [["a/../../x", "a" * 64, 1]],
    "root": [["/etc/passwd", "a" * 64, 1]],
    "empty part": [["a//b", "a" * 64, 1]],
    "here": [["./a", "a" * 64, 1]],
    "control": [["a\nb", "a" * 64, 1]],
    "twice": [["a", "a" * 64, 1], ["a", "a" * 64, 1]],
    "disorder": [["b", "a" * 64, 1], ["a", "a" * 64, 1]],
    "file and folder": [["a", "a" * 64, 1], ["a.b", "a" * 64, 1], ["a/b", "a" * 64, 1]],
    "no digest": [["a", "abc", 1]],
    "negative": [["a", "a" * 64, -1]],
    "no size": [["a", "a" * 64, None]],
    "truth": [["a", "a" * 64, True]],
    "short": [["a"]],
    "no row": [3],
    "long": [["a" * 5000, "a" * 64, 1]],
}


@pytest.mark.parametrize("files", FILES.values(), ids=FILES)
def test_a_hostile_manifest_is_refused(files: list[Any]) -> None:
    with pytest.raises(EnvbuildError, match="is not as it should be"):
        read(changed(lambda lock: lock["data"]["images"].update(files=files), seal=True))


WRONG = {
    "kind": lambda lock: lock["data"]["train"].update(kind="socket"),
    "url": lambda lock: lock["data"]["train"].update(url=3),
    "size": lambda lock: lock["data"]["train"].update(size="3"),
    "pointer up": lambda lock: lock["data"]["pointed"]["dvc"].update(path="../x"),
    "pointer md5": lambda lock: lock["data"]["pointed"]["dvc"].update(md5="../x"),
    "entry": lambda lock: lock["data"].update(train=3),
    "data": lambda lock: lock.update(data=[]),
    "no data": lambda lock: lock.pop("data"),
    "no files": lambda lock: lock["data"]["images"].pop("files"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_lock_of_another_form_is_refused(change: Any) -> None:
    with pytest.raises(EnvbuildError, match="is not as it should be"):
        read(changed(change))


@pytest.mark.parametrize(
    ("version", "said"), [(2, "of version 2; this envbuild knows"), (0, "not one of envbuild"), ("1", "not one of")]
)
def test_other_versions_are_told_apart(version: Any, said: str) -> None:
    with pytest.raises(EnvbuildError, match=said):
        read(changed(lambda lock: lock.update(version=version)))


def test_a_merge_that_stopped_is_named_with_its_line() -> None:
    with pytest.raises(ConflictedLockError) as caught:
        read(b"{\n<<<<<<< HEAD\n}")
    assert caught.value.why == ("`data.lock.json`, line 2",)


def test_a_lock_of_nothing_is_no_file(tmp_path: Path) -> None:
    assert write_data_lock(tmp_path / "lock", LOCK)
    assert not write_data_lock(tmp_path / "lock", LOCK)
    assert write_data_lock(tmp_path / "lock", DataLock())
    assert read_data_lock(tmp_path / "lock") is None
    assert not write_data_lock(tmp_path / "other", DataLock())
    assert not (tmp_path / "other").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(data=JSON | st.fixed_dictionaries({"version": st.just(1), "data": JSON, "model": JSON}))
def test_no_json_breaks_the_reader(data: Any) -> None:
    with contextlib.suppress(EnvbuildError):
        read(json.dumps(data).encode())


@given(parts=st.lists(st.sampled_from(["a", "..", ".", "", "b c", "é"]), min_size=1, max_size=4))
def test_a_path_that_is_taken_stays_below_its_folder(parts: list[str]) -> None:
    path = "/".join(parts)
    inside = Path("/root/folder", path).is_relative_to("/root/folder") and ".." not in parts
    try:
        check_path(path)
    except ValueError:
        return
    assert inside
    assert str(Path("/root/folder", path)) == f"/root/folder/{path}"


def test_a_path_through_more_folders_than_anybody_makes_is_refused() -> None:
    assert check_path("d/" * 200 + "file")
    with pytest.raises(ValueError, match="more than 200 folders"):
        check_path("d/" * 201 + "file")
