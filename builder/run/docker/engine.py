"""Docker Engine as an engine: where it is, and what it does with an image."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from builder.errors import EnvbuildError
from builder.image.engine.connection import Connection
from builder.run.docker.container import Host, check_terminal, remove_labelled, run_container
from builder.run.docker.load import load_image
from builder.run.interface import LocalImage, RunRequest


class DockerEngine:
    """Runs and loads images in Docker Engine, found as the `docker` program finds it (DOCKER_HOST)."""

    name = "docker"
    title = "Docker Engine"
    has_own_network = True

    def __init__(self) -> None:
        self._connection = Connection()

    def unavailable(self) -> str | None:
        """Why no engine answers, or None if one does."""
        return self._connection.unavailable()

    def version(self) -> str:
        """The engine's own."""
        with suppress(EnvbuildError):
            return self._connection.version()
        return ""

    def run(self, image: LocalImage, request: RunRequest) -> int:
        """Run a command in a container, which is removed afterwards.

        Raises: EnvbuildError, if the engine refuses.
        """
        check_terminal(request)
        identity = self.load(image, (image.name,))
        return run_container(Host(self._connection.client, self.title), identity, request)

    def remove_containers(self, label: str) -> None:
        """Remove the containers that have a label, `NAME=VALUE`."""
        remove_labelled(self._connection.client, label)

    def load(self, image: LocalImage, names: Sequence[str]) -> str:
        """Put an image into the engine, where it is not there, the layers that it lacks alone; returns its id there.

        Raises: EnvbuildError, if the engine refuses.
        """
        return load_image(self._connection.client, image, names)
