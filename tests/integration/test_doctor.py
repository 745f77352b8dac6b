"""`envbuild doctor` as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from simple_index import serve_index

ROOT = Path(__file__).parents[2]
ENVIRONMENT = 'python: "3.11"\nplatforms: [linux/amd64]\n'


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs it where no engine of this machine is pointed at, with an `nvidia-smi` that says what `driver` is."""
    for name in [name for name in os.environ if name.startswith(("ENVBUILD_", "UV_", "DOCKER_"))]:
        monkeypatch.delenv(name)

    def run(*arguments: str | Path, code: int = 0, driver: str = "", **variables: str) -> str:
        if driver:
            tmp_path.joinpath("bin").mkdir(exist_ok=True)
            program = tmp_path / "bin/nvidia-smi"
            program.write_text(f"#!/bin/sh\n{driver}\n")
            program.chmod(0o755)
        path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
        own = {"ENVBUILD_CACHE": str(tmp_path / "store"), "DOCKER_HOST": f"unix://{tmp_path}/none.sock", "PATH": path}
        line = [sys.executable, "-m", "builder", "doctor", *map(str, arguments)]
        environment = {**os.environ, **own, **variables, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(line, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        run.errors = done.stderr
        return done.stdout

    return run


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    folder = tmp_path / "environment"
    folder.mkdir()
    (folder / "environment.yaml").write_text(ENVIRONMENT + 'cuda: "12.8"\n')
    return folder


def test_every_check_is_a_line(doctor) -> None:
    lines = doctor().splitlines()
    assert any(line.startswith("ok        store ") for line in lines)
    assert any(line.startswith("no        Docker Engine ") and "none.sock" in line for line in lines)


def test_the_result_can_be_read_by_programs(doctor, environment: Path) -> None:
    document = json.loads(doctor(environment, "--json", code=3))
    assert document["ok"] is False
    checks = {check.pop("name"): check for check in document["checks"]}
    assert checks["store"]["state"] == "ok"
    assert checks["NVIDIA driver"] == {
        "state": "no",
        "needed": True,
        "detail": "none is loaded",
        "hint": "Install NVIDIA's driver on this machine, or run on one that has it",
    }


@pytest.mark.parametrize(
    ("driver", "code", "told"),
    [
        ("echo 570.86.15", 0, ""),
        ("echo 470.57.02", 3, "this machine lacks what"),
        ("echo broken; exit 9", 6, "this machine may lack what"),
    ],
    ids=["new", "old", "broken"],
)
def test_the_driver_decides_the_exit_code(doctor, environment: Path, driver: str, code: int, told: str) -> None:
    doctor(environment, code=code, driver=driver)
    assert told in doctor.errors


def test_without_a_path_no_driver_is_needed(doctor) -> None:
    doctor(driver="echo 470.57.02")


def test_a_path_that_is_none_is_the_users_state(doctor, tmp_path: Path) -> None:
    doctor(tmp_path / "nowhere", code=1)
    assert "is not there" in doctor.errors


def test_a_store_that_cannot_be_used_fails_the_check(doctor) -> None:
    assert "no      * store" in doctor(code=3, ENVBUILD_CACHE="/proc/nowhere")


def test_online_asks_the_indexes_and_is_done_with_what_they_say(doctor) -> None:
    with serve_index() as index:
        index.add("pip", "1.0")
        places = {"ENVBUILD_DEBIAN_MIRROR": index.url, "ENVBUILD_PYTORCH_MIRROR": index.url}
        shown = doctor("--online", code=3, UV_DEFAULT_INDEX=index.url, **places)
        asked = list(index.asked)
    assert f"{index.url}pip/ answers" in shown
    assert f"no * Debian {index.url}dists/bookworm/InRelease: the server answered 404" in " ".join(shown.split())
    assert asked == ["/simple/pip/", "/simple/dists/bookworm/InRelease", "/simple/torch/"]
