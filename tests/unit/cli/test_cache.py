"""Cleaning the store."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_locks import made_deb, made_wheel, write_made_environment

from builder.history.content import Content
from builder.history.folder import OpenRun
from builder.history.kept import Result, has, keep, keep_result, result_of
from builder.history.record import RunRecord
from builder.lock.artifact import Build, Sdist
from builder.oci.digest import Digest
from builder.oci.store import BUILT_WHEELS, CHECKOUTS, Store


def test_what_no_index_has_stays_unless_it_is_named(
    envbuild: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "store"))
    store = Store(tmp_path / "store")
    store.create()
    wheel, commit = store.write(b"a wheel"), store.write(b"a commit")
    store.write(b"from an index")
    store.keep_record(BUILT_WHEELS, "a", {"digest": str(wheel)})
    store.keep_record(CHECKOUTS, "b", {"digest": str(commit)})
    code, _, errors = envbuild("cache", "prune", "--all")
    assert code == 0
    assert "kept 2 wheels and commits that no index has (15 bytes); `--all --built` deletes them too" in errors
    assert set(store.blobs()) == {wheel, commit}
    code, _, errors = envbuild("cache", "prune", "--all", "--built")
    assert (code, "kept" in errors) == (0, False)
    assert not list(store.blobs())


def test_built_alone_deletes_nothing(envbuild: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "store"))
    code, _, errors = envbuild("cache", "prune", "--built")
    assert code == 2
    assert "`--built` goes with `--all`" in errors


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, dict[str, Content]]:
    """A store that has the outputs of two stages, and what they are."""
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "store"))
    store = Store(tmp_path / "store")
    store.create()
    contents = {}
    for name in ("old", "new"):
        with store.scratch() as scratch:
            (scratch / "out").mkdir()
            (scratch / "out/model").write_bytes(name.encode())
            contents[name] = keep(store, scratch / "out")
        keep_result(store, Digest.of(name.encode()).hex, Result({"/app/out": contents[name]}))
    return store, contents


def test_outputs_stay_unless_they_are_named(envbuild: Any, kept: tuple[Store, dict[str, Content]]) -> None:
    store, contents = kept
    code, _, errors = envbuild("cache", "prune", "--all", "--built")
    assert code == 0
    assert "kept 4 files of outputs" in errors  # a list of files and a file each
    assert all(has(store, content) for content in contents.values())
    assert "outputs of stages and runs" in envbuild("cache", "size")[1]
    assert envbuild("cache", "prune", "--outputs")[0] == 0
    assert not any(has(store, content) for content in contents.values())
    assert result_of(store, Digest.of(b"new").hex) is None


def test_outputs_that_a_project_names_stay(
    envbuild: Any, kept: tuple[Store, dict[str, Content]], tmp_path: Path
) -> None:
    store, contents = kept
    record = RunRecord(
        "20260131T235959Z-train-3f9a01", "stage", "train", "running", "2026-01-31T23:59:59Z",
        outputs={"out": contents["new"]},
    )  # fmt: skip
    (tmp_path / "project").mkdir()
    run = OpenRun.begin(tmp_path / "project", record)
    assert envbuild("cache", "prune", "--outputs", "--except", str(tmp_path / "project"))[0] == 0
    run.discard()
    assert (has(store, contents["new"]), has(store, contents["old"])) == (True, False)
    assert result_of(store, Digest.of(b"new").hex)
    assert result_of(store, Digest.of(b"old").hex) is None
    code, _, errors = envbuild("cache", "prune", "--outputs", "--except", str(tmp_path / "project"))
    assert (code, "names no outputs" in errors) == (1, True)
    assert has(store, contents["new"])
    assert envbuild("cache", "prune", "--except", str(tmp_path))[0] == 2


def test_built_wheels_are_written_for_other_machines(envbuild: Any, work: Path, tmp_path: Path) -> None:
    data = b"a wheel"
    sdist = Sdist("odd", "1.0", "odd-1.0.tar.gz", Digest.of(b"sdist"), 5, "https://files.example/odd-1.0.tar.gz")
    built = replace(made_wheel("odd"), digest=Digest.of(data), size=len(data), url="", built=Build(sdist, ()))
    write_made_environment(work, ["odd"], [built, made_wheel("other")], [made_deb("python3.11")])
    store = Store(tmp_path / "cache")
    store.create()
    store.write(data)
    code, out, errors = envbuild("cache", "wheels", str(work), "-o", str(work / "place"), "--json")
    assert code == 0, errors
    assert json.loads(out) == {"folder": str(work / "place"), "written": 1, "there": 0}
    assert (work / "place" / built.digest.hex / built.file_name).read_bytes() == data
    assert "wrote 0 wheels to place; 1 were there already" in envbuild("cache", "wheels", "-o", "place")[2]


def test_where_nothing_was_built_it_is_said_and_no_folder_is_made(envbuild: Any, work: Path) -> None:
    write_made_environment(work, ["other"], [made_wheel("other")], [made_deb("python3.11")])
    code, _, errors = envbuild("cache", "wheels", "-o", "place")
    assert (code, "nothing to do: no package in the lock of . was built from source" in errors) == (0, True)
    assert not (work / "place").exists()
