"""Docker Engine as an engine, by its API."""

from builder.run.docker.engine import DockerEngine

__all__ = ["DockerEngine"]
