"""A Docker Engine of the benchmarks' own, and the Dockerfiles that envbuild is compared with."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measuring import Sample, run
from workspace import Workspace

BASE = "envbuild-benchmark-base"
_START_SECONDS = 60


class EngineMissingError(Exception):
    """No Docker Engine can be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A running Docker Engine."""

    host: str
    space: Workspace
    client: str
    """The `docker` program; one that has BuildKit within reach, where there is one."""
    buildkit: bool

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which clients find it."""
        return {"DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.space.folder / "docker-config")}

    def docker(self, *arguments: str, buildkit: bool = False) -> Sample:
        """Run the `docker` program. Raises: CommandFailedError."""
        variables = {**os.environ, **self.variables, "DOCKER_BUILDKIT": str(int(buildkit))}
        return run([self.client, *arguments], variables)

    def facts(self) -> str:
        """Its version, storage driver and the client's version."""
        server = self.docker("info", "--format", "{{.ServerVersion}}, {{.Driver}}").output.strip()
        return f"{server}; client {self.docker('version', '--format', '{{.Client.Version}}').output.strip()}"

    def build(self, folder: Path, tag: str, *, buildkit: bool) -> Sample:
        """`docker build --no-cache` of a folder, without network in its steps. Raises: CommandFailedError."""
        return self.docker(
            "build", "--no-cache", "--network", "none", "-t", tag, str(folder), buildkit=buildkit
        )  # fmt: skip


@contextmanager
def engine(space: Workspace, host: str | None) -> Iterator[Engine]:
    """The engine at `host`, or one that is started here (which needs root) and stopped at the end.

    Raises: EngineMissingError.
    """
    if host:
        yield _engine(host, space)
        return
    if os.geteuid() or not shutil.which("dockerd"):
        raise EngineMissingError(
            "starting a Docker Engine needs root and `dockerd`; name a running one with --docker-host"
        )
    folder = space.folder / "docker"
    folder.mkdir(exist_ok=True)
    socket = f"unix://{folder}/docker.sock"
    places = ["--data-root", str(folder / "data"), "--exec-root", str(folder / "run"), "--pidfile", str(folder / "pid")]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", *places, "-H", socket, "--iptables=false"], stdout=log, stderr=log, start_new_session=True
        )
    try:
        _await_start(daemon, socket, folder / "log")
        yield _engine(socket, space)
    finally:
        daemon.terminate()
        daemon.wait()


def _await_start(daemon: subprocess.Popen[bytes], socket: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run(["docker", "-H", socket, "version"], capture_output=True, check=False).returncode:
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise EngineMissingError(f"dockerd does not start; see {log}")
        time.sleep(0.2)


def _engine(host: str, space: Workspace) -> Engine:
    """The first `docker` program on the PATH that builds with BuildKit, else the first one."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    clients = [found for folder in folders if (found := shutil.which("docker", path=folder))]
    if not clients:
        raise EngineMissingError("there is no `docker` program")
    probe = space.folder / "fresh" / "probe"
    probe.mkdir(parents=True, exist_ok=True)
    (probe / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n", "utf-8")
    for client in dict.fromkeys(clients):
        variables = {**os.environ, "DOCKER_HOST": host, "DOCKER_BUILDKIT": "1"}
        built = subprocess.run([client, "build", "-q", str(probe)], env=variables, capture_output=True, check=False)
        if built.returncode == 0:
            return Engine(host, space, client, buildkit=True)
    return Engine(host, space, clients[0], buildkit=False)


def prepare_base(docker: Engine) -> None:
    """Put the image that all Dockerfiles start from into the engine: envbuild's own without wheels, with pip and uv.

    pip is compiled to bytecode there, as an image of pip would have it.
    """
    from uv import find_uv_bin

    space = docker.space
    folder = space.folder / "fresh" / "base-image"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    tools = space.folder / "tools"
    if not list(tools.glob("pip-*.whl")):
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tools), "pip"]
        subprocess.run(download, check=True)
    pip = next(tools.glob("pip-*.whl"))
    shutil.copy(pip, folder)
    shutil.copy(find_uv_bin(), folder / "uv")
    command = f"python /tools/{pip.name}/pip install -q --no-index /tools/{pip.name}"
    (folder / "Dockerfile").write_text(
        f"FROM base:latest\nUSER 0\nENV PYTHONDONTWRITEBYTECODE=\nCOPY {pip.name} /tools/\nCOPY uv /opt/env/bin/\n"
        f"RUN {_exec_form(command)}\n",
        "utf-8",
    )
    space.envbuild("build", str(space.base), "--load", variables=docker.variables)
    docker.build(folder, BASE, buildkit=False)


INSTALLERS = {
    "pip": "pip install -q --require-hashes --no-index --find-links /wheels -r /wheels/requirements.txt",
    "pip --no-compile": (
        "pip install -q --no-compile --require-hashes --no-index --find-links /wheels -r /wheels/requirements.txt"
    ),
    "uv": (
        "uv pip install -q --no-cache --python /opt/env/bin/python --require-hashes --no-index --find-links /wheels"
        " -r /wheels/requirements.txt"
    ),
}
"""What the Dockerfiles run. pip compiles to bytecode unless told otherwise; uv does not, as envbuild."""


def write_context(space: Workspace, folder: Path, installer: str, *, buildkit: bool) -> None:
    """A folder with the locked wheels, the hashed requirements and a Dockerfile that installs them.

    For BuildKit the wheels are mounted, the faster way; the classic builder has to copy them into a layer.
    """
    shutil.rmtree(folder, ignore_errors=True)
    space.linked_wheels(folder / "wheels")
    lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.digest.hex}\n" for wheel in space.wheels]
    (folder / "wheels/requirements.txt").write_text("".join(lines), "utf-8")
    command = _exec_form(INSTALLERS[installer])
    steps = f"RUN --mount=type=bind,source=wheels,target=/wheels {command}" if buildkit else (
        f"COPY wheels /wheels\nRUN {command}"
    )  # fmt: skip
    (folder / "Dockerfile").write_text(f"FROM {BASE}\n{steps}\n", "utf-8")


def _exec_form(command: str) -> str:
    """A command for RUN that needs no shell, which the image does not have."""
    return json.dumps(command.split())
