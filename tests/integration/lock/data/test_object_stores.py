from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from data_projects import DataProject
from huggingface_hub import HfFileSystem
from object_stores import COMMIT, MOVED, SECRET, ObjectStore

from builder.bundle.inside.documents import data_reference
from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Source
from builder.fetch.remote import RemoteFile, list_remote, open_remote, public_reason
from builder.lock.data import download
from builder.lock.data.download import Downloader
from builder.lock.data.locking import entries
from builder.lock.data.online import look_up_data
from builder.lock.integrity import StaleLockError
from builder.oci.digest import Digest
from builder.run.data import data_path

ROOT = Path(__file__).parents[4]
WRONG_SECRET = "d3JvbmdlciE="

TREE = {"a.csv": b"1", "b/c d.csv": bytes(range(256)) * 40, "b/e.txt": b"333"}


@pytest.fixture
def root(objects: ObjectStore, tmp_path: Path) -> str:
    """A container of its own, as its keys name it."""
    name = hashlib.sha256(bytes(tmp_path)).hexdigest()[:20]
    return f"datasets/org/{name}@{COMMIT}" if objects.scheme == "hf" else name


@pytest.fixture
def url(objects: ObjectStore, root: str) -> str:
    objects.put({f"{root}/data/{path}": data for path, data in TREE.items()})
    return objects.url(f"{root}/data")


def manifest(paths: list[str]) -> list[tuple[str, str, int]]:
    return [(path, hashlib.sha256(TREE[path]).hexdigest(), len(TREE[path])) for path in paths]


def test_files_folders_and_patterns_are_locked_and_are_in_the_store(url: str, project: DataProject) -> None:
    project.spec(
        {
            "file": {"url": f"{url}/b/c d.csv"}, "folder": {"url": url}, "slash": {"url": f"{url}/"},
            "glob": {"url": f"{url}/**/*.csv"},
        }
    )  # fmt: skip
    lock = project.lock().data
    assert [(file.path, file.digest.hex, file.size) for file in lock["folder"].files] == manifest(sorted(TREE))
    assert [file.path for file in lock["glob"].files] == ["a.csv", "b/c d.csv"]
    assert lock["slash"].digest == lock["folder"].digest
    assert {name: entry.kind for name, entry in lock.items()} == {
        "file": "file", "folder": "folder", "slash": "folder", "glob": "glob",
    }  # fmt: skip
    assert project.store.path(lock["file"].digest).read_bytes() == TREE["b/c d.csv"]
    assert SECRET not in project.lock_file.read_text()


def test_what_is_locked_is_not_asked_for_again(url: str, project: DataProject, monkeypatch: pytest.MonkeyPatch) -> None:
    project.spec({"file": {"url": f"{url}/a.csv"}, "folder": {"url": url}})
    lock = project.lock()
    monkeypatch.setattr(Downloader, "read", None)
    assert project.lock() == lock
    assert project.check().lock == lock


def test_upgrade_reads_anew_and_a_new_url_is_read(
    url: str, root: str, objects: ObjectStore, project: DataProject
) -> None:
    project.spec({"file": {"url": f"{url}/a.csv"}, "folder": {"url": f"{url}/b"}})
    lock = project.lock()
    objects.put({f"{root}/data/a.csv": b"2", f"{root}/data/b/f": b"4"})
    assert project.lock() == lock
    upgraded = project.lock(upgrade=True)
    assert upgraded.data["file"].digest.hex == hashlib.sha256(b"2").hexdigest()
    assert [file.path for file in upgraded.data["folder"].files] == ["c d.csv", "e.txt", "f"]
    project.spec({"file": {"url": f"{url}/b/f"}, "folder": {"url": f"{url}/b"}})
    with pytest.raises(StaleLockError):
        project.check()
    assert project.lock().data["file"].size == 1


def test_a_file_that_came_after_its_folder_was_listed_is_read(url: str, root: str, objects: ObjectStore) -> None:
    assert list_remote(f"{url}/b")
    with closing(open_remote(f"{url}/b/e.txt", 0)) as bodies:
        next(bodies)
    objects.put({f"{root}/data/b/late": b"5"})
    with closing(open_remote(f"{url}/b/late", 0)) as bodies:
        assert next(bodies).size == 1


