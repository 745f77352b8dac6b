from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_runs import FIRST, LAST, finished_run

from builder.errors import EnvbuildError
from builder.history.folder import OpenRun, is_runs, new_run_id, read_run, read_runs
from builder.history.layout import RECORD_LIMIT, RUN_ID


def test_a_run_is_read_as_it_was_written(tmp_path: Path) -> None:
    kept = read_run(finished_run(tmp_path))
    assert kept.record == LAST
    assert kept.changed is None
    assert (kept.folder / "changes.patch").read_bytes() == b"patch"


def test_a_run_that_is_under_way_is_said_to_run(tmp_path: Path) -> None:
    run = OpenRun.begin(tmp_path, FIRST)
    assert read_run(run.folder).record.state == "running"
    run.finish(LAST)
    assert read_run(run.folder).record.state == "finished"


def test_a_run_whose_process_is_gone_is_written_down_as_killed_with_its_log(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        run = OpenRun.begin(tmp_path, FIRST)
        run.log.write_bytes(b"epoch 1\n")
        os.utime(run.log, (1_800_000_000, 1_800_000_000))
        os._exit(0)
    os.waitpid(child, 0)
    folder = tmp_path / "runs" / FIRST.id
    os.utime(folder / "run.json", (1_700_000_000, 1_700_000_000))
    record = read_run(folder).record
    assert (record.outcome, record.end, record.exit_code) == ("killed", "2027-01-15T08:00:00.000Z", None)
    assert record.log is not None
    assert record.log.size == 8
    assert "last written to at 2027-01-15T08:00:00.000Z" in record.notes[-1]
    assert json.loads((folder / "run.json").read_bytes())["state"] == "killed"
    assert read_run(folder).record == record
    assert read_run(folder).changed is None


def test_a_run_that_is_gone_and_cannot_be_written_to_is_killed_all_the_same(tmp_path: Path) -> None:
    run = OpenRun.begin(tmp_path, FIRST)
    run._release()
    run.log.unlink()
    assert read_run(run.folder).record.state == "killed"


def test_a_record_that_was_changed_by_hand_is_told(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"auc": 0.9', '"auc": 0.99'))
    kept = read_run(folder)
    assert kept.changed == "`run.json` is not what `ro-crate-metadata.json` has the digest of"
    (folder / "ro-crate-metadata.json").unlink()
    assert read_run(folder).changed == "`ro-crate-metadata.json` is not there, or has no digest of `run.json`"


def test_a_change_by_hand_is_not_made_good_where_the_run_was_killed(tmp_path: Path) -> None:
    run = OpenRun.begin(tmp_path, FIRST)
    run._release()
    path = run.folder / "run.json"
    path.write_text(path.read_text().replace('"seed": 7', '"seed": 8'))
    before = path.read_bytes()
    assert [read_run(run.folder).changed is None, read_run(run.folder).record.state] == [False, "killed"]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("damage", "said"),
    {
        "half": (lambda folder: _write(folder, (folder / "run.json").read_bytes()[:200]), "is not valid JSON"),
        "empty": (lambda folder: _write(folder, b""), "is not valid JSON"),
        "missing": (lambda folder: (folder / "run.json").unlink(), "`run.json` is not there"),
        "another kind": (lambda folder: _write(folder, b'{"format": 2}'), "format 1 is expected"),
        "a link": (lambda folder: _link(folder), "Too many levels of symbolic links"),
        "large": (lambda folder: _write(folder, b" " * (RECORD_LIMIT + 1)), "is larger than"),
        "a folder": (lambda folder: _folder(folder), "is no regular file"),
        "renamed": (lambda folder: folder.rename(folder.with_name(FIRST.id[:-1] + "2")), "its record is of"),
    }.values(),
    ids=["half", "empty", "missing", "another kind", "a link", "large", "a folder", "renamed"],
)
def test_a_folder_that_holds_no_run_is_named_and_the_others_are_read(tmp_path: Path, damage: Any, said: str) -> None:
    damage(finished_run(tmp_path))
    finished_run(tmp_path, id=FIRST.id[:-1] + "9")
    runs = read_runs(tmp_path)
    assert [kept.record.id[-6:] for kept in runs.runs] == ["3f9a09"]
    assert len(runs.failures) == 1
    assert f"{tmp_path}/runs/{FIRST.id[:-1]}" in str(runs.failures[0])
    assert said in str(runs.failures[0])


def _write(folder: Path, data: bytes) -> None:
    (folder / "run.json").write_bytes(data)


def _link(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").symlink_to("/etc/passwd")


def _folder(folder: Path) -> None:
    (folder / "run.json").unlink()
    (folder / "run.json").mkdir()


def test_a_run_that_ends_between_two_renames_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run, replace_file = OpenRun.begin(tmp_path, FIRST), os.replace

    def stop(source: Any, target: Any) -> None:
        if str(target).endswith("run.json"):
            raise OSError(errno.EIO, "the machine stops")
        replace_file(source, target)

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(EnvbuildError):
        run.finish(LAST)
    kept = read_run(run.folder)
    assert (kept.record, kept.changed) == (LAST, None)


def test_a_full_disk_at_the_end_leaves_a_run_that_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = OpenRun.begin(tmp_path, FIRST)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EnvbuildError, match="cannot be recorded") as raised:
        run.finish(LAST)
    assert raised.value.why == ("No space left on device",)
    monkeypatch.undo()
    kept = read_run(run.folder)
    assert (kept.record.state, kept.changed) == ("killed", None)
    assert not list(run.folder.glob(".next-*"))


def test_a_run_that_cannot_begin_leaves_nothing(tmp_path: Path) -> None:
    finished_run(tmp_path)
    with pytest.raises(EnvbuildError, match="cannot be recorded"):
        OpenRun.begin(tmp_path, FIRST)  # there is one of this name
    assert os.listdir(tmp_path / "runs") == [FIRST.id]
    (tmp_path / "other").write_bytes(b"")
    with pytest.raises(EnvbuildError, match="cannot be recorded"):
        OpenRun.begin(tmp_path / "other", FIRST)


def test_a_run_that_never_began_is_discarded(tmp_path: Path) -> None:
    OpenRun.begin(tmp_path, FIRST).discard()
    assert read_runs(tmp_path).runs == ()


def test_a_project_without_runs_has_none(tmp_path: Path) -> None:
    assert read_runs(tmp_path) == read_runs(tmp_path / "nowhere")
    assert read_runs(tmp_path).runs == ()


def test_a_folder_of_runs_is_known_by_what_is_in_it(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    assert is_runs(folder.parent)
    shutil.rmtree(folder)
    (folder.parent / "main.py").write_bytes(b"")
    assert not is_runs(folder.parent)


def test_names_of_runs_are_of_one_form() -> None:
    from datetime import UTC, datetime

    name = new_run_id("train-all.2", datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
    assert name.startswith("20260131T235959Z-train-all.2-")
    assert RUN_ID.fullmatch(name)


def test_equal_records_have_equal_crates(tmp_path: Path) -> None:
    first, second = finished_run(tmp_path / "a"), finished_run(tmp_path / "b")
    for name in ("run.json", "ro-crate-metadata.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert replace(read_run(first).record, id="") == replace(read_run(second).record, id="")


def test_digests_of_code_that_are_no_texts_are_told(tmp_path: Path) -> None:
    folder = finished_run(tmp_path)
    record = json.loads((folder / "run.json").read_bytes())
    record["code"] = {"digest": None, "files": {"a.py": {}}, "found": "imports"}
    (folder / "run.json").write_text(json.dumps(record))
    with pytest.raises(EnvbuildError, match="is no record of a run") as failure:
        read_run(folder)
    assert failure.value.why == ("`code.files` are no texts",)
