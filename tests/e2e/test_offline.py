"""A full bundle trains and serves where there is no network interface, on each engine, without a mount for its data."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from without_network import ASK, PENGUIN, serve_alone, train_alone


@dataclass(frozen=True)
class Packed:
    """The example's bundle with data and a model that it has trained."""

    file: Path
    name: str


@pytest.fixture(scope="module")
def full(envbuild: Any, projects: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Packed:
    folder = tmp_path_factory.mktemp("full")
    shutil.copytree(projects, folder / "projects")
    project = folder / "projects/examples/penguins"
    shutil.copytree(trained / "model", project / "out/model", dirs_exist_ok=True)
    envbuild("bundle", project, "--full", "--platform", "linux/amd64", "-o", folder / "full.tar")
    return Packed(folder / "full.tar", json.loads(envbuild("inspect", folder / "full.tar", "--json").stdout)["name"])


@pytest.fixture(scope="module")
def alone(envbuild: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The command with a store that had nothing in it."""
    return replace(envbuild, store=tmp_path_factory.mktemp("alone") / "store")


@pytest.fixture
def out() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="envbuild-out-", ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def assert_trained(out: Path) -> None:
    record = json.loads((out / "run.json").read_text())
    assert record["data"]["penguins"]["source"] == "packed"
    assert record["exit_code"] == 0
    assert record["metrics"]["accuracy"] > 0.9


@pytest.mark.slow
def test_trains_on_docker_with_nothing_but_the_image(docker: Any, full: Packed, out: Path) -> None:
    docker("load", "-i", full.file)
    docker(
        "run",
        "--rm",
        "--network",
        "none",
        "-v",
        f"{out}:/out",
        "--user",
        f"{os.getuid()}:{os.getgid()}",
        full.name,
        "train",
    )
    assert_trained(out)


@pytest.mark.slow
def test_serves_on_docker_with_nothing_but_the_image(docker: Any, full: Packed, read_until: Callable[..., str]) -> None:
    docker("load", "-i", full.file)
    container = docker("run", "-d", "--network", "none", full.name, "serve").stdout.strip()
    try:
        with docker.start("logs", "-f", container) as logs:
            said = read_until(logs.stdout, "Uvicorn running on")
            logs.terminate()
        assert "Uvicorn running on" in said
        answer = docker("exec", container, "/opt/env/bin/python", "-c", ASK, json.dumps(PENGUIN)).stdout
        assert json.loads(answer)["output"]
    finally:
        docker("rm", "-f", container)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the network away")
def test_trains_on_the_embedded_engine_where_there_is_no_interface(
    alone: Any, program: Callable[[str], Any], full: Packed, out: Path
) -> None:
    train_alone(program("unshare"), alone, ["run", full.file, "train", "--engine", "embedded", "--out", out])
    assert_trained(out)


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the network away")
def test_serves_on_the_embedded_engine_where_there_is_no_interface(
    alone: Any, program: Callable[[str], Any], full: Packed, out: Path
) -> None:
    line = ["run", full.file, "serve", "--engine", "embedded", "--out", out]
    assert serve_alone(program("unshare"), alone, line)
