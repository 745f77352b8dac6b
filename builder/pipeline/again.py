"""A stage run once more with what a run of it read, by digest, wherever that is. Nothing of a project changes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import DigestMismatchError, EnvbuildError
from builder.history.content import Content
from builder.history.kept import has, restore
from builder.history.record import RunRecord
from builder.lock.data.hashing import Hasher
from builder.pipeline.bench import Screen
from builder.pipeline.child import Children, Ended, Printed, Signalled
from builder.pipeline.contents import Contents
from builder.pipeline.execute import Outcome, Place, Task, run_stage
from builder.pipeline.stage import Port, ResolvedStage


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where inputs of earlier runs are looked for: what is given first, then what is kept, then folders."""

    hasher: Hasher
    scratch: Path
    """An empty folder, into which what is kept is laid."""
    given: Mapping[str, Path] = field(default_factory=dict)
    """By path in the project or name of data."""
    folders: Sequence[Path] = ()
    """Of the project, now or as it was."""

    def find(self, path: str, wanted: Content) -> Path | None:
        """Where a content is now; None where it is not.

        Raises: DigestMismatchError, if what is given for it is something else; EnvbuildError.
        """
        if path in self.given:
            return self._checked(path, self.given[path], wanted)
        if has(self.hasher.store, wanted):
            place = self.scratch / path
            restore(self.hasher.store, wanted, place)
            return place
        return next((folder / path for folder in self.folders if self._is(folder / path, wanted)), None)

    def _checked(self, path: str, place: Path, wanted: Content) -> Path:
        if not self._is(place, wanted):
            why = f"the run read sha256:{wanted.sha256}"
            raise DigestMismatchError(f"`{place}` is not the `{path}` that the run read", why)
        return place

    def _is(self, place: Path, wanted: Content) -> bool:
        try:
            found = Contents(place.parent, self.hasher, {}).at(place.name)
        except EnvbuildError:  # it cannot be read, or leads elsewhere
            return False
        return found is not None and (found.kind, found.sha256) == (wanted.kind, wanted.sha256)


def find_inputs(stage: ResolvedStage, record: RunRecord, places: Whereabouts) -> dict[str, Path]:
    """Where what a run read of the project is now, by target; data that are not given are left out.

    Raises: EnvbuildError, with all that cannot be had; DigestMismatchError, if what is given is something else.
    """
    found = {port.target: places.find(port.path, wanted) for port, wanted in _read(stage, record, places.given)}
    paths = {port.target: port.path for port in stage.inputs}
    lost = [paths[target] for target, place in found.items() if place is None]
    if lost:
        why = [f"`{path}` (sha256:{record.data[path].sha256[:12]}…) is kept no longer, nor is it here" for path in lost]
        raise EnvbuildError("what it read cannot be had", why)
    return {target: place for target, place in found.items() if place is not None}


def _read(stage: ResolvedStage, record: RunRecord, given: Mapping[str, Path]) -> Iterator[tuple[Port, Content]]:
    for port in stage.inputs:
        wanted = record.data.get(port.path)
        if wanted is None:
            raise EnvbuildError(f"the run did not read `{port.path}`, which its commit has the stage read")
        if port.source == "project" or port.path in given:
            yield port, wanted


def run_apart(task: Task, place: Place, screen: Screen) -> Outcome:
    """Run a stage in a child, whose output `screen` shows. Raises: EnvbuildError, and what a signal here raises."""
    report: object = None
    number = 0
    with Children() as children:
        children.start(task.stage.name, lambda: run_stage(task, place), task.scratch / "report")
        while children.running:
            for event in children.wait():
                if isinstance(event, Printed):
                    screen.printed(event.name, event.data)
                elif isinstance(event, Signalled):
                    number = event.number
                    children.forward(number)
                elif isinstance(event, Ended):
                    report = event.report
    if number:
        signal.raise_signal(number)
    if isinstance(report, Outcome):
        return report
    raise report if isinstance(report, EnvbuildError) else EnvbuildError("the process that ran it was killed")
