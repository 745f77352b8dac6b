"""Records of runs of the tests' own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.history.content import Content
from builder.history.folder import OpenRun
from builder.history.record import Code, Commit, Log, RunRecord

FIRST = RunRecord(
    id="20260131T235959Z-train-3f9a01",
    kind="command",
    command="train",
    state="running",
    start="2026-01-31T23:59:59.123Z",
    project="churn",
    version="1.0",
    run=("python", "-m", "churn.train"),
    params={"rate": 0.1, "model": {"depth": None, "layers": [8, 8]}},
    seed=7,
    data={"train": Content("file", "a" * 64, 12)},
    code=Code("sha256:" + "c" * 64),
    commit=Commit("d" * 40, dirty=True, patch="changes.patch"),
    environment="sklearn",
    lock="sha256:" + "1" * 64,
    image="sha256:" + "b" * 64,
    platform="linux/amd64",
    why="The rate was too high",
    who={"name": "Ann", "email": "ann@example.org"},
)
LAST = replace(
    FIRST,
    state="finished",
    end="2026-02-01T00:00:59.123Z",
    duration=60.0,
    exit_code=0,
    metrics={"auc": 0.9, "loss": "NaN"},
    outputs={"model": Content.of_folder([("weights", "e" * 64, 3)]), "copy": Content("file", "a" * 64, 12)},
    log=Log("log.txt", 3),
    peak_memory=1 << 20,
)


def finished_run(root: Path, **changes: Any) -> Path:
    """The folder of a run that has ended."""
    record = replace(LAST, **changes)
    run = OpenRun.begin(root, replace(FIRST, id=record.id), {"changes.patch": b"patch"})
    run.log.write_bytes(b"hi\n")
    run.finish(record)
    return run.folder
