"""What `run --sweep` does: the runs that it starts as processes of their own, each in the image that was built once."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.output import Output
from builder.cli.runs.opened import number_text
from builder.cli.sweep_text import show_sweep
from builder.errors import EnvbuildError, ExitCode

if TYPE_CHECKING:
    from builder.history.record import RunRecord
    from builder.pipeline.sweep.children import Ended, Job
    from builder.pipeline.sweep.document import Plan, Sweep
    from builder.pipeline.sweep.points import Point
    from builder.pipeline.sweep.recorded import Wanted
    from builder.pipeline.sweep.table import Done, Objective
    from builder.run.interface import LocalImage

_UNRECORDED = {
    "data": "--data",
    "environment": "--env",
    "env_file": "--env-file",
    "mount_code": "--mount-code",
}
"""Options of which a record does not tell enough: no earlier run can be taken for the same."""


def run_sweep(
    plan: Plan,
    before: Sweep | None,
    opened: tuple[LocalImage, Mapping[str, Any], Path | None],
    output: Output,
    options: Mapping[str, Any],
) -> int:
    """Do a sweep and print what came of it; the exit code."""
    from builder.pipeline.sweep.children import SweepInterruptedError
    from builder.pipeline.sweep.document import Sweep, new_id, write_sweep
    from builder.pipeline.sweep.sweeping import Sweeping

    image, document, folder = opened
    root, now = folder or Path(), datetime.now(UTC)
    plan = replace(plan, objective=_objective(plan, folder, options))
    wanted = _wanted(plan, image, document, options)
    name = before.id if before else new_id(plan.command, now, secrets.token_hex(3))
    start = before.start if before else now.isoformat(timespec="seconds").replace("+00:00", "Z")
    sweep = Sweep(name, plan, start, image=wanted.image)
    image.bring(image.manifest.layers)
    with image.store.scratch() as scratch:
        runner = _Runner(sweep.id, wanted, image.name, root, scratch, output, options)
        runner.look_up(None if before is None else before.id)
        sweeping = Sweeping(
            plan, runner, options["jobs"], options["stop_on_failure"],
            lambda done: write_sweep(root, sweep.at("running", done)),
        )  # fmt: skip
        try:
            sweeping.go()
        except SweepInterruptedError as error:
            write_sweep(root, sweep.at("interrupted", sweeping.done))
            output.say(f"interrupted; to go on: `envbuild run {_shown_target(root)} --resume {sweep.id}`")
            return 128 + error.number
    sweep = sweep.at("finished" if not sweeping.stopped else "interrupted", sweeping.done)
    write_sweep(root, sweep)
    show_sweep(sweep, output, as_json=options["as_json"])
    return ExitCode.OK if all(one.outcome == "ok" for one in sweep.points) else ExitCode.CHECK_FAILED


def _shown_target(root: Path) -> str:
    import shlex

    return shlex.quote(str(root))


def _objective(plan: Plan, folder: Path | None, options: Mapping[str, Any]) -> Objective | None:
    """What is best: as the options say, else as the sweep before, else as the spec says. Raises: EnvbuildError."""
    from builder.pipeline.sweep.table import Objective
    from builder.spec.load import load_project

    found = plan.objective
    if folder is not None:
        command = load_project(folder).project.commands.get(plan.command)
        declared = command.metric if command else None
        found = found or (Objective(declared.name, declared.goal) if declared else None)  # type: ignore[arg-type]
    if options["metric"] and (found is None or found.metric != options["metric"]):
        found = Objective(options["metric"])
    if options["goal"] is not None and found is not None:
        found = replace(found, goal="maximize" if options["goal"] else "minimize")
    if found is None and plan.driver:
        hint = "Add `--metric NAME --maximize`, or declare `metric` of the command"
        raise EnvbuildError(f"`--driver {plan.driver}` must be told what is best", hint=hint)
    return found


def _wanted(plan: Plan, image: LocalImage, document: Mapping[str, Any], options: Mapping[str, Any]) -> Wanted:
    """What all runs have in common; what no run could take is refused before the first. Raises: EnvbuildError."""
    from builder.history.leaves import leaves
    from builder.pipeline.sweep.axes import check_names, parse_axes
    from builder.pipeline.sweep.document import all_points
    from builder.pipeline.sweep.points import Point, in_force
    from builder.pipeline.sweep.recorded import Wanted
    from builder.run.prepare import declared_command
    from builder.spec.reader import nearest

    command = declared_command(plan.command, document)
    fixed = [text.partition("=") for text in options["parameters"]]
    defaults = dict(command.get("parameters") or {})
    names = [name for name, _ in leaves(defaults)]
    check_names(parse_axes(plan.axes, drawn=bool(plan.random or plan.driver)), names, nearest)
    if all(name in names for name, _, _ in fixed):  # else each run says so
        defaults = in_force(defaults, Point(tuple((name, value) for name, _, value in fixed)))
    for point in () if plan.driver else all_points(plan):
        in_force(defaults, point)
    seed = command.get("seed") if options["seed"] is None else options["seed"]
    data = {name: document["data"][name]["sha256"] for name in command.get("inputs", ())}
    return Wanted(plan.command, str(image.descriptor.digest), defaults, seed, plan.arguments, data)


@dataclass(slots=True)
class _Runner:
    """Runs points as `envbuild run` does, in processes of their own, all in the image that was built once."""

    sweep: str
    wanted: Wanted
    name: str
    """Of the image."""
    root: Path
    scratch: Path
    output: Output
    options: Mapping[str, Any]
    found: dict[bytes, RunRecord] = field(default_factory=dict)
    """Records of runs that need not be made again, by what made them."""

    def look_up(self, resumed: str | None) -> None:
        """Find the runs that there are. Those of which too little is recorded are taken from no sweep but this one."""
        from builder.cli.runs.opened import opened_runs
        from builder.history.folder import read_run
        from builder.history.layout import RUNS

        unknown = [option for name, option in _UNRECORDED.items() if self.options[name]]
        if unknown:
            self.output.say(f"no earlier run is taken for one of these: no record tells all of `{unknown[0]}`")
            return
        with opened_runs(self.root, self.output) as runs:
            found = runs.index.entries(self.wanted.where)
        kept = [read_run(self.root / RUNS / entry.id) for entry in found if not entry.edited]
        kept.sort(key=lambda one: one.record.parent != resumed)
        self.found = self.wanted.runs(one.record for one in kept)

    def known(self, point: Point) -> Done | None:
        """The recorded run of a point."""
        record = self.found.get(self.wanted.key(point))
        return None if record is None else _done(point, record, reused=True)

    def run(self, points: Sequence[tuple[int, Point]], done: Callable[[int, Done], bool]) -> None:
        """Run numbered points, and look up what their records tell."""
        from builder.pipeline.sweep.children import Children, Job

        by_number = dict(points)
        total = len(points)
        count = 0

        def ended(one: Ended) -> bool:
            nonlocal count
            count += 1
            point = by_number[one.job.number]
            result = self._result(one, point)
            self.output.say(f"[{count}/{total}] {point.label}: {self._words(one, result)}")
            return done(one.job.number, result)

        jobs: list[Job] = [
            Job(number, self._line(number, point), self.scratch / f"{number}.err") for number, point in points
        ]
        Children().run(jobs, self.options["jobs"], ended)

    def _words(self, ended: Ended, done: Done) -> str:
        if done.outcome == "ok":
            shown = [f"{name} {number_text(value)}" for name, value in list(done.metrics.items())[:4]]
            return ", ".join([f"run {done.run}", *shown])
        told = f" ({done.run})" if done.run else ""
        return f"it ended with {ended.code}{told}" + (f": {ended.failure}" if ended.failure else "")

    def _line(self, number: int, point: Point) -> list[str]:
        options = [*_passed_on(), "--image", f"{self.name}@{self.wanted.image}", "--parent", self.sweep]
        options += ["--id-file", str(self.scratch / f"{number}.id"), "--out", str(self._out(number))]
        options += [word for name, value in point.values for word in ("--param", f"{name}={value}")]
        if point.seed is not None:
            options += ["--seed", str(point.seed)]
        context = click.get_current_context()
        target = context.params["target"]
        words = ["--", target, self.wanted.command, *self.wanted.arguments]
        return [sys.executable, "-P", "-m", "builder", "run", *options, *words]

    def _out(self, number: int) -> Path:
        given: Path | None = self.options["out"]
        return given / f"{number + 1:04}" if given else self.scratch / f"{number}-out"

    def _result(self, ended: Ended, point: Point) -> Done:
        """What the record of a run tells; what it wrote is kept there, and no longer here."""
        import shutil

        from builder.history.folder import read_run
        from builder.history.layout import RUNS
        from builder.pipeline.sweep.table import Done

        if not self.options["out"]:
            shutil.rmtree(self._out(ended.job.number), ignore_errors=True)
        with suppress(OSError, EnvbuildError):
            name = (self.scratch / f"{ended.job.number}.id").read_text("utf-8").strip()
            return _done(point, read_run(self.root / RUNS / name).record, reused=False)
        return Done(point, "failed" if ended.code > 0 else "killed")


def _done(point: Point, record: RunRecord, *, reused: bool) -> Done:
    from builder.pipeline.sweep.table import Done

    outcome = "killed" if record.outcome == "running" else record.outcome
    return Done(point, outcome, record.id, dict(record.metrics), reused)


_OWN = frozenset(
    {
        "axes", "jobs", "random", "sweep_seed", "driver", "trials", "metric", "goal", "stop_on_failure", "resume",
        "as_json", "out", "parameters", "require_signature", "image", "parent", "id_file",
    }
)  # fmt: skip
"""Options that are the sweep's, and not its runs'."""


def _passed_on() -> Iterator[str]:
    """The options of this command line that go to every run."""
    context = click.get_current_context()
    for parameter in context.command.params:
        given = context.get_parameter_source(parameter.name or "") is click.core.ParameterSource.COMMANDLINE
        if not isinstance(parameter, click.Option) or not given or parameter.name in _OWN or not parameter.expose_value:
            continue
        value = context.params[parameter.name or ""]
        for one in value if parameter.multiple else (value,):
            yield parameter.opts[-1]
            if not parameter.is_flag:
                yield str(one)
    for text in context.params["parameters"]:
        yield from ("--param", text)


def image_of(text: str, store: Any) -> tuple[str, Any]:
    """The name and the image of `NAME:TAG@sha256:…` in the store. Raises: EnvbuildError."""
    from builder.image.kept import read_image
    from builder.oci.digest import Digest
    from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor

    name, _, digest = text.rpartition("@")
    parsed = Digest.parse(digest)
    try:
        size = os.stat(store.path(parsed)).st_size
    except FileNotFoundError as error:
        raise EnvbuildError(f"the image `{text}` is not in the store", hint="Run the sweep again") from error
    return name, read_image(store, Descriptor(MEDIA_TYPE_MANIFEST, parsed, size))
