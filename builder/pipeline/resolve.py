"""From a project to its stages in order, each with everything that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from builder.lock.data.hashing import Hasher
from builder.pipeline.contents import Contents
from builder.pipeline.stage import ResolvedStage
from builder.pipeline.step import Modules
from builder.spec import LoadedEnvironment, LoadedProject


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What resolving needs of this machine."""

    hasher: Hasher
    environment_key: Callable[[LoadedEnvironment], str]
    """The key of an environment's plan for `platform`. Raises: EnvbuildError, where its lock is stale."""
    platform: str
    """`linux/amd64`."""
    modules: Modules | None = None
    """Takes the stages that use modules."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of a project."""

    loaded: LoadedProject
    stages: tuple[ResolvedStage, ...]
    """Each behind those that it waits for."""
    needs: Mapping[str, tuple[str, ...]]
    """For each of them those that it waits for, sorted."""
    contents: Contents
    """What inputs and outputs hold."""


def resolve(loaded: LoadedProject, surroundings: Surroundings, only: Collection[str] = ()) -> Pipeline:
    """The stages of a project; of `only`, these and all that they wait for.

    Raises: SpecError, with every problem; EnvbuildError, if a file cannot be read, or a lock is stale.
    """
    raise NotImplementedError
