from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

import pytest
from data_projects import DataProject

from builder.errors import DigestMismatchError, EnvbuildError, ExitCode
from builder.lock.data.hashing import walk
from builder.lock.data.local import pattern_of
from builder.lock.data.locking import check_model, entries
from builder.lock.integrity import StaleLockError, TamperedLockError
from builder.oci.canonical import canonical_json

SHA = hashlib.sha256(b"1").hexdigest()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_without_a_hash_gets_one(project: DataProject) -> None:
    project.file("data/a.csv", b"abc")
    project.spec({"train": {"url": "data/a.csv"}})
    entry = project.lock().data["train"]
    assert (entry.url, entry.kind, entry.digest.hex, entry.size) == ("data/a.csv", "file", sha(b"abc"), 3)
    assert project.check().lock.data == {"train": entry}


def test_a_folder_is_locked_with_a_manifest_whose_digest_anyone_can_compute(project: DataProject) -> None:
    project.file("data/b/ä 1.csv", b"1")
    project.file("data/a.csv", b"22")
    project.file("data/b-c.csv", b"333")
    project.file("data/.DS_Store")
    project.file("data/b/.ipynb_checkpoints/a.csv")
    project.spec({"train": {"url": "data"}})
    entry = project.lock().data["train"]
    rows = [["a.csv", sha(b"22"), 2], ["b-c.csv", sha(b"333"), 3], ["b/ä 1.csv", sha(b"1"), 1]]
    assert [[file.path, file.digest.hex, file.size] for file in entry.files] == rows
    assert entry.digest.hex == sha(canonical_json(rows))
    assert (entry.kind, entry.size) == ("folder", 6)


def test_a_pattern_takes_what_matches_in_its_folder(project: DataProject) -> None:
    for path in ("data/a.csv", "data/b.txt", "data/x/c.csv", "data/x/y/d.csv"):
        project.file(path)
    project.spec({"flat": {"url": "data/*.csv"}, "deep": {"url": "data/**/*.csv"}, "all": {"url": "data/x/**"}})
    lock = project.lock()
    paths = {name: [file.path for file in entry.files] for name, entry in lock.data.items()}
    assert paths == {
        "flat": ["a.csv"], "deep": ["a.csv", "x/c.csv", "x/y/d.csv"], "all": ["c.csv", "y/d.csv"],
    }  # fmt: skip
    assert {entry.kind for entry in lock.data.values()} == {"glob"}
    assert project.check().notes == ()


def test_what_the_spec_promises_needs_no_lock(project: DataProject) -> None:
    project.file("a.csv")
    project.spec({"train": {"url": "a.csv", "sha256": SHA}, "far": {"url": "s3://b/k", "sha256": SHA, "size": 1}})
    assert not project.lock()
    assert not project.lock_file.exists()
    project.check()
    found = entries(project.loaded).data
    assert {name: (entry.digest.hex, entry.size) for name, entry in found.items()} == {
        "train": (SHA, None), "far": (SHA, 1),
    }  # fmt: skip


def test_a_promise_that_does_not_hold_names_both_and_is_exit_code_5(project: DataProject) -> None:
    project.file("a.csv", b"2")
    project.spec({"train": {"url": "a.csv", "sha256": SHA, "size": 3}})
    with pytest.raises(DigestMismatchError, match="is not what the spec promises") as caught:
        project.lock()
    assert caught.value.exit_code == ExitCode.DIGEST_WRONG
    assert SHA in caught.value.why[0]
    assert sha(b"2") in caught.value.why[0]
    assert caught.value.why[1] == "`data.train.size` is 3, and the data has 1 bytes"
    with pytest.raises(StaleLockError) as stale:
        project.check()
    assert stale.value.exit_code == ExitCode.USER


