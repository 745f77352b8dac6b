"""Runs on a real MLflow server, read back through its own REST API."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from made_runs import LAST, finished_run
from mlflow_server import install, serve

from builder.cli import invoke
from builder.history.export.mlflow import RUN_TAG

EARLY, LATE = "20260101T000000Z-train-00aa01", "20260201T000000Z-train-00bb02"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("mlflow")
    named = os.environ.get("ENVBUILD_TEST_MLFLOW")
    with serve(Path(named) if named else install(folder / "venv"), folder) as url:
        yield url


def ask(url: str, path: str, document: Any = None) -> Any:
    data = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/{path}", data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def test_runs_are_on_the_server_as_they_were_and_once(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "cache"))
    folder = finished_run(tmp_path, id=EARLY, metrics={"auc": 0.9, "loss": 0.1, "odd$name": 1.0, "bad": "NaN"})
    steps = [{"step": step, "loss": 1 / (step + 1)} for step in range(2500)]
    (folder / "metrics.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in steps))
    params = {f"p{number}": "x" * 1000 for number in range(250)}
    finished_run(tmp_path, id=LATE, exit_code=1, params=params, why="w" * 9000)
    for _ in range(2):
        assert invoke(["runs", "export", "--format", "mlflow", "--url", server]) == 0
    assert invoke(["runs", "tag", EARLY, "best"]) == 0
    assert invoke(["runs", "export", EARLY, "--format", "mlflow", "--url", f"{server}/"]) == 0
    experiment = ask(server, "experiments/get-by-name?experiment_name=churn")["experiment"]["experiment_id"]
    runs = ask(server, "runs/search", {"experiment_ids": [experiment]})["runs"]
    found = {tag["value"]: run for run in runs for tag in run["data"]["tags"] if tag["key"] == RUN_TAG}
    assert sorted(found) == [EARLY, LATE]
    assert len(runs) == 2
    early, late = found[EARLY], found[LATE]
    assert (early["info"]["status"], late["info"]["status"]) == ("FINISHED", "FAILED")
    assert early["info"]["run_name"] == EARLY
    assert early["info"]["end_time"] - early["info"]["start_time"] == 60_000
    metrics = {one["key"]: one["value"] for one in early["data"]["metrics"]}
    assert metrics == {"auc": 0.9, "loss": steps[-1]["loss"], "odd_name": 1.0}
    values = {one["key"]: one["value"] for one in early["data"]["params"]}
    assert values == {"rate": "0.1", "model.depth": "None", "model.layers": "[8, 8]", "seed": "7"}
    tags = {one["key"]: one["value"] for one in early["data"]["tags"]}
    assert (tags["envbuild.tags"], tags["envbuild.image"]) == ("best", LAST.image)
    assert tags["envbuild.data.train"] == "sha256:" + "a" * 64
    assert len(late["data"]["params"]) == 251
    query = f"metrics/get-history?run_id={early['info']['run_id']}&metric_key=loss&max_results=5000"
    history = ask(server, query)["metrics"]
    assert [(one["step"], one["value"]) for one in sorted(history, key=lambda one: one["step"])] == [
        (one["step"], one["loss"]) for one in steps
    ]
