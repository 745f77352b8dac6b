from __future__ import annotations

import difflib
import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_stages import file_content

from builder.errors import EnvbuildError
from builder.lock.integrity import ConflictedLockError, TamperedLockError
from builder.pipeline.key import key_of
from builder.pipeline.stages_lock import (
    StageEntry,
    StagesLock,
    read_stages_lock,
    write_stages_lock,
)


def _entry(**changes: Any) -> StageEntry:
    parts = {
        "format": 1,
        "arguments": ["python", "-m", "train"],
        "inputs": {"/app/x.csv": {"kind": "file", "sha256": "a" * 64}},
        "outputs": ["/app/model"],
        "code": {"src/train.py": "b" * 64},
        "parameters": {"rate": 0.1},
        "parameter-files": {"params.yaml": "c" * 64},
        "seed": 7,
        "environment": "e" * 64,
        "platform": "linux/amd64",
        "variables": {},
        "network": False,
        **changes,
    }
    outputs = {"model": replace(file_content("model"), files=None)}
    return StageEntry(key_of(parts), parts, outputs, "20260131T235959Z-train-3f9a01", {"model": "d" * 64})


LOCK = StagesLock({"train": _entry(), "apply": _entry(seed=None), "report": _entry(seed=9)})


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert write_stages_lock(tmp_path / "lock", LOCK)
    assert read_stages_lock(tmp_path / "lock") == LOCK
    assert not write_stages_lock(tmp_path / "lock", LOCK)


def test_there_need_be_none(tmp_path: Path) -> None:
    assert read_stages_lock(tmp_path) == StagesLock()


def test_the_bytes_do_not_depend_on_the_order_of_stages() -> None:
    backwards = StagesLock(dict(reversed(LOCK.stages.items())))
    assert backwards.to_bytes() == LOCK.to_bytes()


def test_a_change_of_one_stage_touches_its_lines_alone() -> None:
    before = LOCK.to_bytes().decode().splitlines()
    after = LOCK.with_entry("report", _entry(seed=10, arguments=["other"])).to_bytes().decode().splitlines()
    first, last = before.index('    "report": {'), before.index('    "train": {')
    changed = [code[1:3] for code in difflib.SequenceMatcher(None, before, after).get_opcodes() if code[0] != "equal"]
    assert changed
    assert all(first < start and end <= last for start, end in changed)


def test_branches_that_run_different_stages_merge(tmp_path: Path) -> None:
    versions = {
        "base": LOCK,
        "ours": LOCK.with_entry("apply", _entry(seed=1)),
        "theirs": LOCK.with_entry("train", _entry(seed=2)),
    }
    for name, lock in versions.items():
        (tmp_path / name).write_bytes(lock.to_bytes())
    merged = subprocess.run(
        ["git", "merge-file", "-p", "ours", "base", "theirs"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    both = StagesLock.from_bytes(merged, "the lock")
    assert both.stages["apply"].parts["seed"] == 1
    assert both.stages["train"].parts["seed"] == 2


def test_a_merge_that_stopped_in_the_middle_is_told_with_its_line() -> None:
    data = LOCK.to_bytes().replace(b'  "stages": {\n', b'  "stages": {\n<<<<<<< ours\n')
    with pytest.raises(ConflictedLockError, match="merge conflict") as caught:
        StagesLock.from_bytes(data, "the lock")
    assert "line 3" in caught.value.why[0]
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("run `envbuild repro`")


def test_a_merge_of_parts_that_do_not_fit_is_noticed() -> None:
    data = LOCK.to_bytes().replace(b'"seed": 9', b'"seed": 10')
    with pytest.raises(TamperedLockError, match="do not fit") as caught:
        StagesLock.from_bytes(data, "the lock")
    assert caught.value.why == ("the key of `report` is not that of its parts",)


@pytest.mark.parametrize(
    "wrong",
    [
        b"",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "stages": []}',
        b'{"version": 1, "stages": {"a": {}}}',
        b'{"version": 1, "stages": {"a": null}}',
        b'{"version": true, "stages": {}}',
        b'{"version": 99, "stages": {}}',
        b'{"version": 1, "stages": {}, "stages": {}}',
    ],
    ids=["empty", "list", "no-stages", "stages-list", "no-keys", "null", "true", "newer", "twice"],
)
def test_what_is_no_such_lock_is_refused(wrong: bytes) -> None:
    with pytest.raises(EnvbuildError, match="the lock"):
        StagesLock.from_bytes(wrong, "the lock")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("run", "../../etc"),
        ("run", 7),
        ("outputs", {"../x": {"kind": "file", "sha256": "a" * 64, "size": 1}}),
        ("outputs", {"x": {"kind": "link", "sha256": "a" * 64, "size": 1}}),
        ("outputs", {"x": {"kind": "file", "sha256": "A", "size": 1}}),
        ("outputs", []),
        ("contracts", None),
        ("parts", {}),
        ("parts", {**_entry().parts, "code": []}),
        ("parts", {**_entry().parts, "seed": "7"}),
        ("parts", {**_entry().parts, "more": 1}),
        ("parts", {**_entry().parts, "inputs": {"/app/x": "a"}}),
        ("parts", {**_entry().parts, "outputs": [{}]}),
    ],
    ids=[f"case-{number}" for number in range(13)],
)
def test_an_entry_of_another_form_is_refused(name: str, value: Any) -> None:
    document = json.loads(LOCK.to_bytes())
    document["stages"]["train"][name] = value
    if name == "parts":
        document["stages"]["train"]["key"] = key_of(value)
    with pytest.raises(EnvbuildError, match="the lock"):
        StagesLock.from_bytes(json.dumps(document).encode(), "the lock")


def test_stages_that_are_gone_can_be_left_out() -> None:
    assert set(LOCK.only({"train"}).stages) == {"train"}


def test_a_pipe_in_the_place_of_the_lock_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "stages.lock.json")
    with pytest.raises(EnvbuildError, match="no regular file"):
        read_stages_lock(tmp_path)
