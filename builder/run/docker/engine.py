"""Docker Engine as an engine: where it is, and what it does with an image."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from builder.run.docker.container import Host, check_terminal, run_container
from builder.run.docker.load import load_image
from builder.run.docker.messages import root_cause
from builder.run.interface import LocalImage, RunRequest

if TYPE_CHECKING:
    import docker

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_PING_SECONDS = 3
_SECONDS = 600


class DockerEngine:
    """Runs and loads images in Docker Engine, found as the `docker` program finds it (DOCKER_HOST)."""

    name = "docker"
    title = "Docker Engine"
    has_own_network = True

    def __init__(self) -> None:
        self._client: docker.DockerClient | None = None

    def unavailable(self) -> str | None:
        """Why no engine answers, or None if one does."""
        import docker

        try:
            docker.from_env(timeout=_PING_SECONDS).ping()
        except (docker.errors.DockerException, OSError, ValueError) as error:
            address = os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS
            return f"no Docker Engine answers at {address}: {root_cause(error)}"
        return None

    def run(self, image: LocalImage, request: RunRequest) -> int:
        """Run a command in a container, which is removed afterwards.

        Raises: EnvbuildError, if the engine refuses.
        """
        check_terminal(request)
        identity = self.load(image, (image.name,))
        return run_container(Host(self._engine(), self.title), identity, request)

    def load(self, image: LocalImage, names: Sequence[str]) -> str:
        """Put an image into the engine, where it is not there, the layers that it lacks alone; returns its id there.

        Raises: EnvbuildError, if the engine refuses.
        """
        return load_image(self._engine(), image, names)

    def _engine(self) -> docker.DockerClient:
        import docker

        if self._client is None:
            self._client = docker.from_env(timeout=_SECONDS)
        return self._client
