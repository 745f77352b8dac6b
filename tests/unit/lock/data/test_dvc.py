from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from data_projects import DataProject

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.data.dvc import object_places, read_pointer, remote_url
from builder.lock.data.locking import entries
from builder.lock.integrity import StaleLockError


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def folder_object(files: Mapping[str, bytes]) -> bytes:
    """The list of a folder's files, as DVC writes it."""
    rows = [{"md5": md5(data), "relpath": path} for path, data in sorted(files.items())]
    return json.dumps(rows, sort_keys=True).encode()


def pointer(project: DataProject, name: str, digest: str, **fields: Any) -> None:
    out = {"md5": digest, "hash": "md5", "path": name, **fields}
    project.file(f"data/{name}.dvc", yaml.safe_dump({"outs": [{k: v for k, v in out.items() if v}]}).encode())


def keep(root: Path, data: bytes, suffix: str = "", layout: str = "files/md5/") -> str:
    """Put an object where DVC has it, and give its name."""
    digest = md5(data)
    path = root / f"{layout}{digest[:2]}/{digest[2:]}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return digest + suffix


@pytest.fixture
def repository(project: DataProject) -> DataProject:
    (project.folder / ".dvc").mkdir()
    project.spec({"train": {"url": "data/a.csv.dvc"}})
    return project


FILES = {"a.csv": b"1", "b/c.csv": b"22"}


def test_a_pointed_file_of_the_working_tree_is_locked(repository: DataProject) -> None:
    repository.file("data/a.csv", b"abc")
    pointer(repository, "a.csv", md5(b"abc"), size=3)
    entry = repository.lock().data["train"]
    assert (entry.url, entry.kind, entry.size) == ("data/a.csv.dvc", "file", 3)
    assert entry.digest.hex == hashlib.sha256(b"abc").hexdigest()
    assert entry.pointer is not None
    assert (entry.pointer.path, entry.pointer.md5) == ("data/a.csv", md5(b"abc"))
    assert repository.check().notes == ()


def test_a_pointed_folder_of_the_working_tree_is_locked(repository: DataProject) -> None:
    for path, data in FILES.items():
        repository.file(f"data/a.csv/{path}", data)
    pointer(repository, "a.csv", md5(folder_object(FILES)) + ".dir", nfiles=2)
    entry = repository.lock().data["train"]
    assert (entry.kind, [file.path for file in entry.files]) == ("folder", ["a.csv", "b/c.csv"])
    repository.file("data/a.csv/b/c.csv", b"33")
    with pytest.raises(StaleLockError, match="is not as it was locked") as caught:
        repository.check()
    assert caught.value.why == ("`data.train` in `project/data/a.csv`: `b/c.csv` was changed",)
    with pytest.raises(DigestMismatchError, match="is not what its pointer stands for"):
        repository.lock()


@pytest.mark.parametrize("place", ["cache", "remote"])
@pytest.mark.parametrize("layout", ["files/md5/", ""])
def test_what_is_not_in_the_working_tree_is_taken_from_cache_or_remote(
    repository: DataProject, tmp_path: Path, place: str, layout: str
) -> None:
    root = repository.folder / ".dvc/cache" if place == "cache" else tmp_path / "remote"
    (repository.folder / ".dvc/config").write_text(
        "[core]\n    remote = shared\n    analytics = false\n['remote \"shared\"']\n    url = ../../remote\n"
    )
    hashed = None if layout == "" else "md5"
    pointer(repository, "a.csv", keep(root, b"abc", layout=layout), hash=hashed)
    for data in FILES.values():
        keep(root, data, layout=layout)
    pointer(repository, "folder", keep(root, folder_object(FILES), ".dir", layout), hash=hashed)
    repository.spec({"train": {"url": "data/a.csv.dvc"}, "folder": {"url": "data/folder.dvc"}})
    lock = repository.lock()
    assert lock.data["train"].digest.hex == hashlib.sha256(b"abc").hexdigest()
    assert [file.path for file in lock.data["folder"].files] == ["a.csv", "b/c.csv"]
    assert lock.data["train"].pinned is None
    assert len(repository.check().notes) == 2
    assert repository.lock() == lock


def test_a_remote_that_others_reach_is_pinned(repository: DataProject) -> None:
    repository.file("data/a.csv", b"abc")
    pointer(repository, "a.csv", md5(b"abc"))
    (repository.folder / ".dvc/config").write_text(
        "[core]\nremote = a\n['remote \"a\"']\nurl = azure://container/path/\n['remote \"b\"']\nurl = s3://me@bucket\n"
    )
    digest = md5(b"abc")
    assert repository.lock().data["train"].pinned == f"az://container/path/files/md5/{digest[:2]}/{digest[2:]}"
    pointer(repository, "a.csv", md5(b"abc"), remote="b")
    assert remote_url(read_pointer("data/a.csv.dvc", repository.folder)) == "s3://bucket"


def test_a_pointer_that_moved_makes_the_lock_stale(repository: DataProject) -> None:
    repository.file("data/a.csv", b"abc")
    pointer(repository, "a.csv", md5(b"abc"))
    repository.lock()
    repository.file("data/a.csv", b"new")
    pointer(repository, "a.csv", md5(b"new"))
    with pytest.raises(StaleLockError) as caught:
        entries(repository.loaded)
    assert caught.value.why == (
        f"`data/a.csv.dvc` stands for data/a.csv of MD5 {md5(b'new')}, where {md5(b'abc')} is locked",
    )
    assert repository.lock().data["train"].digest.hex == hashlib.sha256(b"new").hexdigest()


