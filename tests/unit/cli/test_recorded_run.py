from __future__ import annotations

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from builder.cli.output import Output
from builder.cli.recorded_run import Recording, Running, run_recorded
from builder.history.folder import read_runs
from builder.oci.store import Store
from builder.run.prepare import Wish

DOCUMENT = {"name": "churn", "version": "1", "data": {}, "commands": {"train": {"run": ["train"], "inputs": []}}}


def engine(code: int, *, out: Path | None = None) -> Any:
    """An engine that prints a line, and whose command ends with `code`."""

    def run(image: Any, request: Any) -> int:
        os.write(1, b"trained\n")
        if out:
            (out / "metrics.json").write_text(json.dumps({"auc\x1b[2J": 1, "auc": "\x1b[2J"}))
        return code

    return SimpleNamespace(name="embedded", version=lambda: "1.0", run=run)


def recorded(root: Path, one: Any, **what: Any) -> int:
    store = Store(root / "store")
    image = SimpleNamespace(
        store=store,
        descriptor=SimpleNamespace(digest="sha256:" + "b" * 64),
        config=SimpleNamespace(platform="linux/amd64"),
    )
    wish = Wish("train", output=root / "work/out")
    recording = Recording(DOCUMENT, None, "to see", **what)
    return run_recorded(wish, image, recording, Running(one, None), Output())  # type: ignore[arg-type]


def test_the_run_of_a_bundle_is_beside_its_outputs(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "work/out").mkdir(parents=True)
    id_file = tmp_path / "id"
    assert recorded(tmp_path, engine(3), parent="sweep-1", id_file=id_file) == 3
    (kept,) = read_runs(tmp_path / "work").runs
    assert id_file.read_text() == f"{kept.record.id}\n"
    assert (kept.record.why, kept.record.parent, kept.record.exit_code) == ("to see", "sweep-1", 3)
    assert kept.record.host["engine"] == "embedded 1.0"
    out, err = capfd.readouterr()
    assert (out, err) == ("trained\n", f"recorded in {kept.folder}\n")


def test_where_nothing_can_be_recorded_the_command_is_run_all_the_same(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "work/out").mkdir(parents=True)
    (tmp_path / "work/runs").write_bytes(b"a file")
    assert recorded(tmp_path, engine(3)) == 3
    out, err = capfd.readouterr()
    assert out == "trained\n"
    assert err == f"warning: the run cannot be recorded in `{tmp_path}/work/runs`: File exists\n"


def test_what_a_command_wrote_reaches_no_terminal_as_it_is(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "work/out"
    out.mkdir(parents=True)
    assert recorded(tmp_path, engine(0, out=out)) == 0
    assert "\x1b" not in capfd.readouterr().err
