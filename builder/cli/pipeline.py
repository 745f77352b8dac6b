"""What commands share that work on the stages of a project."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import EnvbuildError
from builder.spec.load import LOCK_FOLDER, load_project

if TYPE_CHECKING:
    from builder.cli.output import Output
    from builder.lock.data.hashing import Hasher
    from builder.oci.store import Store
    from builder.pipeline.modules.folder import Places
    from builder.pipeline.resolve import Pipeline
    from builder.pipeline.step import Modules
    from builder.spec import LoadedProject


def load_stages(path: Path) -> LoadedProject:
    """The project of a path, which must have stages. Raises: EnvbuildError, SpecError."""
    loaded = load_project(path)
    if not loaded.project.stages:
        raise EnvbuildError(f"`{loaded.file}` has no stages", hint="Declare them under `stages`")
    return loaded


def open_pipeline(
    loaded: LoadedProject, names: tuple[str, ...], store: Store, output: Output, *, alone: bool = False
) -> Pipeline:
    """The stages of these names and all that they wait for, or all stages; for this machine.

    With `alone` those of these names only, whose inputs need not be there.

    Raises: SpecError, with every problem; EnvbuildError.
    """
    from builder.cli.machine import host_platform
    from builder.lock.data.hashing import Hasher
    from builder.pipeline.environments import environment_key
    from builder.pipeline.resolve import Surroundings, resolve
    from builder.progress import Silent

    platform = host_platform()
    hasher = Hasher(store, time.time_ns, output.progress() or Silent())
    key = functools.partial(environment_key, platform=platform, store=store)
    surroundings = Surroundings(hasher, key, str(platform), taken_modules(loaded, hasher, output))
    return resolve(loaded, surroundings, names, alone=alone)


def taken_modules(loaded: LoadedProject, hasher: Hasher, output: Output) -> Modules | None:
    """What takes the modules that stages use, as they were locked; None where none do. Raises: EnvbuildError."""
    if all(stage.uses is None for stage in loaded.project.stages.values()):
        return None
    from builder.lock.modules import read_modules_lock
    from builder.pipeline.modules.take import Taken

    lock = read_modules_lock(loaded.folder / LOCK_FOLDER)
    return Taken(loaded, module_places(loaded, hasher, output), lock.modules)


def module_places(loaded: LoadedProject, hasher: Hasher, output: Output) -> Places:
    """Where modules are, and what fetches them."""
    from builder.cli.machine import make_fetcher
    from builder.pipeline.modules.folder import Places

    artifacts = functools.cache(lambda: make_fetcher(hasher.store, output).artifacts)
    return Places(loaded.folder, hasher, artifacts)
