"""Runs of a project: swept over, packed by name, refused when they are stale, and run again from their record."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from builder.cli.machine import host_platform

SPEC = """\
name: tiny
environment: {{python: "3.11", platforms: [{platform}]}}
code: ["*.py", params.yaml]
model: {{path: out/model}}
data: {{numbers: {{url: numbers.txt}}}}
commands:
  train:
    run: python train.py
    inputs: [numbers]
    outputs: [model]
    params: params.yaml
    deterministic: true
    metric: {{name: loss, goal: minimize}}
"""
TRAIN = """\
import json, os, sys
rate = json.load(open(os.environ["ENVBUILD_PARAMS"]))["rate"]
loss = sum(map(float, open(os.environ["ENVBUILD_DATA_NUMBERS"]))) * rate + int(os.environ["ENVBUILD_SEED"]) % 2
os.makedirs("/out/model")
open("/out/model/weights", "w").write(str(loss))
json.dump({"loss": loss, "by": [1, 2]}, open("/out/metrics.json", "w"))
sys.exit(4 if rate == 9 else 0)
"""


def git(folder: Path, *words: str) -> None:
    line = ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words]
    subprocess.run(line, cwd=folder, check=True, capture_output=True)


@pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_a_run_of_a_sweep_is_packed_refused_once_it_is_stale_and_made_again(here, workplace):
    project = workplace / "tiny"
    project.mkdir()
    (project / "envbuild.yaml").write_text(SPEC.format(platform=host_platform()))
    (project / "train.py").write_text(TRAIN)
    (project / "serve.py").write_text("")
    (project / "params.yaml").write_text("rate: 1.0\n")
    (project / "numbers.txt").write_text("1\n2\n")
    (project / ".gitignore").write_text("runs/\nout/\nnumbers.txt\n")
    here("lock", project)
    git(project, "init", "-q")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "one")
    (project / "params.yaml").write_text("rate: 1.5\n")  # differs from the commit

    line = ("run", "--engine", "embedded", project, "train", "--json", "--jobs", "2")
    swept = json.loads(here(*line, "--sweep", "rate=2,9", "seed=1", code=3).stdout)
    assert [(one["outcome"], one["metrics"]["loss"]) for one in swept["points"]] == [("ok", 7.0), ("failed", 28.0)]
    assert swept["best"]["params"] == {"rate": "2"}
    run = swept["best"]["run"]
    resumed = json.loads(here(*line[:3], project, "--resume", swept["id"], "--json", code=3).stdout)
    assert resumed["id"] == swept["id"]
    again = [(one["outcome"], one["reused"], one["run"] == run) for one in resumed["points"]]
    assert again == [("ok", True, True), ("failed", False, False)]
    more = json.loads(here(*line, "--sweep", "rate=2", "seed=1..2").stdout)
    assert [(one["run"] == run, one["reused"]) for one in more["points"]] == [(True, True), (False, False)]
    assert more["groups"][0]["metrics"]["loss"]["mean"] == 6.5
    assert not (project / "out").exists()

    (project / "serve.py").write_text("1\n")  # which the run does not depend on
    here("bundle", project, "--run", run, "-o", workplace / "tiny.tar")
    told = json.loads(here("cat", workplace / "tiny.tar", "/bundle/run.json").stdout)
    assert (told["params"], told["seed"], told["commit"]["dirty"]) == ({"rate": 2.0}, 1, True)
    assert "| metric | `loss` | 7.0 |" in here("cat", workplace / "tiny.tar", "/bundle/README.md").stdout

    report = json.loads(here("runs", "reproduce", run, "--project", project, "--engine", "embedded", "--json").stdout)
    outcomes = {check["name"]: check["outcome"] for check in report["checks"] if check["required"]}
    assert set(outcomes.values()) == {"same"}
    assert {"code", "lock", "data numbers", "metric loss", "output model"} <= outcomes.keys()

    (project / "train.py").write_text(TRAIN + "#\n")
    refused = here("bundle", project, "--run", run, "-o", workplace / "other.tar", code=1)
    assert "`train.py` has changed" in refused.stderr
    assert "--allow-stale" in refused.stderr
    assert not (workplace / "other.tar").exists()
    here("bundle", project, "--run", run, "-o", workplace / "other.tar", "--allow-stale")
    assert json.loads(here("cat", workplace / "other.tar", "/bundle/run.json").stdout)["stale"] == [
        "`train.py` has changed"
    ]
    (project / "numbers.txt").unlink()
    here("runs", "reproduce", run, "--project", project, "--engine", "embedded", code=6)
