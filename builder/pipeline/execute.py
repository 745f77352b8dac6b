"""One stage run from its inputs to its kept outputs: what a child of the scheduler does."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from builder.errors import EnvbuildError, shortened
from builder.history.content import Content
from builder.history.kept import keep_all, restore
from builder.history.metrics import Value, read_metrics
from builder.history.record import LARGEST
from builder.lock.data.hashing import shown, walk
from builder.oci.sourced import identity_of
from builder.oci.store import Store
from builder.pipeline import contracts
from builder.pipeline.contracts import Held
from builder.pipeline.stage import Port, ResolvedStage
from builder.pipeline.world import World, make_world, request_of
from builder.run.gpu import Gpus
from builder.run.interface import Engine, LocalImage


@dataclass(frozen=True, slots=True)
class Task:
    """A stage that is run, and with what."""

    stage: ResolvedStage
    inputs: Mapping[str, Content]
    """By target."""
    source: Callable[[Port], Path]
    """Where an input is on this machine, fetched if need be. Raises: EnvbuildError."""
    store: Store
    scratch: Path
    """A folder of its own below the store."""
    now: datetime
    no_check: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stage is run."""

    engine: Callable[[], Engine]
    """Makes the engine, in the child: none is shared with another process."""
    image: LocalImage
    own_group: bool
    """Whether the engine gives each container a control group of its own."""
    gpus: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of running a stage."""

    exit_code: int
    signal: str | None = None
    duration: float | None = None
    """Seconds of its program."""
    peak_memory: int | None = None
    outputs: Mapping[str, Content] = field(default_factory=dict)
    """Those that are kept, by path in the project."""
    metrics: Mapping[str, Value] = field(default_factory=dict)
    steps: bytes = b""
    """Metrics by step, one JSON object a line."""
    notes: tuple[str, ...] = ()
    failure: EnvbuildError | None = None
    """Why it failed though its program did not."""


def run_stage(task: Task, place: Place) -> Outcome:
    """Check what it reads, run it, check what it wrote and keep that.

    Raises: EnvbuildError, if it could not be begun; CheckFailedError, NotMeasuredError, of its inputs.
    """
    sources = {port.target: task.source(port) for port in task.stage.inputs}
    _check_inputs(task, sources)
    before = {target: _identities(path) for target, path in sources.items()}
    world = make_world(task.stage, task.scratch, sources, own_group=place.own_group)
    gpus = Gpus(devices=place.gpus) if place.gpus else None
    code = place.engine().run(place.image, request_of(world, place.image, gpus, place.labels))
    told = world.result()
    metrics = read_metrics(dict(_metric_files(world)))
    notes = [*metrics.notes, *_measured(told)]
    outcome = Outcome(
        code,
        _text(told.get("signal")),
        _number(told.get("duration")),
        int(number) if (number := _number(told.get("peak_memory"))) is not None else None,
        metrics=metrics.final,
        steps=metrics.steps(),
        notes=tuple(notes),
    )
    if code != 0:
        return outcome
    return _with_outputs(outcome, task, world, before)


def check_kept(task: Task, outputs: Mapping[str, Content], here: Mapping[str, Path]) -> None:
    """Hold the inputs, and outputs that are kept, to their contracts; `here` are those that are in the project.

    Both are by path. Raises: as `run_stage`.
    """
    _check_inputs(task, {port.target: task.source(port) for port in task.stage.inputs if port.contract})
    held = []
    for port in task.stage.outputs:
        if port.contract is not None:
            path = here.get(port.path, task.scratch / "held" / port.path)
            if port.path not in here:
                restore(task.store, outputs[port.path], path)
            held.append(Held(port, path, outputs[port.path]))
    contracts.check(task.stage.name, "outputs", held, task.store, task.now)


def _check_inputs(task: Task, sources: Mapping[str, Path]) -> None:
    if not task.no_check:
        held = [
            Held(port, sources[port.target], task.inputs[port.target]) for port in task.stage.inputs if port.contract
        ]
        contracts.check(task.stage.name, "inputs", held, task.store, task.now)


def _with_outputs(outcome: Outcome, task: Task, world: World, before: Mapping[str, object]) -> Outcome:
    try:
        changed = [target for target, path in world.sources.items() if _identities(path) != before[target]]
        if changed:
            raise EnvbuildError(
                f"inputs of `{task.stage.name}` changed while it ran",
                [f"`{target}`" for target in changed],
                "What it wrote is not kept; run it again when nothing writes to them",
            )
        _check_written(task.stage, world)
        evidence = {}
        if not task.no_check:
            held = [Held(port, world.place(port)) for port in task.stage.outputs if port.contract]
            evidence = contracts.check(task.stage.name, "outputs", held, task.store, task.now)
        contents = keep_all(task.store, world.code, [port.target.removeprefix("/app/") for port in task.stage.outputs])
    except EnvbuildError as error:
        return replace(outcome, failure=error)
    except OSError as error:  # a full disk, above all
        return replace(outcome, failure=EnvbuildError(f"{error.strerror or error}", error.filename or ""))
    outputs = {port.path: contents[port.target.removeprefix("/app/")] for port in task.stage.outputs}
    for port in task.stage.outputs:
        if port.target in evidence:
            contracts.note(task.store, port, outputs[port.path], evidence[port.target])
    return replace(outcome, outputs=outputs)


def _check_written(stage: ResolvedStage, world: World) -> None:
    """Raises: EnvbuildError, with every output that is missing or is none."""
    problems = [problem for port in stage.outputs if (problem := _problem(port, world))]
    if problems:
        raise EnvbuildError(
            f"the stage `{stage.name}` did not write what it declares",
            shortened(problems),
            "It writes to the same paths below `/app`, which is its working folder",
        )


def _problem(port: Port, world: World) -> str | None:
    return find_problem(world.place(port), port.path) if world.is_reached(port) else f"`{port.path}` is behind a link"


def find_problem(place: Path, path: str) -> str | None:
    """Why what is at a place is no output; `path` is what the stage calls it."""
    try:
        status = place.lstat()
    except FileNotFoundError:
        return f"`{path}` is not there"
    if stat.S_ISLNK(status.st_mode):
        return f"`{path}` is a link, and a file or a folder is expected"
    if stat.S_ISDIR(status.st_mode):
        try:
            files = walk(place)
        except EnvbuildError as error:
            return "; ".join((error.what, *error.why)).replace(shown(place), path)
        return None if files else f"`{path}` is a folder without a file"
    return None if stat.S_ISREG(status.st_mode) else f"`{path}` is no regular file"


def _metric_files(world: World) -> Iterator[tuple[str, Path]]:
    """What the logger wrote first; the files that are declared have the last word."""
    if world.steps.is_file() and not world.steps.is_symlink():
        yield world.steps.name, world.steps
    for port in world.stage.outputs:
        place = world.place(port)
        is_metrics = port.name in world.stage.metrics and world.is_reached(port)
        if is_metrics and place.is_file() and not place.is_symlink():
            yield port.path, place


def _measured(told: Mapping[str, object]) -> Iterator[str]:
    if told.get("peak_memory_of") == "largest process":
        yield LARGEST


def _identities(path: Path) -> object:
    return [(file.path, file.identity) for file in walk(path)] if path.is_dir() else identity_of(os.stat(path))


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else None


def _text(value: object) -> str | None:
    return value[:20] if isinstance(value, str) else None
