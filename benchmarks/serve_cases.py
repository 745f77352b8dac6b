"""How long it is from a lock to the first prediction of a server in a container."""

from __future__ import annotations

import json
import os
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from cases_interface import Line, Setting
from delivery_cases import tell
from engine import Engine, engine
from measuring import CommandFailedError
from ways import EnvbuildWay, dockerfile_ways, prepare_base
from workspace import Workspace

_NAME = "serving"
_CONTAINER = "envbuild-benchmark-server"
_SECONDS = 120
_PENGUIN = {"bill_length_mm": 46.5, "bill_depth_mm": 17.9, "flipper_length_mm": 192, "body_mass_g": 3500}


def serve(setting: Setting) -> Iterator[Line]:
    """Everything new, with a trained model: to a container of the engine that has answered one prediction, once."""
    space = setting.space
    with engine(space, setting.docker_host) as docker:
        prepare_base(docker, space.wheels)
        own = EnvbuildWay(space, docker)
        port = _free_port()
        project = _trained(space, docker, own, port)
        others = dockerfile_ways(space, docker)
        found: dict[str, float] = {}
        own.take(project, space.wheels)
        taken, image = own.load()
        first = found[own.name] = taken + _predict(docker, port, image, "serve")
        for way in others:
            way.take(project, space.wheels)
            taken = way.build(cold=True).seconds
            options = ["--entrypoint", "/opt/env/bin/python", "-e", "ENVBUILD_HOST=0.0.0.0"]
            line = [*options, "-e", f"ENVBUILD_PORT={port}", way.tag, "-m", "penguins.serve"]
            found[way.name] = taken + _predict(docker, port, *line)
            tell("first prediction", way, found[way.name])
    for name, taken in found.items():
        more = "" if name == own.name else f": {taken / first:.1f} times as long"
        yield Line(f"everything new, to the first prediction: {name}", f"{taken:.2f} s{more}", seconds=[taken])


def _trained(space: Workspace, docker: Engine, own: EnvbuildWay, port: int) -> Path:
    """A copy of the example that listens at another port, with a model that its own image has trained."""
    project = space.write_project(space.wheels, _NAME)
    spec = project / "envbuild.yaml"
    spec.write_text(spec.read_text("utf-8").replace("port: 8080", f"port: {port}"), "utf-8")
    own.take(project, space.wheels)
    _, image = own.load()
    out = project / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    mounts = ["-v", f"{out}:/out", "-v", f"{project / 'data/penguins.csv'}:/data/penguins:ro"]
    user = ["--user", f"{os.getuid()}:{os.getgid()}"]
    docker.docker("run", "--rm", "--network", "none", *mounts, *user, image, "train")
    return project


def _predict(docker: Engine, port: int, *line: str) -> float:
    """Seconds from the start of a container to an answer of its server, which is stopped then."""
    start = time.perf_counter()
    docker.docker("run", "--detach", "--rm", "--network", "host", "--name", _CONTAINER, *line)
    try:
        _await(docker, f"http://127.0.0.1:{port}/readyz")
        body, headers = json.dumps({"input": _PENGUIN}).encode(), {"content-type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{port}/predictions", body, headers)
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["status"] == "succeeded"
        return time.perf_counter() - start
    finally:
        docker.docker("rm", "--force", _CONTAINER)


def _await(docker: Engine, url: str) -> None:
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
    logs = docker.docker("logs", _CONTAINER).output
    raise CommandFailedError(f"the server at {url} did not become ready\n{logs[-500:]}")


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
