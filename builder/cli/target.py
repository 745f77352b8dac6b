"""What a command works on: a project or an environment, with its current lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.machine import chosen_platforms, current_lock, host_platform
from builder.cli.output import Output
from builder.cli.wheels import ensure_built_wheels

if TYPE_CHECKING:
    from builder.bundle.build import Built, Choice
    from builder.bundle.inside.origin import Origin
    from builder.bundle.parts.data import Packing
    from builder.image.workshop import Workshop
    from builder.lock.document import Lock
    from builder.oci.documents import Platform
    from builder.plan import Plan
    from builder.spec import LoadedEnvironment, LoadedProject


@dataclass(frozen=True, slots=True)
class Target:
    """A project or an environment that images can be built of."""

    environment: LoadedEnvironment
    project: LoadedProject | None
    """Where it is one."""
    lock: Lock
    platforms: tuple[Platform, ...]
    """For which it is built; sorted."""
    packing: Packing = "default"
    """Which data are in the images of a project."""
    no_check: bool = False
    """Whether data are not held to their contracts, which is recorded."""
    promised: frozenset[str] | None = None
    """The data that must keep their contracts; None for all."""
    origin: Origin | None = None
    """The run that the model is of, where one is named."""

    @classmethod
    def of(cls, environment: LoadedEnvironment, project: LoadedProject | None, platforms: tuple[str, ...]) -> Target:
        """With its lock. Raises: EnvbuildError, if that is stale."""
        lock = current_lock(environment)
        return cls(environment, project, lock, chosen_platforms(lock, platforms))

    @property
    def name(self) -> str:
        """Of the project or the environment."""
        return self.project.name if self.project else self.environment.name

    @property
    def folder(self) -> Path:
        """The one that its spec is in."""
        return (self.project or self.environment).file.parent

    @property
    def plans(self) -> tuple[Plan, ...]:
        """The environment's images, before anything is fetched. Raises: EnvbuildError."""
        from builder.plan import make_plan

        return tuple(make_plan(self.lock, platform) for platform in self.platforms)

    @property
    def choice(self) -> Choice:
        """What of the project is packed, and what its data are held to: today."""
        from datetime import UTC, datetime

        from builder.bundle.build import Choice
        from builder.bundle.inside.promises import Checking

        return Choice(self.packing, Checking(self.no_check, self.promised, datetime.now(UTC)), self.origin)

    def ensure_wheels(self, workshop: Workshop, output: Output, *, here_only: bool = False) -> None:
        """Have in the store the wheels that were built from source (`ensure_built_wheels`).

        Raises: EnvbuildError, DigestMismatchError.
        """
        ensure_built_wheels(self.lock, self.platforms, workshop, output, here_only=here_only)

    def build(self, workshop: Workshop, output: Output, *, here_only: bool = False) -> Built:
        """Its images, made where they are not in the store. `here_only` is said of wheels (`ensure_built_wheels`).

        Raises: EnvbuildError, DigestMismatchError.
        """
        from builder.bundle.build import build_environments, build_project

        self.ensure_wheels(workshop, output, here_only=here_only)
        if self.project:
            return build_project(self.project, self.lock, self.platforms, workshop, self.choice)
        return build_environments(self.environment.name, self.lock, self.platforms, workshop)

    def build_here(self, workshop: Workshop, output: Output) -> Built:
        """The image for this machine alone. Raises: EnvbuildError, DigestMismatchError."""
        return replace(self, platforms=(host_platform(),)).build(workshop, output)


def is_image(path: Path) -> bool:
    """Whether what is at a path is an image in a file or a folder, and no project."""
    return (path.is_file() and path.suffix not in (".yaml", ".yml")) or any(
        (path / name).is_file() for name in ("oci-layout", "index.json")
    )


def open_target(path: Path, platforms: tuple[str, ...] = ()) -> Target:
    """The project or environment in `path`, for the platforms of these names or all of its lock.

    Raises: EnvbuildError, if it cannot be read, or its lock is stale.
    """
    from builder.spec.load import PROJECT_FILE, find_spec, load_environment, load_project

    file = find_spec(path)
    project = load_project(file) if file.name == PROJECT_FILE else None
    return Target.of(project.environment if project else load_environment(file), project, platforms)
