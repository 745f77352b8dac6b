"""The image of a project or an environment for this machine, built where it is not there yet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.machine import current_lock, host_platform
from builder.cli.output import Output
from builder.cli.wheels import ensure_built_wheels
from builder.image.workshop import Workshop
from builder.spec.load import PROJECT_FILE, find_spec, load_environment, load_project

if TYPE_CHECKING:
    from builder.bundle.build import Built
    from builder.lock.document import Lock
    from builder.run.interface import LocalImage


@dataclass(frozen=True, slots=True)
class BuiltTarget:
    """An image that can be run here, and what it was built of."""

    image: LocalImage
    lock: Lock
    folder: Path
    """Of the project or the environment."""
    name: str
    """Of the project or the environment."""


def build_target(path: Path, workshop: Workshop, output: Output) -> BuiltTarget:
    """The image of the project or environment in `path`.

    Raises: EnvbuildError, if it cannot be read or built, or its lock is stale.
    """
    from builder.bundle.build import build_environments, build_project

    file, platform = find_spec(path), host_platform()
    if file.name == PROJECT_FILE:
        project = load_project(file)
        lock = current_lock(project.environment)
        ensure_built_wheels(lock, [platform], workshop, output)
        return BuiltTarget(
            _local(build_project(project, lock, [platform], workshop), workshop), lock, project.folder, project.name
        )
    environment = load_environment(file)
    lock = current_lock(environment)
    ensure_built_wheels(lock, [platform], workshop, output)
    built = build_environments(environment.name, lock, [platform], workshop)
    return BuiltTarget(_local(built, workshop), lock, file.parent, environment.name)


def _local(built: Built, workshop: Workshop) -> LocalImage:
    from builder.run.interface import LocalImage

    return LocalImage.of(built.images[0], built.name, workshop)