def test_a_promise_that_the_store_does_not_keep_is_a_wrong_digest(url: str, project: DataProject) -> None:
    project.spec({"folder": {"url": f"{url}/", "sha256": "0" * 64}})
    with pytest.raises(DigestMismatchError, match=r"`data\.folder` is not what the spec promises"):
        project.lock()
    source = Source(Digest("0" * 64), 1, (f"{url}/a.csv",), "data")
    with pytest.raises(DigestMismatchError):
        project.fetcher.blob(source)


def test_what_is_no_longer_there_is_told_when_it_is_asked_for(
    url: str, root: str, objects: ObjectStore, project: DataProject
) -> None:
    project.spec({"file": {"url": f"{url}/a.csv"}, "folder": {"url": f"{url}/b"}})
    lock = project.lock()
    found = look_up_data(lock, project.fetcher)
    assert (found.asked, found.gone, found.unknown) == (3, (), ())
    objects.put({f"{root}/data/a.csv": b"22"})
    objects.delete(f"{root}/data/b/e.txt")
    if objects.scheme == "hf":  # it keeps what it knows of a commit as long as the process lives
        HfFileSystem.clear_instance_cache()
    gone = [error.what for error in look_up_data(lock, project.fetcher).gone]
    assert gone == ["`data.file` can no longer be had", "`data.folder`: `e.txt` can no longer be had"]


@pytest.mark.parametrize("path", ["nothing.csv", "nothing/", "*.nothing"])
def test_what_is_not_there_is_named(url: str, project: DataProject, path: str) -> None:
    project.spec({"train": {"url": f"{url}/{path}"}})
    with pytest.raises(EnvbuildError) as caught:
        project.lock()
    assert f"{url}/{path}" in caught.value.what
    assert "there is no such file or folder" in str(caught.value) or "matches no file" in caught.value.what
    assert not project.lock_file.exists()


@pytest.mark.parametrize("objects", ["s3", "az", "hf"], indirect=True)  # gcsfs takes half a minute to give up
def test_a_store_that_refuses_or_is_down_gives_no_secret_away(
    url: str, objects: ObjectStore, project: DataProject
) -> None:
    project.spec({"train": {"url": f"{url}/a.csv"}})
    if objects.scheme in ("az", "hf"):  # moto takes any credential
        variables = {
            name: value.replace(SECRET, WRONG_SECRET).replace("AccountName=dev", "AccountName=other")
            for name, value in objects.variables.items()
        }
    else:
        variables = {**objects.variables, "AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_MAX_ATTEMPTS": "1"}
    environment = {**os.environ, **variables, "ENVBUILD_CACHE": str(project.store.root), "PYTHONPATH": str(ROOT)}
    line = [sys.executable, "-m", "builder", "--verbose", "lock", str(project.folder)]
    finished = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert f"error: `{url}/a.csv` could not be read" in finished.stderr
    assert "access is refused" in finished.stderr or objects.scheme == "s3"
    for text in (finished.stdout, finished.stderr):
        assert SECRET not in text
        assert WRONG_SECRET not in text
        assert "Traceback" not in text


@pytest.mark.parametrize("objects", ["gs", "az", "hf"], indirect=True)  # moto breaks nothing off
def test_a_body_that_breaks_off_is_asked_for_again(url: str, objects: ObjectStore, project: DataProject) -> None:
    objects.fail = 1
    project.spec({"train": {"url": f"{url}/b/c d.csv"}})
    assert project.lock().data["train"].digest.hex == hashlib.sha256(TREE["b/c d.csv"]).hexdigest()
    assert objects.fail == 0


def test_a_library_that_is_not_installed_is_named_with_its_extra(
    url: str, objects: ObjectStore, project: DataProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "hf": "huggingface_hub"}[objects.scheme]
    extra = {"az": "azure"}.get(objects.scheme, objects.scheme)
    monkeypatch.setitem(sys.modules, module, None)
    project.spec({"train": {"url": f"{url}/a.csv"}})
    with pytest.raises(EnvbuildError) as caught:
        project.lock()
    assert caught.value.hint == f"Install it: `pip install 'envbuild[{extra}]'`"


