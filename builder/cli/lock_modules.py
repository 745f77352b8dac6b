"""What `envbuild lock` does with the modules that the stages of a project use, beside its environment and its data."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.cli.lock_data import failure_as_json
from builder.cli.output import Output, count, show_error
from builder.errors import EnvbuildError
from builder.progress import Silent
from builder.spec import LoadedProject, find_spec, load_project
from builder.spec.load import LOCK_FOLDER, PROJECT_FILE

if TYPE_CHECKING:
    from builder.lock.data.document import DataLock
    from builder.lock.modules import ModulesLock


@dataclass(slots=True)
class ModulesOutcome:
    """What came of the modules of one project; nothing of it is written before `write`."""

    loaded: LoadedProject | None = None
    """None where there is no project, or none that uses modules or did."""
    lock: ModulesLock | None = None
    notes: tuple[str, ...] = ()
    error: EnvbuildError | None = None
    writes: bool = False
    changed: bool = False

    @property
    def digest(self) -> None:
        """Modules are named by no digest."""
        return

    def as_json(self) -> dict[str, Any]:
        """For `--json`, as of data."""
        if self.error:
            return failure_as_json(self.error)
        return {"current": True, "changed": self.changed, "entries": len(self.lock.modules) if self.lock else 0}

    def beside(self, document: dict[str, Any]) -> dict[str, Any]:
        """An environment's JSON with this one's, where there are modules."""
        return {**document, "modules": self.as_json()} if self.loaded else document

    def write(self) -> None:
        """Write what was locked."""
        from builder.lock.modules import write_modules_lock

        if self.writes and self.loaded and self.lock is not None and self.error is None:
            self.changed = write_modules_lock(self.loaded.folder / LOCK_FOLDER, self.lock)

    def finish(self, output: Output) -> None:
        """Say what came of it. Raises: EnvbuildError, what went wrong."""
        if self.error:
            raise self.error
        for note in self.notes:
            output.say(note)
        if self.changed and self.lock is not None:
            output.say(f"modules: {count(len(self.lock.modules), 'module')}")

    def show_before(self, other: EnvbuildError | None) -> None:
        """Print the error, where another one is about to be raised."""
        if self.error and other:
            show_error(self.error)


def lock_modules(path: Path, output: Output, *, check: bool, data: DataLock | None = None) -> ModulesOutcome:
    """Lock or check the modules of the project in `path`; nothing, where an environment is."""
    try:
        file = find_spec(path)
        if file.name != PROJECT_FILE:
            return ModulesOutcome()
        loaded = load_project(file)
    except EnvbuildError:
        return ModulesOutcome()  # whoever locks the environment says it
    from builder.lock.modules import MODULES_LOCK_FILE

    uses = any(stage.uses is not None for stage in loaded.project.stages.values())
    if not uses and not (loaded.folder / LOCK_FOLDER / MODULES_LOCK_FILE).exists():
        return ModulesOutcome()
    outcome = ModulesOutcome(loaded, writes=not check)
    try:
        _lock_or_check(outcome, loaded, output, check, data)
    except EnvbuildError as error:
        outcome.error = error
    return outcome


def _lock_or_check(
    outcome: ModulesOutcome, loaded: LoadedProject, output: Output, check: bool, data: DataLock | None
) -> None:
    from builder.cli.machine import open_store
    from builder.cli.pipeline import module_places
    from builder.lock.data.hashing import Hasher
    from builder.pipeline.modules.locking import check_modules_lock, make_modules_lock

    if check:
        outcome.lock = check_modules_lock(loaded)
        return
    hasher = Hasher(open_store(), time.time_ns, output.progress() or Silent())
    locked = make_modules_lock(loaded, module_places(loaded, hasher, output), data)
    outcome.lock, outcome.notes = locked.lock, locked.notes