def test_what_is_nowhere_is_an_error_with_a_way_out(repository: DataProject) -> None:
    pointer(repository, "a.csv", md5(b"abc"))
    with pytest.raises(EnvbuildError, match="neither here nor in a remote") as caught:
        repository.lock()
    assert caught.value.hint == "Run `dvc pull`, or set the remote in `.dvc/config`"


def test_a_pointer_outside_of_a_repository_of_dvc_stands_for_the_file_beside_it(
    project: DataProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.spec({"train": {"url": "data/a.csv.dvc"}})
    pointer(project, "a.csv", md5(b"abc"))
    monkeypatch.chdir(project.folder)
    project.folder = Path()
    with pytest.raises(EnvbuildError, match="neither here nor in a remote") as caught:
        project.lock()
    assert "URLs cannot be read" not in str(caught.value)


def test_an_object_that_is_another_is_refused(repository: DataProject) -> None:
    digest = keep(repository.folder / ".dvc/cache", b"abc")
    pointer(repository, "a.csv", digest)
    path = repository.folder / f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"
    path.write_bytes(b"evil")
    with pytest.raises(DigestMismatchError, match="is not the object of DVC that it is named after"):
        repository.lock()


@pytest.mark.parametrize("content", [b"a\r\nb\r\n", b"a\r\n" * 400_000 + b"\r"], ids=len)
def test_before_dvc_3_text_was_hashed_with_other_line_ends(repository: DataProject, content: bytes) -> None:
    repository.file("data/a.csv", content)
    pointer(repository, "a.csv", md5(content.replace(b"\r\n", b"\n")), hash=None)
    assert repository.lock().data["train"].digest.hex == hashlib.sha256(content).hexdigest()
    pointer(repository, "a.csv", md5(content.replace(b"\r\n", b"\n")), hash="md5")
    with pytest.raises(DigestMismatchError):
        repository.lock(upgrade=True)


GOOD = md5(b"abc")
HOSTILE = {
    "up": {"outs": [{"md5": GOOD, "path": "../../x"}]},
    "root": {"outs": [{"md5": GOOD, "path": "/etc/passwd"}]},
    "folder up": {"wdir": "../..", "outs": [{"md5": GOOD, "path": "x"}]},
    "digest": {"outs": [{"md5": "../../../etc/passwd", "path": "a.csv"}]},
    "several": {"outs": [{"md5": GOOD, "path": "a"}, {"md5": GOOD, "path": "b"}]},
    "none": {"outs": []},
    "other": {"outs": [{"etag": "x", "path": "a"}]},
    "text": {"outs": "x"},
    "list": [1],
    "no outs": {"deps": []},
    "number": {"outs": 3},
    "path": {"outs": [{"md5": GOOD, "path": ["a"]}]},
    "itself": {"outs": [{"md5": GOOD, "path": ".."}]},
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_pointer_is_refused(repository: DataProject, document: Any) -> None:
    repository.file("data/a.csv.dvc", yaml.safe_dump(document).encode())
    with pytest.raises(EnvbuildError, match=r"`project/data/a.csv.dvc` is no pointer") as caught:
        repository.lock()
    assert "Traceback" not in str(caught.value)
    assert "len()" not in str(caught.value)
    assert not repository.lock_file.exists()


@pytest.mark.parametrize("data", [b"[" * 20_000, b"a: b: c", b"\xff\xfe\x00", b"x" * 300_000, b"", b"- &a [*a]"])
def test_what_is_no_yaml_is_no_pointer(repository: DataProject, data: bytes) -> None:
    repository.file("data/a.csv.dvc", data)
    with pytest.raises(EnvbuildError, match="is no pointer of DVC"):
        repository.lock()


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a//b"])
def test_a_hostile_list_of_files_is_refused(repository: DataProject, path: str) -> None:
    root = repository.folder / ".dvc/cache"
    keep(root, b"1")
    data = json.dumps([{"md5": md5(b"1"), "relpath": path}]).encode()
    pointer(repository, "a.csv", keep(root, data, ".dir"))
    with pytest.raises(EnvbuildError, match="cannot be taken"):
        repository.lock()


def test_a_remote_of_another_kind_is_named(repository: DataProject) -> None:
    repository.file("data/a.csv", b"abc")
    pointer(repository, "a.csv", md5(b"abc"))
    (repository.folder / ".dvc/config").write_text(
        "[core]\nremote = a\n['remote \"a\"']\nurl = ssh://me:hunter2@host/x\n"
    )
    with pytest.raises(EnvbuildError, match="is of the kind `ssh`, which is not read") as caught:
        repository.lock()
    assert "hunter2" not in str(caught.value)


def test_without_a_remote_only_the_cache_is_asked(repository: DataProject) -> None:
    pointer(repository, "a.csv", GOOD)
    places = list(object_places(read_pointer("data/a.csv.dvc", repository.folder), GOOD))
    cache = repository.folder / ".dvc/cache"
    assert places == [f"{cache}/files/md5/{GOOD[:2]}/{GOOD[2:]}", f"{cache}/{GOOD[:2]}/{GOOD[2:]}"]


def test_a_pointer_that_repeats_itself_is_refused(repository: DataProject) -> None:
    levels = ["a0: &a0 {x: 1}"]
    levels += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 6)]
    text = "\n".join([*levels, "outs: [{md5: " + md5(b"abc") + ", path: a.csv}]"])
    repository.file("data/a.csv.dvc", text.encode())
    repository.file("data/a.csv", b"abc")
    with pytest.raises(EnvbuildError, match=r"no pointer of DVC") as caught:
        repository.lock()
    assert caught.value.why == ("an alias (`*name`) is not taken",)