def test_locked_data_is_had_by_another_machine(url: str, project: DataProject, tmp_path: Path) -> None:
    project.spec({"file": {"url": f"{url}/a.csv"}, "glob": {"url": f"{url}/**/*.csv"}})
    project.lock()
    other = DataProject(project.folder / "elsewhere", tmp_path / "other-store")
    data = entries(project.loaded).data
    paths = {
        name: data_path(name, data_reference(name, entry), other.folder, other.fetcher, lambda entry=entry: entry)
        for name, entry in data.items()
    }
    assert paths["file"].read_bytes() == TREE["a.csv"]
    found = {str(path.relative_to(paths["glob"])): path.read_bytes() for path in paths["glob"].rglob("*.csv")}
    assert found == {path: TREE[path] for path in ("a.csv", "b/c d.csv")}


@pytest.mark.parametrize("key", ["../x", "a//b", "./a", "a\nb"])
def test_keys_that_no_folder_can_hold_are_refused(
    project: DataProject, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    found = (RemoteFile(f"s3://bucket/data/{key}", key, 1),)
    monkeypatch.setattr(download, "list_remote", lambda _: found)
    project.spec({"train": {"url": "s3://bucket/data/"}})
    with pytest.raises(EnvbuildError, match="`s3://bucket/data/` cannot be locked as a folder"):
        project.lock()


@pytest.mark.parametrize("objects", ["hf"], indirect=True)
def test_a_branch_of_a_hub_is_pinned_to_its_commit(objects: ObjectStore, project: DataProject) -> None:
    objects.put({f"org/model@{COMMIT}/w.bin": b"1", f"org/model@{MOVED}/w.bin": b"2"})
    project.spec(model={"url": "hf://org/model@main/w.bin"}, data={"all": {"url": "hf://org/model"}})
    lock = project.lock()
    assert lock.model is not None
    assert lock.model.url == "hf://org/model@main/w.bin"
    assert lock.model.pinned == f"hf://org/model@{COMMIT}/w.bin"
    assert lock.data["all"].pinned == f"hf://org/model@{COMMIT}"
    objects.revisions["main"] = MOVED
    try:
        assert project.lock() == lock
        moved = project.lock(upgrade=True).model
    finally:
        objects.revisions["main"] = COMMIT
    assert moved is not None
    assert moved.pinned == f"hf://org/model@{MOVED}/w.bin"
    assert moved.digest.hex == hashlib.sha256(b"2").hexdigest()
    project.store.discard(lock.model.digest)
    source = Source(lock.model.digest, 1, (lock.model.source,), "the model")
    assert project.fetcher.blob(source).read_bytes() == b"1"


@pytest.mark.parametrize("objects", ["s3"], indirect=True)
def test_a_public_bucket_is_read_without_credentials(
    objects: ObjectStore, project: DataProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects.put({"public/a.csv": b"1"})
    variables = {name: value for name, value in objects.variables.items() if "KEY" not in name}
    code = (
        "import sys; from builder.fetch.mirrors import Mirrors; from builder.fetch.transport import Transport\n"
        "with Transport(Mirrors()).open('s3://public/a.csv') as body: print(body.read(9))"
    )
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(project.folder), **variables}
    finished = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=False)
    assert finished.stderr == b""
    assert finished.stdout == b"b'1'\n"


@pytest.mark.parametrize(
    "text",
    [
        "cannot reach https://account.blob.core.windows.net/c/a?sv=1&sig=hunter2 now",
        "the key hunter2 is wrong",
        "https://scientist:hunter2@example.com/a: refused",
        "first line\nhunter2",
    ],
)
def test_no_error_of_a_library_gives_a_secret_away(text: str) -> None:
    assert "hunter2" not in public_reason(ValueError(text), {"AWS_SECRET_ACCESS_KEY": "hunter2"})
