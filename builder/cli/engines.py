"""The engines that `run` knows, and which one is taken."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from builder.bundle.build import Built
from builder.cli.machine import host_platform
from builder.cli.output import Output
from builder.errors import EnvbuildError
from builder.image.workshop import Workshop
from builder.run.interface import Engine, Loader, LocalImage

if TYPE_CHECKING:
    from builder.oci.documents import Platform
    from builder.run.docker import DockerEngine
    from builder.run.podman import PodmanEngine


def _docker() -> DockerEngine:
    from builder.run.docker import DockerEngine

    return DockerEngine()


def _podman() -> PodmanEngine:
    from builder.run.podman import PodmanEngine

    return PodmanEngine()


def _embedded() -> Engine:
    from builder.run.embedded import EmbeddedEngine

    return EmbeddedEngine()


ENGINES: dict[str, Callable[[], Engine]] = {"docker": _docker, "embedded": _embedded, "podman": _podman}
"""By name; without a choice the first one that answers is taken. The embedded engine needs no copy of the image, so
Podman, which does, comes after it."""

LOADERS: dict[str, Callable[[], Loader]] = {"docker": _docker, "podman": _podman}
"""Those that keep images, likewise."""

_HINTS: dict[str | None, str | None] = {
    "docker": "Start Docker Engine, or use `--engine embedded`",
    "podman": "Use `--engine docker` or `--engine embedded`",
    "embedded": None,
}


def choose_engine(name: str | None, output: Output) -> Engine:
    """The engine of this name, or the first one that answers; says why an engine that was pointed at is left out.

    Raises: EnvbuildError, with the reason of each that does not.
    """
    reasons: list[str] = []
    for candidate in [name] if name else list(ENGINES):
        engine = ENGINES[candidate]()
        reason = engine.unavailable()
        if reason is None:
            if reasons and os.environ.get("DOCKER_HOST"):
                output.say(f"warning: {reasons[0]}; using the {candidate} engine instead")
            return engine
        reasons.append(reason)
    hint = _HINTS.get(name, "Start Docker Engine")
    raise EnvbuildError("no engine can run this here", reasons, hint)


def load(built: Built, workshop: Workshop, output: Output, name: str | None = None) -> None:
    """Put the image for this machine into an engine that keeps images, under its name and under its digest's start.

    `name` is the engine's; without one the first that answers is taken.

    Raises: EnvbuildError, if no engine answers, or there is no image for this machine.
    """
    wanted = check_load(image.config.platform for image in built.images)
    image = next(image for image in built.images if replace(image.config.platform, variant=None) == wanted)
    loader = choose_loader(name)
    local = LocalImage.of(image, built.name, workshop)
    loader.load(local, (local.name, local.pinned_name))
    output.say(f"loaded {local.name} into {loader.title}, also as {local.pinned_name}")


def check_load(platforms: Iterable[Platform]) -> Platform:
    """The platform of this machine, whose image is loaded. Raises: EnvbuildError, if it is not among these."""
    wanted = host_platform()
    if wanted not in {replace(platform, variant=None) for platform in platforms}:
        raise EnvbuildError(f"there is no image for {wanted} to load", hint=f"Add `--platform {wanted}`")
    return wanted


def choose_loader(name: str | None) -> Loader:
    """The engine of this name that keeps images, or the first one that answers.

    Raises: EnvbuildError, with the reason of each that does not.
    """
    reasons = []
    for candidate in [name] if name else list(LOADERS):
        loader = LOADERS[candidate]()
        reason = loader.unavailable()
        if reason is None:
            return loader
        reasons.append(reason)
    hint = "Use `--engine docker`" if name == "podman" else "Start Docker Engine, or set DOCKER_HOST"
    raise EnvbuildError("the image cannot be loaded", reasons, hint)
