"""Which run the model is of that is packed or pushed, and whether it may be: what `bundle` and `push` share."""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.output import Output
from builder.errors import EnvbuildError, command_text
from builder.spec.load import LOCK_FOLDER

if TYPE_CHECKING:
    from builder.bundle.inside.origin import Origin
    from builder.bundle.inside.since import Now
    from builder.cli.target import Target
    from builder.history.content import Content
    from builder.image.workshop import Workshop
    from builder.lock.document import Lock
    from builder.oci.store import Store
    from builder.spec import LoadedProject

run_option = click.option(
    "--run",
    metavar="ID",
    help="Pack the model that this run made [default: the one at its path, of the newest good run that made it].",
)
allow_stale_option = click.option(
    "--allow-stale",
    is_flag=True,
    help="Pack a model although code, data or lock have changed since; that is recorded.",
)


def of_run(
    target: Target, run: str | None, workshop: Workshop, output: Output, *, allow_stale: bool, scratch: Path
) -> Target:
    """The target with the run that its model is of; files of that are laid out in `scratch` where they must be.

    Raises: EnvbuildError, if there is no such run, or what it was made of has changed since.
    """
    from builder.bundle.inside.origin import latest_origin, named_origin
    from builder.bundle.parts.model import packed_model
    from builder.cli.runs.opened import opened_runs

    loaded = target.project
    path = loaded.project.model.path if loaded and loaded.project.model else None
    if run is not None and loaded is None:
        raise EnvbuildError("`--run` is of a project", hint="Name the folder of one")
    if loaded is None or (path is None and run is None):
        return target
    if run is not None:
        with opened_runs(loaded.folder, output) as runs:
            origin: Origin | None = named_origin(loaded, runs.find(run), workshop.store, scratch)
    else:
        origin = latest_origin(loaded, packed_model(loaded, None, workshop.fetcher))
    changes = _changes(loaded, target.lock, origin, workshop.store, output)
    if changes and not allow_stale:
        raise _refused(loaded, origin, changes)
    for change in changes:
        output.say(f"note: the model is older than this: {change}")
    if origin is not None:
        output.detail(f"the model is of {origin.title}")
        origin = replace(origin, changed=tuple(changes))
    return replace(target, origin=origin)


def _from_here(folder: Path) -> tuple[object, ...]:
    return () if folder == Path() else ("-C", folder)


def _refused(loaded: LoadedProject, origin: Origin | None, changes: list[str]) -> EnvbuildError:
    of = f", of {origin.title}," if origin else ""
    name = origin.told["command"] if origin and not origin.is_stage else None
    again = command_text("run", loaded.folder, name) if name else command_text("repro", *_from_here(loaded.folder))
    hint = f"Make it again ({again}), name another run (`--run ID`), or pack it as it is (`--allow-stale`)"
    return EnvbuildError(f"the model{of} is not what the project would make now", changes, hint)


def _changes(loaded: LoadedProject, lock: Lock, origin: Origin | None, store: Store, output: Output) -> list[str]:
    """What of that which the model is made of is another now."""
    if origin is not None and not origin.is_stage:
        return origin.changes(project_now(loaded, lock))
    stage = origin.told["command"] if origin else _stage_of(loaded)
    return _stage_changes(loaded, stage, origin.stage_key if origin else None, store, output) if stage else []


def project_now(loaded: LoadedProject, lock: Lock) -> Now:
    """A project as it is, to be compared with what a run had."""
    from builder.bundle.inside.since import Now
    from builder.bundle.parts.code import code_files, content_digest, file_digest
    from builder.layers.files import FileEntry
    from builder.lock.data.locking import entries

    project, folder = loaded.project, loaded.folder

    def code() -> str:
        always = frozenset(command.params for command in project.commands.values() if command.params)
        return str(content_digest(code_files(folder, project.code, always)))

    def file(path: str) -> str | None:
        found = folder / path
        return file_digest(FileEntry.on_disk(path, found)).hex if found.is_file() else None

    data = {name: entry.digest.hex for name, entry in entries(loaded).data.items()}
    return Now(str(lock.digest), code, file, data)


def _stage_of(loaded: LoadedProject) -> str | None:
    """The stage that writes the model's path."""
    path = loaded.project.model.path if loaded.project.model else None
    wanted = posixpath.normpath(path or "")
    for name, stage in loaded.project.stages.items():
        if any(f"{wanted}/".startswith(f"{posixpath.normpath(one)}/") for one in stage.written):
            return name
    return None


def _stage_changes(loaded: LoadedProject, name: str, key: str | None, store: Store, output: Output) -> list[str]:
    """Why a stage would not make the same now: it, or one that it waits for, has changed."""
    from builder.cli.pipeline import open_pipeline
    from builder.history.kept.results import result_of
    from builder.pipeline.review import Review
    from builder.pipeline.stages_lock import read_stages_lock

    if name not in loaded.project.stages:
        return [f"the stage `{name}` is declared no longer"]

    def kept(store: Store, key: str) -> Mapping[str, Content] | None:
        result = result_of(store, key)
        return result.outputs if result else None

    pipeline = open_pipeline(loaded, (name,), store, output)
    lock = read_stages_lock(loaded.folder / LOCK_FOLDER)
    verdicts = {one.stage: one for one in Review(pipeline, lock, functools.partial(kept, store)).all()}
    entry = lock.stages.get(name)
    made = key.removeprefix("sha256:") if key else entry.key if entry else None
    if made is not None and verdicts[name].key == made:
        return []
    told = [f"stage `{one.stage}`: {reason}" for one in verdicts.values() for reason in one.reasons]
    return told or [f"the stage `{name}` was made again since, of something else"]
