"""The engines that `run` knows, and which one is taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

from builder.bundle.build import Built
from builder.cli.machine import host_platform
from builder.cli.output import Output
from builder.errors import EnvbuildError
from builder.oci.store import Store
from builder.run.interface import Engine, LocalImage


def _docker() -> Engine:
    from builder.run.docker import DockerEngine

    return DockerEngine()


def _embedded() -> Engine:
    from builder.run.embedded import EmbeddedEngine

    return EmbeddedEngine()


ENGINES: dict[str, Callable[[], Engine]] = {"docker": _docker, "embedded": _embedded}
"""By name; without a choice the first one that answers is taken."""


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
    other = "" if name != "docker" else ", or use `--engine embedded`"
    hint = None if name == "embedded" else f"Start Docker Engine{other}"
    raise EnvbuildError("no engine can run this here", reasons, hint)


def load_into_docker(built: Built, store: Store, output: Output) -> None:
    """Put the image for this machine into Docker Engine, the layers that it lacks alone.

    Raises: EnvbuildError, if no engine answers, or there is no image for this machine.
    """
    from builder.run.docker import DockerEngine

    engine = DockerEngine()
    reason = engine.unavailable()
    if reason is not None:
        raise EnvbuildError("the image cannot be loaded", reason, "Start Docker Engine, or set DOCKER_HOST")
    wanted = host_platform()
    image = next((image for image in built.images if replace(image.config.platform, variant=None) == wanted), None)
    if image is None:
        raise EnvbuildError(f"there is no image for {wanted} to load", hint=f"Add `--platform {wanted}`")
    engine.load(LocalImage(store, image.descriptor, image.manifest, image.config, built.name))
    output.say(f"loaded {built.name} into Docker Engine")
