"""The half of `envbuild runs reproduce` that is about stages: one is run alone, with what the recorded run read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.machine import open_store
from builder.cli.output import Output
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.cli.stage_bench import Limits
    from builder.cli.target import Target
    from builder.history.content import Content
    from builder.history.record import RunRecord
    from builder.pipeline.bench import Bench
    from builder.pipeline.resolve import Pipeline
    from builder.pipeline.stage import Port, ResolvedStage
    from builder.run.reproduce.check import Check
    from builder.spec import LoadedProject


@dataclass(frozen=True, slots=True)
class StageAgain:
    """A run of a stage that is made again."""

    record: RunRecord
    target: Target
    """The project as it was."""
    root: Path
    """The project as it is."""
    limits: Limits
    data: Mapping[str, Path]
    """Files to use for inputs of these names."""
    keep: Path | None


def stage_checks(again: StageAgain, scratch: Path, output: Output) -> Iterator[Check]:
    """Run a stage once more, in the empty folder `scratch`, and compare the two runs; those before it are not run.

    Raises: EnvbuildError, if something cannot be had; DigestMismatchError, if what is given is something else.
    """
    from builder.bundle.inside.origin import told_of
    from builder.run.reproduce.check import Check
    from builder.run.reproduce.compare import compare_runs

    before, loaded = again.record, again.target.project
    if loaded is None or before.command not in loaded.project.stages:
        raise EnvbuildError(f"its commit has no stage `{before.command}`")
    after = _ran(again, loaded, scratch, output)
    same = before.stage_key == after.stage_key
    why = "" if same else "it depends on something that is another"
    yield Check("key", "same" if same else "different", why, before.stage_key, after.stage_key)
    stage = loaded.project.stages[before.command]
    promised = {"outputs": list(before.outputs), "tolerances": stage.tolerances, "deterministic": stage.deterministic}
    for check in compare_runs(told_of(before), told_of(after), promised):
        one, other = (run.outputs.get(check.name.removeprefix("output ")) for run in (before, after))
        if check.name.startswith("output ") and one and other:  # by the digest that everything else shows of it
            check = replace(check, recorded=f"sha256:{one.sha256}", found=f"sha256:{other.sha256}")
        yield check


def _ran(again: StageAgain, loaded: LoadedProject, scratch: Path, output: Output) -> RunRecord:
    """The record of the stage's run, which is left nowhere."""
    from builder.cli.pipeline import open_pipeline
    from builder.cli.stage_bench import StageScreen, make_bench
    from builder.history.kept import restore
    from builder.history.record import Log
    from builder.pipeline.again import run_apart
    from builder.pipeline.execute import Place, Task
    from builder.pipeline.key import stage_key
    from builder.pipeline.recording import Begun, Circumstances, begin_record, finished_record

    store, before = open_store(), again.record
    pipeline = open_pipeline(loaded, (before.command,), store, output, alone=True)
    (stage,) = pipeline.stages
    screen = StageScreen(output, several=False)
    bench = make_bench(loaded, again.limits, output, screen)
    sources = _sources(again, stage, pipeline, bench, scratch)
    contents = {port.target: _content(port, again, pipeline) for port in stage.inputs}
    environment = bench.image(stage)
    place = Place(bench.engine, environment.image, bench.own_group(), _gpus(stage, bench), bench.labels)
    begun = Begun(
        stage, stage_key(stage, contents), contents, environment.lock, str(environment.image.descriptor.digest)
    )
    record = begin_record(begun, Circumstances(before.project, before.version, {}), bench.now(), "0" * 6)
    world = scratch / "world"
    world.mkdir(mode=0o755)
    task = Task(
        stage, contents, lambda port: sources[port.target], store, world, bench.now(), before.checks == "skipped"
    )
    output.say(f"running `{stage.name}` again")
    outcome = run_apart(task, place, screen)
    if outcome.failure:
        output.say(f"note: `{stage.name}`: {'; '.join((outcome.failure.what, *outcome.failure.why))}")
    for path, content in outcome.outputs.items() if again.keep else ():
        restore(store, content, (again.keep or Path()) / path)
    return finished_record(record, outcome, bench.now(), 0.0, Log("", 0))


def _sources(
    again: StageAgain, stage: ResolvedStage, pipeline: Pipeline, bench: Bench, scratch: Path
) -> dict[str, Path]:
    """Where each input is, by target. Raises: EnvbuildError, with all that cannot be had; DigestMismatchError."""
    from builder.lock.data.hashing import Hasher
    from builder.pipeline.again import Whereabouts, find_inputs

    hasher = Hasher(bench.store, time.time_ns)
    folders = (pipeline.loaded.folder, again.root)
    found = find_inputs(stage, again.record, Whereabouts(hasher, scratch / "inputs", again.data, folders))
    return {port.target: found.get(port.target) or bench.source(port) for port in stage.inputs}


def _content(port: Port, again: StageAgain, pipeline: Pipeline) -> Content:
    """What an input holds: what was recorded, and of data that are had again what they are locked as."""
    if port.source == "data" and port.path not in again.data:
        content = pipeline.contents.in_full(port)
        if content is not None:
            return content
    return again.record.data[port.path]


def _gpus(stage: ResolvedStage, bench: Bench) -> tuple[str, ...]:
    """Raises: EnvbuildError, if there are fewer than it needs."""
    wanted, there = stage.resources.gpu, bench.capacity.gpus
    if wanted > len(there):
        raise EnvbuildError(f"the stage `{stage.name}` needs {wanted} GPUs", f"{len(there)} can be given to it")
    return there[:wanted]
