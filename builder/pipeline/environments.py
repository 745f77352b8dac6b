"""The environments that stages run in, each read once, and the keys of their plans."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from builder.layers.interface import LAYER_FORMAT
from builder.lock.folder import read_current_lock
from builder.oci.documents import Platform
from builder.pipeline.step import Report, Step
from builder.plan import make_plan
from builder.spec import LoadedEnvironment, LoadedProject, load_environment
from builder.spec.environment import ENVIRONMENT_FILE


class Environments:
    """The environments of a project's stages."""

    def __init__(self, loaded: LoadedProject, key: Callable[[LoadedEnvironment], str]) -> None:
        """`key` gives the key of an environment's plan."""
        self._own = loaded.environment
        self._key = key
        self._read: dict[Path, LoadedEnvironment] = {}
        self._keys: dict[Path, str] = {}
        self.folder = loaded.folder

    def of(self, step: Step, report: Report) -> LoadedEnvironment:
        """The environment of a step; the project's, where its own was reported to be missing.

        Raises: SpecError, of its own file.
        """
        if step.module:
            return step.module.environment
        if step.stage.environment is None:
            return self._own
        file = Path(os.path.normpath(self.folder / step.stage.environment / ENVIRONMENT_FILE))
        if file not in self._read:
            if not file.is_file():
                report("environment", f"`{step.stage.environment}` has no `{ENVIRONMENT_FILE}`", None)
                return self._own
            self._read[file] = load_environment(file)
        return self._read[file]

    def key(self, environment: LoadedEnvironment) -> str:
        """The key of its plan. Raises: EnvbuildError, if its lock is stale."""
        if environment.file not in self._keys:
            self._keys[environment.file] = self._key(environment)
        return self._keys[environment.file]


def environment_key(environment: LoadedEnvironment, platform: Platform) -> str:
    """The key of an environment's plan: equal keys, equal images.

    Raises: StaleLockError, if its lock does not match it; EnvbuildError, if it has no such platform.
    """
    return make_plan(read_current_lock(environment, LAYER_FORMAT), platform).key
