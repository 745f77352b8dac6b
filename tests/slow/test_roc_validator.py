"""roc-validator, in an environment of its own, finds nothing that a Process Run Crate requires missing in a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_runs import FIRST, finished_run

from builder.history.folder import OpenRun

PACKAGES = ("roc-validator==0.13.0", "rocrate==0.11.0")  # of the latter the context of RO-Crate 1.1, which none fetches
RUNNER = Path(__file__).with_name("roc_validator_runner.py")


@pytest.fixture(scope="session")
def validator(store: Path) -> Path:
    """The Python of an environment with roc-validator, which is kept where downloads are."""
    folder = store / "roc-validator-0.13.0"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
        (folder / "done").touch()
    return python


def issues(validator: Path, *folders: Path) -> list[list[str]]:
    words = [validator, RUNNER, "REQUIRED", *folders]
    done = subprocess.run(words, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return [found[str(folder)] for folder in folders]


def test_runs_are_process_run_crates(validator: Path, tmp_path: Path) -> None:
    bare = {
        "outputs": {},
        "metrics": {},
        "data": {},
        "params": {},
        "who": {},
        "commit": None,
        "image": None,
        "seed": None,
    }
    folders = [
        finished_run(tmp_path / "ok"),
        finished_run(tmp_path / "failed", exit_code=143, signal="SIGTERM"),
        finished_run(tmp_path / "killed", state="killed", exit_code=None, **bare),
        OpenRun.begin(tmp_path / "running", FIRST).folder,
    ]
    assert issues(validator, *folders) == [[], [], [], []]


def test_the_validator_finds_what_is_missing(validator: Path, tmp_path: Path) -> None:
    crate = finished_run(tmp_path) / "ro-crate-metadata.json"
    crate.write_text(crate.read_text().replace('"instrument": {', '"description": {'))
    assert "MUST have an instrument" in str(issues(validator, crate.parent))
