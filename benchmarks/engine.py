"""A Docker Engine of the benchmarks' own."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measuring import Sample, run
from workspace import Workspace

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
    process: int | None = None
    """Of the daemon, if it was started here."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables with which clients find it."""
        return {"DOCKER_HOST": self.host, "DOCKER_CONFIG": str(self.space.folder / "docker-config")}

    def docker(self, *arguments: str, buildkit: bool = False, watch: bool = False) -> Sample:
        """Run the `docker` program; watched, with the memory of the daemon's work. Raises: CommandFailedError."""
        variables = {**os.environ, **self.variables, "DOCKER_BUILDKIT": str(int(buildkit))}
        return run([self.client, *arguments], variables, watch=watch, beside=self.process if watch else None)

    def facts(self) -> str:
        """Its version, storage driver and the client's version."""
        server = self.docker("info", "--format", "{{.ServerVersion}}, {{.Driver}}").output.strip()
        return f"{server}; client {self.docker('version', '--format', '{{.Client.Version}}').output.strip()}"

    def size(self, image: str) -> int:
        """The unpacked bytes of an image. Raises: CommandFailedError."""
        return int(self.docker("image", "inspect", "--format", "{{.Size}}", image).output)

    def forget_builds(self) -> None:
        """Remove what BuildKit has cached. Raises: CommandFailedError."""
        if self.buildkit:
            self.docker("builder", "prune", "--all", "--force", buildkit=True)


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
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    socket = f"unix://{folder}/docker.sock"
    places = ["--data-root", str(folder / "data"), "--exec-root", str(folder / "run"), "--pidfile", str(folder / "pid")]
    with (folder / "log").open("wb") as log:
        daemon = subprocess.Popen(
            ["dockerd", *places, "-H", socket, "--iptables=false"], stdout=log, stderr=log, start_new_session=True
        )
    try:
        _await_start(daemon, socket, folder / "log")
        yield _engine(socket, space, daemon.pid)
    finally:
        daemon.terminate()
        daemon.wait()


def _await_start(daemon: subprocess.Popen[bytes], socket: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while subprocess.run(["docker", "-H", socket, "version"], capture_output=True, check=False).returncode:
        if daemon.poll() is not None or time.monotonic() > deadline:
            raise EngineMissingError(f"dockerd does not start; see {log}")
        time.sleep(0.2)


def _engine(host: str, space: Workspace, process: int | None = None) -> Engine:
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
            return Engine(host, space, client, True, process)
    return Engine(host, space, clients[0], False, process)
