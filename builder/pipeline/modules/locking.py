"""Locking the modules of a project: what they take and give is held to what stages say, then pinned."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from builder.errors import EnvbuildError
from builder.layers.interface import LAYER_FORMAT
from builder.lock.data.document import DataLock, read_data_lock
from builder.lock.data.hashing import shown
from builder.lock.folder import read_current_lock
from builder.lock.integrity import StaleLockError
from builder.lock.modules import Interface, ModulesLock, PinnedModule, read_modules_lock
from builder.pipeline.declared import Problems, declare
from builder.pipeline.modules.folder import Places, folder_in_project
from builder.pipeline.modules.interface import interface_changes
from builder.pipeline.modules.promises import Promises
from builder.pipeline.modules.read import LoadedModule, load_module
from builder.pipeline.modules.source import Source
from builder.pipeline.modules.take import Taken
from builder.pipeline.modules.use import check_use
from builder.spec import LoadedProject
from builder.spec.load import LOCK_FOLDER
from builder.spec.reader import Problem, SpecError


@dataclass(frozen=True, slots=True)
class LockedModules:
    """A lock of modules, not written yet."""

    lock: ModulesLock
    notes: tuple[str, ...] = ()
    """What changed that no stage breaks by, a sentence each."""


def uses_modules(loaded: LoadedProject) -> bool:
    """Whether a stage of the project does."""
    return any(stage.uses is not None for stage in loaded.project.stages.values())


def make_modules_lock(loaded: LoadedProject, places: Places, data: DataLock | None = None) -> LockedModules:
    """The modules of a project as they are now. `data` is what is locked of its data, by default as it is on disk.

    Raises: SpecError, with everything that stages and modules do not agree on; DigestMismatchError, if a module is not
    the one that was locked under this commit or digest.
    """
    if not uses_modules(loaded):
        return LockedModules(ModulesLock())
    before = read_modules_lock(loaded.folder / LOCK_FOLDER)
    for uses, pinned in before.modules.items():
        if pinned.sha256 is not None and any(stage.uses == uses for stage in loaded.project.stages.values()):
            places.checked(Source.parse(uses), pinned.sha256)
    taken = Taken(loaded, places, None)
    _settle(loaded, taken, before, data or read_data_lock(loaded.folder / LOCK_FOLDER) or DataLock())
    pins: dict[str, PinnedModule] = {}
    for name, module in taken.modules.items():
        uses = str(loaded.project.stages[name].uses)
        if uses not in pins:
            sha256 = None if module.source.kind == "path" else places.digest(module.root)
            pins[uses] = PinnedModule(module.interface, sha256)
    return LockedModules(ModulesLock(pins), tuple(_notes(before, pins)))


def check_modules_lock(loaded: LoadedProject) -> ModulesLock:
    """The lock of modules, if it belongs to the project as it is.

    Needs no network: of a module from elsewhere what is pinned of it is all that is looked at.

    Raises: StaleLockError, if it does not; SpecError, if stages break what is pinned.
    """
    folder = loaded.folder / LOCK_FOLDER
    lock = read_modules_lock(folder)
    stages = {name: stage for name, stage in loaded.project.stages.items() if stage.uses is not None}
    wanted = {str(stage.uses) for stage in stages.values()}
    reasons = [f"`{uses}` is not locked" for uses in sorted(wanted - lock.modules.keys())]
    reasons += [f"`{uses}` is used no more" for uses in sorted(lock.modules.keys() - wanted)]
    for uses in sorted(wanted & lock.modules.keys()):
        changes = interface_changes(lock.modules[uses].interface, _interface_here(uses, loaded, lock))
        reasons += [f"`{uses}`: {change}" for change in changes]
    if reasons:
        again = f"Run `envbuild lock {shown(loaded.folder)}`"
        raise StaleLockError(f"the lock of modules in `{folder}` does not match `{shown(loaded.file)}`", reasons, again)
    problems = Problems(loaded)
    for name, stage in stages.items():
        check_use(stage, lock.modules[str(stage.uses)].interface, problems.of(name))
    problems.settle()
    return lock


def _interface_here(uses: str, loaded: LoadedProject, lock: ModulesLock) -> Interface:
    source = Source.parse(uses)
    if source.kind != "path":
        return lock.modules[uses].interface
    return load_module(source, folder_in_project(loaded.folder, source)).interface


def _settle(loaded: LoadedProject, taken: Taken, before: ModulesLock, data: DataLock) -> None:
    """Raises: SpecError, with every problem of stages, and for those that have one what changed of their modules."""
    found: list[Problem] = []
    try:
        declare(loaded, taken)
    except SpecError as error:
        found += error.problems
    problems = Problems(loaded)
    promises = Promises(loaded, data, taken.steps, taken.modules)
    for name, step in taken.steps.items():
        promises.check(step, problems.of(name))
        _check_environment(loaded, name, taken.modules[name], problems)
    broken = {name for name in taken.steps if any(f"stages.{name}." in f"{one.key}." for one in found)}
    broken |= {name for name in taken.steps if any(key.startswith(f"stages.{name}.") for key, _, _ in problems.found)}
    for name in sorted(broken):
        pinned = before.modules.get(str(loaded.project.stages[name].uses))
        changes = interface_changes(pinned.interface, taken.modules[name].interface) if pinned else ()
        if changes:
            problems.of(name)("uses", f"the module is not as it was locked: {'; '.join(changes)}", None)
    try:
        problems.settle()
    except SpecError as error:
        found += error.problems
    if found:
        raise SpecError(shown(loaded.file), found)


def _check_environment(loaded: LoadedProject, name: str, module: LoadedModule, problems: Problems) -> None:
    """A module from elsewhere brings a lock with its environment; one in the project is locked like any other."""
    environment = module.environment()
    if environment is None or module.source.kind == "path" or loaded.project.stages[name].environment is not None:
        return
    try:
        read_current_lock(environment, LAYER_FORMAT)
    except EnvbuildError as error:
        hint = "give the stage an `environment` of yours"
        problems.of(name)("uses", ": ".join(("its environment cannot be used", error.what, *error.why)), hint)


def _notes(before: ModulesLock, pins: dict[str, PinnedModule]) -> Iterator[str]:
    for uses, pin in sorted(pins.items()):
        changes = interface_changes(before.modules[uses].interface, pin.interface) if uses in before.modules else ()
        if changes:
            yield f"the module `{uses}` changed, and its stages keep to it: {'; '.join(changes)}"
