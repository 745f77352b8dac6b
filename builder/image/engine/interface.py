"""What building by an engine means, for every engine: the request, what is told meanwhile, the two methods."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from builder.oci.documents import Platform


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """What is to be built."""

    context: Path
    """A folder with a `Dockerfile` and the files that it names."""
    tag: str
    """`name:tag` of the image in the engine."""
    platform: Platform
    arguments: Mapping[str, str] = field(default_factory=dict)
    """Values of the Dockerfile's `ARG`s."""


class Observer(Protocol):
    """Is told how a build goes on."""

    def step(self, title: str) -> None:
        """A step begins, as the engine names it."""

    def line(self, text: str) -> None:
        """What a step says, a line at a time."""


class BuildEngine(Protocol):
    """Builds images of Dockerfiles. No step of a build has a network."""

    def unavailable(self) -> str | None:
        """Why it cannot build here, or None if it can."""

    def description(self) -> str:
        """What builds and in which version, for the record of an image."""

    def build(self, request: BuildRequest, observer: Observer) -> str:
        """Build, and return what the engine calls the image: a digest.

        Raises: EnvbuildError, with the step that failed and its last lines; the engine keeps nothing of it then.
        """