def test_the_promised_digest_of_a_folder_is_that_of_its_manifest(project: DataProject) -> None:
    project.file("data/a")
    project.spec({"train": {"url": "data"}})
    digest = project.lock().data["train"].digest.hex
    project.spec({"train": {"url": "data", "sha256": digest}})
    assert project.lock().data["train"].digest.hex == digest
    project.spec({"train": {"url": "data", "sha256": SHA}})
    with pytest.raises(DigestMismatchError):
        project.lock()
    with pytest.raises(StaleLockError, match="is not as it was locked") as caught:
        entries(project.loaded)
    assert SHA in caught.value.why[0]
    assert digest in caught.value.why[0]


def test_without_a_lock_the_command_that_makes_it_is_named(project: DataProject) -> None:
    project.file("a.csv")
    project.spec({"train": {"url": "a.csv"}, "test": {"url": "b.csv", "sha256": SHA}})
    with pytest.raises(EnvbuildError, match="there is no data lock") as caught:
        entries(project.loaded)
    assert caught.value.why == ("the spec gives no hash for `data.train`",)
    assert caught.value.hint == "Make one with `envbuild lock project`"


CHANGES = {
    "content": (lambda p: p.file("a.csv", b"2"), "`data.file` in `project/a.csv`: its SHA-256 is"),
    "size": (lambda p: p.file("a.csv", b"22"), "`data.file` in `project/a.csv`: its size is 2 bytes, where 1 are"),
    "added": (lambda p: p.file("d/c"), "`data.folder` in `project/d`: `c` was added"),
    "removed": (lambda p: (p.folder / "d/a").unlink(), "`data.folder` in `project/d`: `a` was removed"),
    "changed": (lambda p: p.file("d/a", b"2"), "`data.folder` in `project/d`: `a` was changed"),
    "matched": (lambda p: p.file("g/b.csv"), "`data.glob` in `project/g`: `b.csv` was added"),
    "kind": (
        lambda p: ((p.folder / "a.csv").unlink(), p.file("a.csv/b")),
        "`data.file` in `project/a.csv`: it is a folder now, and was a file",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_changed_on_disk_is_told(project: DataProject, change: str) -> None:
    for path in ("a.csv", "d/a", "d/b", "g/a.csv"):
        project.file(path)
    project.spec({"file": {"url": "a.csv"}, "folder": {"url": "d"}, "glob": {"url": "g/*.csv"}})
    project.lock()
    project.file("g/not-matched.txt")
    project.check()
    make, said = CHANGES[change]
    make(project)
    with pytest.raises(StaleLockError) as caught:
        project.check()
    (reason,) = caught.value.why
    assert reason.startswith(said)
    assert caught.value.hint == "To take it as it is now, run `envbuild lock project`"
    project.lock()
    project.check()


def test_what_changed_in_the_spec_is_told(project: DataProject) -> None:
    for path in ("a.csv", "b.csv"):
        project.file(path)
    project.spec({"moved": {"url": "a.csv"}, "gone": {"url": "a.csv"}, "promised": {"url": "a.csv"}})
    project.lock()
    project.spec({"moved": {"url": "b.csv"}, "new": {"url": "b.csv"}, "promised": {"url": "a.csv"}})
    with pytest.raises(StaleLockError) as caught:
        entries(project.loaded)
    assert caught.value.why == (
        "`data.moved.url` was changed from `a.csv` to `b.csv`", "`data.new` was added to the spec",
    )  # fmt: skip
    project.spec({"moved": {"url": "a.csv"}, "promised": {"url": "a.csv", "sha256": "0" * 64}})
    with pytest.raises(StaleLockError) as caught:
        project.check()
    assert "`data.gone` was removed from the spec" in caught.value.why
    assert f"`data.promised.sha256` is {'0' * 64}, and the data has {SHA}" in caught.value.why


def test_data_that_is_not_on_this_machine_is_noted_and_kept(project: DataProject) -> None:
    file = project.file("a.csv")
    project.spec({"train": {"url": "a.csv"}})
    lock = project.lock()
    file.unlink()
    assert project.check().notes == ("`project/a.csv` is not here, so `data.train` was not compared",)
    assert project.lock(upgrade=True) == lock


def test_data_that_was_never_there_cannot_be_locked(project: DataProject) -> None:
    project.spec({"train": {"url": "a.csv"}})
    with pytest.raises(EnvbuildError, match=r"`project/a.csv`, which is `data.train`, is not there"):
        project.lock()
    assert not project.lock_file.exists()


def test_a_lock_that_was_edited_is_told_from_one_that_is_stale(project: DataProject) -> None:
    project.file("a.csv")
    project.spec({"train": {"url": "a.csv"}})
    project.lock()
    document = json.loads(project.lock_file.read_text())
    document["data"]["train"]["sha256"] = "0" * 64
    project.lock_file.write_text(json.dumps(document))
    with pytest.raises(TamperedLockError, match="was changed by hand"):
        project.check()


def test_nothing_is_read_twice_unless_it_changed(project: DataProject) -> None:
    project.file("d/a", b"1234")
    project.file("d/b", b"12")
    project.spec({"train": {"url": "d"}})
    project.lock()
    assert project.reads == [("project/d", 6)]
    project.check()
    project.lock()
    assert len(project.reads) == 1
    project.file("d/b", b"34")
    project.lock()
    assert project.reads[1:] == [("project/d", 2)]
    project.check(rehash=True)
    assert project.reads[2:] == [("project/d", 6)]


def test_a_fresh_copy_is_read_although_its_size_and_time_are_the_same(project: DataProject) -> None:
    file = project.file("a.csv", b"1")
    project.spec({"train": {"url": "a.csv"}})
    project.lock()
    status = file.stat()
    copy = project.file("copy", b"2")
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    copy.replace(file)
    with pytest.raises(StaleLockError):
        project.check()


def test_a_change_that_hides_its_time_is_noticed(project: DataProject) -> None:
    file = project.file("a.csv", b"1")
    project.spec({"train": {"url": "a.csv"}})
    project.lock()
    status = file.stat()
    file.write_bytes(b"2")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    with pytest.raises(StaleLockError):
        project.check()


def test_a_file_that_has_just_changed_is_not_taken_for_at_rest(project: DataProject) -> None:
    project.file("a.csv")
    project.spec({"train": {"url": "a.csv"}})
    project.make(hasher=project.hasher(now=time.time_ns()))
    project.make(hasher=project.hasher(now=time.time_ns()))
    assert len(project.reads) == 2


def test_links_are_followed_inside_of_their_folder_only(project: DataProject) -> None:
    project.file("secret", b"x")
    project.file("d/real", b"1")
    (project.folder / "d/link").symlink_to("real")
    project.spec({"train": {"url": "d"}})
    assert [file.digest.hex for file in project.lock().data["train"].files] == [SHA, SHA]
    for target in ("../secret", str(project.folder / "d/real"), "nowhere", "link", "."):
        (project.folder / "d/link").unlink()
        (project.folder / "d/link").symlink_to(target)
        with pytest.raises(EnvbuildError, match="`project/d/link` is a link that leads"):
            project.make()


@pytest.mark.parametrize("url", ["link", "link/a", "link/*"])
def test_a_path_that_leads_out_of_the_project_is_refused(project: DataProject, tmp_path: Path, url: str) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a").write_bytes(b"secret")
    (project.folder / "link").symlink_to(tmp_path / "outside")
    project.spec({"train": {"url": url}})
    with pytest.raises(EnvbuildError, match="leads out of the project"):
        project.make()


def test_a_circle_of_links_is_an_error(project: DataProject) -> None:
    (project.folder / "a").symlink_to("b")
    (project.folder / "b").symlink_to("a")
    project.spec({"train": {"url": "a"}})
    with pytest.raises(EnvbuildError):
        project.make()


def test_a_file_url_may_be_anywhere(project: DataProject, tmp_path: Path) -> None:
    (tmp_path / "else where").mkdir()
    (tmp_path / "else where/a").write_bytes(b"1")
    url = f"file://{tmp_path}/else%20where"
    project.spec({"file": {"url": f"{url}/a"}, "folder": {"url": url}, "glob": {"url": f"{url}/*"}})
    lock = project.lock()
    assert {name: entry.kind for name, entry in lock.data.items()} == {
        "file": "file", "folder": "folder", "glob": "glob",
    }  # fmt: skip
    assert project.check().notes == ()


def test_a_file_that_cannot_be_locked_is_named(project: DataProject) -> None:
    project.spec({"train": {"url": "d"}})
    project.file("d/a")
    for name, said in ((b"\xff.csv", "is not UTF-8"), (b"a\nb", "control characters")):
        path = os.fsencode(project.folder) + b"/d/" + name
        with open(path, "wb"):
            pass
        with pytest.raises(EnvbuildError, match="cannot be locked") as caught:
            project.make()
        assert said in caught.value.why[0]
        str(caught.value).encode()
        os.unlink(path)
    os.mkfifo(project.folder / "d/pipe")
    with pytest.raises(EnvbuildError, match="`project/d/pipe` is no regular file"):
        project.make()


def test_an_unreadable_file_is_named(project: DataProject) -> None:
    project.spec({"train": {"url": "file:///proc/self/mem"}})
    with pytest.raises(EnvbuildError, match="`/proc/self/mem` cannot be read"):
        project.make()


def test_a_folder_that_changes_while_it_is_read_is_refused(
    project: DataProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.file("d/a")
    project.spec({"train": {"url": "d"}})
    found = [*walk(project.folder / "d")]
    project.file("d/b")
    later = [*walk(project.folder / "d")]
    answers = [found, later]
    monkeypatch.setattr("builder.lock.data.local.walk", lambda _: tuple(answers.pop(0)))
    with pytest.raises(EnvbuildError, match="`project/d` changed while it was read"):
        project.make()
    project.file("d/a", b"more")
    answers = [found]
    with pytest.raises(EnvbuildError, match="`project/d/a` changed while it was read"):
        project.make(hasher=project.hasher(rehash=True))


def test_a_pattern_that_matches_nothing_is_refused(project: DataProject) -> None:
    project.file("d/a")
    project.spec({"train": {"url": "d/*.csv"}})
    with pytest.raises(EnvbuildError, match=r"`d/\*.csv` matches no file in `project/d`"):
        project.make()


def test_a_model_of_the_project_is_locked_once_it_is_there(project: DataProject) -> None:
    project.spec(model={"path": "model"})
    assert not project.lock()
    project.file("model/weights.bin")
    with pytest.raises(StaleLockError) as caught:
        project.check()
    assert caught.value.why == ("`model` is not locked",)
    check_model(project.loaded, project.hasher())
    model = project.lock().model
    assert model is not None
    assert [file.path for file in model.files] == ["weights.bin"]
    project.check()
    project.file("model/weights.bin", b"2")
    with pytest.raises(StaleLockError, match="is not as it was locked"):
        check_model(project.loaded, project.hasher())
    project.lock()
    (project.folder / "model/weights.bin").unlink()
    (project.folder / "model").rmdir()
    project.check()
    assert project.lock().model is not None


def test_a_model_that_a_command_makes_is_not_locked(project: DataProject) -> None:
    project.file("out/model/weights.bin")
    project.spec(model={"path": "out/model"}, commands={"train": {"run": "python t.py", "outputs": ["model"]}})
    assert not project.lock()
    project.check()


def test_a_thousand_files_are_hashed_and_compared_quickly(project: DataProject) -> None:
    folder = project.folder / "d"
    for number in range(1000):
        (folder / str(number % 10)).mkdir(parents=True, exist_ok=True)
        (folder / str(number % 10) / str(number)).write_bytes(b"%d" % number)
    project.spec({"train": {"url": "d"}})
    assert len(project.lock().data["train"].files) == 1000
    project.check()
    assert len(project.reads) == 1


def test_a_glob_that_repeats_itself_means_no_more_and_takes_no_longer() -> None:
    pattern = pattern_of(f"data/{'**/' * 30}*{'*' * 30}.csv")
    assert pattern is not None
    assert pattern.matches("a/b/c.csv")
    assert pattern.matches("c.csv")
    assert not pattern.matches("a/" * 200 + "c.txt")
