"""A full bundle trains and serves where there is no network interface, on each engine, without a mount for its data."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

PENGUIN = {"bill_length_mm": 46.5, "bill_depth_mm": 17.9, "flipper_length_mm": 192, "body_mass_g": 3500}
ASK = """
import json, sys, urllib.request
body = json.dumps({"input": json.loads(sys.argv[1])}).encode()
request = urllib.request.Request("http://127.0.0.1:8080/predictions", body, {"content-type": "application/json"})
print(urllib.request.urlopen(request, timeout=30).read().decode())
"""
ALONE = """
import fcntl, json, os, signal, socket, struct, subprocess, sys
assert [name for _, name in socket.if_nameindex()] == ["lo"]
if sys.argv[1] == "serve":  # a port can be reached on a loopback interface alone
    with socket.socket() as control:
        fcntl.ioctl(control, 0x8914, struct.pack("16sh22x", b"lo", 1))
server = subprocess.Popen(json.loads(sys.argv[2]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
if sys.argv[1] == "train":
    sys.exit(sys.stdout.write(server.communicate()[0]) and server.returncode)
said = next((line for line in server.stdout if "Uvicorn running on" in line), "it did not start")
sys.stdout.write(said)
subprocess.run([sys.executable, "-c", *json.loads(sys.argv[3])], check=True)
server.send_signal(signal.SIGTERM)
server.stdout.read()
sys.exit(server.wait() != 128 + signal.SIGTERM)
"""


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


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the network away")
def test_trains_on_the_embedded_engine_where_there_is_no_interface(
    alone: Any, program: Callable[[str], Any], full: Packed, out: Path
) -> None:
    line = [*alone.line, "run", str(full.file), "train", "--engine", "embedded", "--out", str(out)]
    program("unshare")("--net", sys.executable, "-c", ALONE, "train", json.dumps(line), **_options(alone))
    assert_trained(out)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can take the network away")
def test_serves_on_the_embedded_engine_where_there_is_no_interface(
    alone: Any, program: Callable[[str], Any], full: Packed, out: Path
) -> None:
    line = [*alone.line, "run", str(full.file), "serve", "--engine", "embedded", "--out", str(out)]
    asked = json.dumps([ASK, json.dumps(PENGUIN)])
    done = program("unshare")("--net", sys.executable, "-c", ALONE, "serve", json.dumps(line), asked, **_options(alone))
    assert json.loads(done.stdout.splitlines()[-1])["output"]


def _options(envbuild: Any) -> dict[str, Any]:
    return {key: value for key, value in envbuild.options.items() if value is not None}
