"""The launcher itself is run here, on this machine: what it leaves in `out` is what is recorded."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from builder.errors import EnvbuildError
from builder.history.folder import OpenRun, read_run, read_runs
from builder.history.kept import has
from builder.history.metrics import read_steps
from builder.history.record import RunRecord
from builder.oci.store import Store
from builder.resources import read_template
from builder.run.prepare import Wish
from builder.run.recorded import Ended, Known, Recorder, first_record

NOW = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
TRAIN = """
import os, envbuild_run
out = os.environ["ENVBUILD_OUT"]
for step in range(3):
    envbuild_run.log_metric("loss", 1 / (step + 1), step)
os.makedirs(out + "/model")
open(out + "/model/weights", "w").write("w")
open(out + "/metrics.json", "w").write('{"auc": 0.9, "odd": NaN}')
print("trained with", os.environ["ENVBUILD_PARAM_RATE"], flush=True)
"""


@dataclass
class Case:
    """A root with a bundle's files, whose commands run here."""

    root: Path
    document: dict[str, Any]

    def command(self, *arguments: str) -> Callable[[], int]:
        def run() -> int:
            variables = {"PATH": os.environ["PATH"], "ENVBUILD_ROOT": str(self.root), "TMPDIR": str(self.root)}
            launcher = self.root / "bundle/launcher.py"
            return subprocess.call([sys.executable, str(launcher), *arguments], env=variables)

        return run

    def first(self, name: str = "train", **wish: Any) -> RunRecord:
        known = Known(self.document, "sha256:" + "b" * 64, "linux/amd64", why="to see", who={"name": "Ann"})
        return first_record(Wish(name, **wish), known, NOW)

    def recorded(self, command: Callable[[], int], record: RunRecord | None = None, **recorder: Any) -> Ended:
        run = OpenRun.begin(self.root, record or self.first())
        return Recorder(self.root / "out", self.store, **recorder).run(run, command)

    @property
    def store(self) -> Store:
        return Store(self.root / "store")


@pytest.fixture
def case(tmp_path: Path) -> Case:
    for name in ("bundle/python", "out", "data", "app"):
        (tmp_path / name).mkdir(parents=True)
    data = b"1,2\n"
    (tmp_path / "data/table").write_bytes(data)
    train = {
        "run": [sys.executable, "-c", TRAIN], "inputs": ["table"], "outputs": ["model"],
        "parameters": {"rate": 0.5, "on": True}, "seed": 7,
    }  # fmt: skip
    table = {"path": "/data/table", "sha256": hashlib.sha256(data).hexdigest(), "size": 4, "urls": []}
    document = {
        "format": 1, "name": "churn", "version": "2", "lock": "sha256:" + "1" * 64, "code": "sha256:" + "c" * 64,
        "data": {"table": table},
        "commands": {
            "train": train, "die": {"run": ["sh", "-c", "kill -9 $$"]}, "fail": {"run": ["sh", "-c", "exit 3"]},
        },
    }  # fmt: skip
    (tmp_path / "bundle/bundle.json").write_text(json.dumps(document))
    (tmp_path / "bundle/launcher.py").write_bytes(read_template("launcher.py"))
    (tmp_path / "bundle/python/envbuild_run.py").write_bytes(read_template("envbuild_run.py"))
    made = Case(tmp_path, document)
    made.store.create()
    return made


def test_a_run_leaves_what_was_run_with_what_and_what_came_of_it(case: Case, capfd: pytest.CaptureFixture[str]) -> None:
    record = case.first(parameters=("rate=0.25", "on=false"))
    ended = case.recorded(case.command("train", "--param", "rate=0.25", "--param", "on=false"), record)
    assert (ended.code, ended.failure, capfd.readouterr().out) == (0, None, "trained with 0.25\n")
    kept = read_run(case.root / "runs" / record.id)
    assert (kept.record, kept.changed) == (ended.record, None)
    assert (ended.record.params, ended.record.seed) == ({"rate": 0.25, "on": False}, 7)
    assert ended.record.data["table"].sha256 == hashlib.sha256(b"1,2\n").hexdigest()
    assert ended.record.metrics == {"auc": 0.9, "loss": 1 / 3, "odd": "NaN"}
    assert read_steps(kept.folder / "metrics.jsonl") == [(0, {"loss": 1.0}), (1, {"loss": 0.5}), (2, {"loss": 1 / 3})]
    assert (kept.folder / "log.txt").read_text().endswith("trained with 0.25\n")
    assert [row[0] for row in ended.record.outputs["model"].files or ()] == ["weights"]
    assert has(case.store, ended.record.outputs["model"])
    assert (case.root / "out/model/weights").read_text() == "w"
    assert (ended.record.peak_memory or 0) > 1 << 20
    assert ended.record.notes == ("`odd` of `metrics.json` is no finite number: `NaN`",)


