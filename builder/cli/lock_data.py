"""What `envbuild lock` does with the data and the model of a project, beside its environment."""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.output import Output, show_error, size_text
from builder.errors import EnvbuildError
from builder.progress import Silent
from builder.spec import LoadedProject, find_spec, load_project
from builder.spec.load import LOCK_FOLDER, PROJECT_FILE

if TYPE_CHECKING:
    from builder.lock.data.document import DataLock
    from builder.lock.data.hashing import Hasher

rehash_option = click.option("--rehash", is_flag=True, help="Read all data, also what seems not to have changed.")


def failure_as_json(error: EnvbuildError) -> dict[str, Any]:
    """What `--json` says of a lock that is not current or could not be made."""
    return {"current": False, "problem": error.what, "reasons": list(error.why), "hint": error.hint}


@dataclass(slots=True)
class DataOutcome:
    """What came of the data of one project; nothing of it is written before `finish`."""

    loaded: LoadedProject | None = None
    """None where there is no project."""
    lock: DataLock | None = None
    notes: tuple[str, ...] = ()
    error: EnvbuildError | None = None
    writes: bool = False
    changed: bool = False

    @property
    def digest(self) -> str | None:
        """What names the data lock."""
        return f"sha256:{hashlib.sha256(self.lock.to_bytes()).hexdigest()}" if self.lock else None

    def as_json(self) -> dict[str, Any]:
        """For `--json`, as of environments."""
        if self.error:
            return failure_as_json(self.error)
        counts = {"entries": len(list(self.lock.places())), "size": _size(self.lock)} if self.lock else {"entries": 0}
        return {"current": True, "digest": self.digest, "changed": self.changed, **counts}

    def beside(self, document: dict[str, Any]) -> dict[str, Any]:
        """An environment's JSON with this one's, where there is a project."""
        return {**document, "data": self.as_json()} if self.loaded else document

    def write(self) -> None:
        """Write what was locked."""
        from builder.lock.data.document import write_data_lock

        if self.writes and self.loaded and self.lock is not None and self.error is None:
            self.changed = write_data_lock(self.loaded.folder / LOCK_FOLDER, self.lock)

    def finish(self, output: Output) -> None:
        """Say what came of it. Raises: EnvbuildError, what went wrong."""
        if self.error:
            raise self.error
        for note in self.notes:
            output.say(note)
        if self.changed and self.loaded and not self.lock:
            output.say(f"nothing of the data needs a lock: removed it from `{self.loaded.folder / LOCK_FOLDER}`")
        elif self.changed and self.loaded and self.lock:
            count = len(list(self.lock.places()))
            output.say(f"data: {count} {'entries' if count > 1 else 'entry'}, {size_text(_size(self.lock))}")

    def show_before(self, other: EnvbuildError | None) -> None:
        """Print the error, where another one is about to be raised."""
        if self.error and other:
            show_error(self.error)


@dataclass(frozen=True, slots=True)
class DataWork:
    """What is done with the data of each project."""

    output: Output
    check: bool
    upgrade: bool
    rehash: bool
    online: bool = False
    """When checking, also ask whether what is elsewhere can still be had."""

    def before_others(self, path: Path) -> DataOutcome:
        """As `one`. Raises: EnvbuildError, where data cannot be locked, so that nothing else is either."""
        outcome = self.one(path)
        if outcome.error and not self.check:
            raise outcome.error
        return outcome

    def one(self, path: Path) -> DataOutcome:
        """Lock or check the data of the project in `path`; nothing, where an environment is."""
        try:
            file = find_spec(path)
            if file.name != PROJECT_FILE:
                return DataOutcome()
            loaded = load_project(file)
        except EnvbuildError:
            return DataOutcome()  # whoever locks the environment says it
        from builder.lock.data.locking import DataTools, check_data, entries, make_data_lock
        from builder.lock.data.online import look_up_data

        outcome = DataOutcome(loaded, writes=not self.check)
        try:
            hasher, fetcher, progress = self._tools()
            if self.check:
                checked = check_data(loaded, hasher)
                outcome.lock, outcome.notes = checked.lock, checked.notes
                if self.online:
                    look_up_data(entries(loaded, checked.lock), fetcher()).check(f"the data of `{loaded.file}`")
            else:
                outcome.lock = make_data_lock(loaded, DataTools(hasher, fetcher, progress), upgrade=self.upgrade)
        except EnvbuildError as error:
            outcome.error = error
        return outcome

    def all(self, folder: Path) -> dict[Path, Any]:
        """The same for every project below `folder`, by a path below what is shown of each."""
        from builder.lock.locking import find_environments

        outcomes = {}
        for file in find_environments(folder):
            outcome = self.one(file) if file.name == PROJECT_FILE else DataOutcome()
            if outcome.loaded and (outcome.lock or outcome.error):
                outcome.write()
                outcomes[Path(f"{file.parent} (data)") / file.name] = outcome
            for note in outcome.notes:
                self.output.say(note)
        return outcomes

    def _tools(self) -> tuple[Hasher, Callable[[], Any], Any]:
        from builder.cli.machine import make_fetcher, open_store
        from builder.lock.data.hashing import Hasher

        store, progress = open_store(), self.output.progress() or Silent()
        fetcher = functools.cache(lambda: make_fetcher(store, self.output))
        return Hasher(store, time.time_ns, progress, self.rehash), fetcher, progress


def _size(lock: DataLock) -> int:
    return sum(entry.size or 0 for _, entry in lock.places())
