"""The run that `envbuild run` leaves in `runs`: where it goes, what is known before it, what is said of it after."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError, one_line

if TYPE_CHECKING:
    from builder.cli.output import Output
    from builder.run.interface import Engine, LocalImage, RunRequest
    from builder.run.prepare import Wish
    from builder.run.recorded import Known
    from builder.spec import LoadedProject


@dataclass(frozen=True, slots=True)
class Recording:
    """What a record is made of, besides what is run."""

    document: Mapping[str, Any]
    """The `bundle.json` of the image."""
    folder: Path | None
    """Of the project; None, if a bundle is run."""
    why: str = ""
    parent: str | None = None
    id_file: Path | None = None
    """Where the name of the run is written for whoever started this command."""


@dataclass(frozen=True, slots=True)
class Running:
    """A command that is ready to be run."""

    engine: Engine
    request: RunRequest


def run_recorded(wish: Wish, image: LocalImage, what: Recording, running: Running, output: Output) -> int:
    """Run a command, and leave a run in the project's `runs`, or beside the folder of outputs; its exit code.

    Where the run cannot be recorded that is told, and the command is run, and its exit code counts, all the same.

    Raises: CheckFailedError, if what it is given seems to be a secret.
    """
    from builder.history.confidential import check_no_secret
    from builder.history.folder import OpenRun
    from builder.history.layout import RUNS
    from builder.run.recorded import Recorder, first_record

    out = wish.output or Path()
    root = what.folder or out.parent
    known, files = _known(wish, image, what, running.engine)
    record = first_record(wish, known, datetime.now(UTC))
    check_no_secret(record)
    try:
        run = OpenRun.begin(root, record, files)
    except EnvbuildError as error:
        output.say(f"warning: {_sentence(error)}")
        return running.engine.run(image, running.request)
    if what.id_file:
        what.id_file.write_text(f"{record.id}\n", "utf-8")
    ended = Recorder(out, image.store).run(run, lambda: running.engine.run(image, running.request))
    for note in ended.record.notes:
        output.say(f"note: {one_line(note, '�')}")
    if ended.failure:
        output.say(f"warning: {_sentence(ended.failure)}; the exit code of `{record.command}` is {ended.code}")
    else:
        output.say(f"recorded in {root / RUNS / record.id}")
    return ended.code


def _known(wish: Wish, image: LocalImage, what: Recording, engine: Engine) -> tuple[Known, Mapping[str, bytes]]:
    """What is known before a run, and the files that tell it."""
    from builder.history.folder import PATCH_FILE
    from builder.history.host import host_facts
    from builder.history.repository import read_repository, who
    from builder.run.recorded import Known
    from builder.spec.load import PROJECT_FILE, load_project

    loaded = load_project(what.folder / PROJECT_FILE) if what.folder else None
    state = read_repository(what.folder, _written(loaded)) if what.folder and loaded else None
    known = Known(
        document=what.document,
        image=str(image.descriptor.digest),
        platform=str(image.config.platform),
        environment=loaded.environment.name if loaded else "",
        repository=state,
        who=who(os.environ, what.folder),
        host=host_facts(f"{engine.name} {engine.version()}".strip()),
        why=what.why,
        parent=what.parent,
        code=_code(loaded, wish.command, image) if loaded and wish.command and not wish.code else None,
    )
    return known, ({PATCH_FILE: state.patch} if state and state.patch is not None else {})


def _code(loaded: LoadedProject, name: str, image: LocalImage) -> Mapping[str, str] | None:
    """The files of code that a command depends on; what cannot be told is not."""
    import time

    from builder.lock.data.hashing import Hasher
    from builder.pipeline.command_code import command_code

    if name not in loaded.project.commands:
        return None
    try:
        return command_code(loaded, name, Hasher(image.store, time.time_ns))
    except EnvbuildError:  # it changes meanwhile
        return None


def _written(loaded: LoadedProject) -> Iterator[str]:
    """What is no part of a project's code: what its stages write, and its model."""
    project = loaded.project
    yield from (output for stage in project.stages.values() for output in stage.written)
    if project.model and project.model.path:
        yield project.model.path


def _sentence(error: EnvbuildError) -> str:
    return one_line(": ".join((error.what, *error.why)), "�")
