"""GPUs of an engine on a machine that has none: what is asked of the engine, and what its answer becomes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
ENVIRONMENT = 'python: "3.11"\ncuda: "12.8"\n'


@pytest.fixture(scope="module")
def environment(envbuild, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that was locked for CUDA."""
    folder = tmp_path_factory.mktemp("gpus") / "cuda-environment"
    folder.mkdir()
    (folder / "environment.yaml").write_text(ENVIRONMENT)
    envbuild("lock", folder)
    return folder


@pytest.fixture
def with_driver(with_docker, tmp_path: Path):
    """The command where `nvidia-smi` says that there is a driver of this version."""

    def make(version: str):
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\necho {version}\n")
        program.chmod(0o755)
        path = f"{tmp_path}:{os.environ['PATH']}"
        return replace(with_docker, environment={**with_docker.environment, "PATH": path})

    return make


def test_an_engine_without_nvidias_toolkit_is_told_what_it_lacks(with_driver, docker, environment: Path) -> None:
    before = docker("ps", "--all", "--quiet").stdout
    said = with_driver("570.86.15")(
        "shell", environment, "--engine", "docker", "--gpus", "all", "--", "true", code=1
    ).stderr
    assert "could not select device driver" in said
    assert "nvidia-container-toolkit" in said
    assert not docker.is_own or docker("ps", "--all", "--quiet").stdout == before


def test_a_driver_that_is_too_old_starts_nothing(with_driver, environment: Path) -> None:
    said = with_driver("470.57.02")(
        "shell", environment, "--engine", "docker", "--gpus", "2", "--", "true", code=1
    ).stderr
    assert "the NVIDIA driver of this machine is too old for CUDA 12.8" in said
    assert "it is 470.57.02, and driver 525.60.13 or newer is needed" in said


def test_a_driver_that_cannot_be_told_is_exit_code_6(with_driver, environment: Path) -> None:
    with_driver("; exit 9")("shell", environment, "--engine", "docker", "--gpus", "all", "--", "true", code=6)


def test_the_embedded_engine_says_who_can(with_driver, environment: Path) -> None:
    said = with_driver("570.86.15")(
        "shell", environment, "--engine", "embedded", "--gpus", "all", "--", "true", code=1
    ).stderr
    assert "--engine docker" in said


def test_plain_docker_reads_the_label_and_runs_without_a_gpu(with_docker, docker, environment: Path) -> None:
    with_docker("shell", environment, "--engine", "docker", "--", "/opt/env/bin/python", "-c", "pass")
    names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").stdout.split()
    name = next(name for name in names if name.startswith("cuda-environment:"))
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", name).stdout)
    assert labels["dev.envbuild.nvidia-driver"] == "525.60.13"
    shown = docker(
        "run", "--rm", "--entrypoint", "/opt/env/bin/python", name, "-c", "import os; print(dict(os.environ))"
    )
    assert "'NVIDIA_REQUIRE_CUDA': 'cuda>=12.0'" in shown.stdout
