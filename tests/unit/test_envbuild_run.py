from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from types import ModuleType

import pytest

from builder.resources import templates_folder


@pytest.fixture
def logger() -> ModuleType:
    spec = importlib.util.spec_from_file_location("envbuild_run", templates_folder() / "envbuild_run.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_call_is_a_line(logger: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ENVBUILD_METRICS", raising=False)
    monkeypatch.setenv("ENVBUILD_OUT", str(tmp_path))
    logger.log_metric("loss", 0.3, step=10)
    logger.log_metrics({"auc": 1, "loss": float("nan")})
    found = (tmp_path / "metrics.jsonl").read_text()
    assert found == '{"step": 10, "loss": 0.3}\n{"auc": 1, "loss": NaN}\n'


def test_numbers_of_other_libraries_are_numbers(
    logger: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    monkeypatch.setenv("ENVBUILD_METRICS", str(tmp_path / "m.jsonl"))
    logger.log_metric("loss", np.float32(0.5), step=np.int64(3))
    assert lines(tmp_path / "m.jsonl") == [{"step": 3.0, "loss": 0.5}]
    with pytest.raises(ValueError, match="could not convert"):
        logger.log_metric("loss", "much")


def test_several_processes_log_whole_lines(logger: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVBUILD_METRICS", str(tmp_path / "m.jsonl"))
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            for step in range(200):
                logger.log_metric(f"loss{number}" * 20, step, step)
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert len(lines(tmp_path / "m.jsonl")) == 800


def test_outside_of_a_run_nothing_is_written(
    logger: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ENVBUILD_METRICS", "ENVBUILD_OUT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    logger.log_metric("loss", 0.3)
    assert os.listdir(tmp_path) == []


def test_a_file_that_cannot_be_written_is_told_once_and_ends_nothing(
    logger: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ENVBUILD_METRICS", "/dev/full")
    logger.log_metric("loss", 0.3)
    logger.log_metric("loss", 0.2)
    assert capsys.readouterr().err == "warning: metrics are not recorded in `/dev/full`: No space left on device\n"
