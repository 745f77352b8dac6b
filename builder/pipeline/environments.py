"""The environments that stages run in, each read once, and the keys of their plans."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from builder import __version__
from builder.layers.interface import LAYER_FORMAT
from builder.oci.canonical import canonical_json
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.pipeline.step import Report, Step
from builder.spec import LoadedEnvironment, LoadedProject, load_environment
from builder.spec.environment import ENVIRONMENT_FILE

_RECORDS = "plan-keys"
_LOCK_FILES = ("envbuild.lock.json", "pylock.*.toml", "conda-lock.yml")


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


def environment_key(environment: LoadedEnvironment, platform: Platform, store: Store) -> str:
    """The key of an environment's plan: equal keys, equal images. Remembered by all that it is a function of.

    Raises: StaleLockError, if its lock does not match it; EnvbuildError, if it has no such platform.
    """
    known_by = _fingerprint(environment, platform)
    record = store.record(_RECORDS, known_by)
    if isinstance(record, str):
        return record
    from builder.lock.folder import read_current_lock
    from builder.plan import make_plan

    key = make_plan(read_current_lock(environment, LAYER_FORMAT), platform).key
    store.keep_record(_RECORDS, known_by, key)
    return key


def _fingerprint(environment: LoadedEnvironment, platform: Platform) -> str:
    """What tells whether anything changed that decides the key, and whether the lock matches the environment."""
    pypi, conda = environment.environment.pypi, environment.environment.conda
    inputs: dict[str, Any] = {}
    if (pypi and (pypi.file or pypi.lockfile)) or (conda and (conda.file or conda.lockfile)):
        from builder.lock.folder import read_inputs

        inputs = read_inputs(environment)
    folder = environment.lock_folder
    files = sorted(path for pattern in _LOCK_FILES for path in folder.glob(pattern) if path.is_file())
    locks = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    known = [__version__, LAYER_FORMAT, str(platform), environment.environment.content, inputs, locks]
    return hashlib.sha256(canonical_json(known)).hexdigest()