def test_a_command_that_fails_is_recorded_as_failed(case: Case) -> None:
    record = case.recorded(case.command("fail"), case.first("fail")).record
    assert (record.outcome, record.exit_code, record.signal) == ("failed", 3, None)


def test_a_command_that_is_killed_is_told_with_its_signal(case: Case) -> None:
    record = case.recorded(case.command("die"), case.first("die")).record
    assert (record.outcome, record.exit_code, record.signal) == ("failed", 137, "SIGKILL")


def test_a_container_that_is_killed_leaves_a_run_that_was_killed(case: Case) -> None:
    record = case.recorded(lambda: 137).record
    assert (record.outcome, record.exit_code, record.signal) == ("killed", 137, "SIGKILL")


def test_what_an_earlier_run_left_is_not_of_this_one(case: Case) -> None:
    case.recorded(case.command("train"))
    record = case.recorded(case.command("fail"), case.first("fail")).record
    assert (record.metrics, record.outputs, record.steps) == ({}, {}, None)


def test_a_command_that_was_not_started_leaves_no_run(case: Case) -> None:
    def refuse() -> int:
        raise EnvbuildError("the engine refuses")

    with pytest.raises(EnvbuildError, match="refuses"):
        case.recorded(refuse)
    assert read_runs(case.root).runs == ()


def test_a_command_whose_end_was_not_seen_was_killed_and_keeps_its_log(case: Case) -> None:
    def lose() -> int:
        os.write(1, b"epoch 1\n")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        case.recorded(lose)
    (kept,) = read_runs(case.root).runs
    assert (kept.record.outcome, kept.record.notes) == ("killed", ("it was not seen to its end: KeyboardInterrupt",))
    assert (kept.folder / "log.txt").read_bytes() == b"epoch 1\n"


def test_a_clock_that_goes_back_is_noted_and_the_duration_is_right(case: Case) -> None:
    ticks = iter((10.0, 12.5))
    ended = case.recorded(lambda: 0, now=lambda: NOW - timedelta(hours=1), clock=lambda: next(ticks))
    assert ended.record.duration == 2.5
    assert ended.record.notes == ("the clock went back while it ran: it ended at 2026-01-31T22:59:59.000Z",)


def test_a_record_that_cannot_be_written_does_not_hide_the_exit_code(case: Case) -> None:
    def destroy() -> int:
        (folder,) = (case.root / "runs").iterdir()
        folder.rename(case.root / "gone")
        return 3

    ended = case.recorded(destroy)
    assert ended.code == 3
    assert ended.failure is not None
    assert "cannot be recorded" in ended.failure.what


@pytest.mark.parametrize(
    "told",
    [
        "[]", "{", '{"command": "train"}',
        '{"command": "train", "state": "finished", "outputs": {"../store": 1, "..": 1, "a/b": 1}, "signal": "SIGNOT"}',
        '{"command": "train", "state": "finished", "peak_memory": "much", "steps": "runs/../../secret"}',
        '{"command": "train", "state": "finished", "outputs": ["model"], "peak_memory": -1, "steps": "/etc/passwd"}',
    ],
    ids=["a list", "half", "no state", "leads out", "steps lead out", "other types"],
)  # fmt: skip
def test_what_a_command_writes_in_place_of_the_launchers_record_leads_nowhere(case: Case, told: str) -> None:
    def forge() -> int:
        (case.root / "out/run.json").write_text(told)
        return 0

    record = case.recorded(forge).record
    assert (record.outcome, record.outputs, record.metrics, record.peak_memory) == ("ok", {}, {}, None)


def test_a_link_in_place_of_metrics_or_an_output_is_not_followed_out(case: Case) -> None:
    (case.root / "secret.json").write_text('{"secret": 1}')

    def link() -> int:
        (case.root / "out/metrics.json").symlink_to(case.root / "secret.json")
        (case.root / "out/model").symlink_to(case.root / "data")
        (case.root / "out/run.json").write_text('{"command": "train", "state": "finished", "outputs": {"model": {}}}')
        return 0

    record = case.recorded(link).record
    assert (record.metrics, record.outputs) == ({}, {})
    assert "the output `model` is not kept" in record.notes[0]


def test_parameters_that_the_launcher_refuses_are_left_to_it(case: Case) -> None:
    assert case.first(parameters=("rate=much", "other=1")).params == {"rate": 0.5, "on": True}


def test_data_that_are_given_and_code_that_is_mounted_are_told(case: Case) -> None:
    record = case.first(code=Path("/app"), no_check=True)
    assert (record.code.found, record.code.digest, record.checks) == ("mounted", None, "skipped")
