"""What `run --sweep` adds to `run`: its options, the children that it starts, and what it prints of them."""

from __future__ import annotations

import os
import re
import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder.cli.options import json_option
from builder.cli.output import Output, print_json, printable
from builder.errors import EnvbuildError, ExitCode
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.history.record import RunRecord
    from builder.pipeline.sweep.children import Ended, Job
    from builder.pipeline.sweep.document import Plan, Sweep
    from builder.pipeline.sweep.points import Point
    from builder.pipeline.sweep.recorded import Wanted
    from builder.pipeline.sweep.table import Done, Group, Objective
    from builder.run.interface import LocalImage

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PAIR = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*=")
_UNRECORDED = {
    "data": "--data",
    "environment": "--env",
    "env_file": "--env-file",
    "mount_code": "--mount-code",
}
"""Options of which a record does not tell enough: no earlier run can be taken for the same."""


class SweepingCommand(click.Command):
    """Takes several words behind `--sweep`: `--sweep lr=0.1,0.01 seed=1..5`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """What is left of a command line."""
        return super().parse_args(ctx, spread_out(args))


def spread_out(words: Sequence[str]) -> list[str]:
    """A command line with `--sweep` before each of the words that belong to it."""
    result: list[str] = []
    inside = False
    for number, word in enumerate(words):
        if word == "--":
            return [*result, *words[number:]]
        if word == "--sweep":
            inside = True
            continue
        if inside and not _PAIR.match(word):
            if result[-2:-1] != ["--sweep"]:
                result.append("--sweep")  # it has no word: click says so
            inside = False
        result += ["--sweep", word] if inside else [word]
    return [*result, "--sweep"] if inside and result[-2:-1] != ["--sweep"] else result


def sweep_options(command: _Command) -> _Command:
    """The options of a sweep."""
    options = (
        click.option(
            "--sweep",
            "axes",
            multiple=True,
            metavar="NAME=VALUES…",
            help="Run it for every combination: `lr=0.1,0.01 seed=1..5`.",
        ),
        click.option("--jobs", type=click.IntRange(1, 256), default=1, help="How many runs of a sweep at once."),
        click.option("--random", type=click.IntRange(1), metavar="N", help="Draw N points of a sweep."),
        click.option("--sweep-seed", type=click.IntRange(0), default=0, help="The seed that points are drawn with."),
        click.option("--driver", type=click.Choice(["optuna"]), help="What proposes the points of a sweep."),
        click.option("--trials", type=click.IntRange(1), metavar="N", help="How many points the driver proposes."),
        click.option("--metric", metavar="NAME", help="What a sweep is to find the best of [default: the spec's]."),
        click.option("--maximize/--minimize", "goal", default=None, help="What is best of the metric."),
        click.option("--stop-on-failure", is_flag=True, help="Start no run of a sweep after one that failed."),
        click.option("--resume", metavar="ID", help="Go on with a sweep that was interrupted."),
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


def wanted_sweep(
    target: str, name: str | None, arguments: tuple[str, ...], options: Mapping[str, Any]
) -> tuple[Plan, Sweep | None] | None:
    """What is to be swept over, and the sweep that is gone on with; None where a single run is asked for.

    Raises: click.UsageError, EnvbuildError.
    """
    from builder.pipeline.sweep.axes import parse_axes

    if not options["axes"] and not options["resume"]:
        given = [option for option in ("random", "driver", "trials", "metric", "as_json") if options[option]]
        if given:
            raise click.UsageError(f"`--{given[0].replace('as_', '')}` is of a sweep: add `--sweep NAME=VALUES`.")
        return None
    if project_folder(target) is None:
        raise EnvbuildError(f"`{target}` is no project", "a sweep is of a project, which keeps its runs")
    if options["resume"]:
        return _resumed(target, name, options)
    if name is None:
        raise click.UsageError("A sweep is of a COMMAND.")
    plan = _plan(name, arguments, options)
    parse_axes(plan.axes, drawn=bool(plan.random or plan.driver))
    return plan, None


def _plan(name: str, arguments: tuple[str, ...], options: Mapping[str, Any]) -> Plan:
    from builder.pipeline.sweep.document import Plan

    if options["driver"] and options["random"]:
        raise click.UsageError("`--random` and `--driver` exclude each other.")
    if bool(options["driver"]) != bool(options["trials"]):
        raise click.UsageError("`--driver` and `--trials N` go together.")
    if options["seed"] is not None and any(axis.startswith("seed=") for axis in options["axes"]):
        raise click.UsageError("`--seed` and `--sweep seed=…` exclude each other.")
    return Plan(
        name, tuple(options["axes"]), arguments, options["random"], options["driver"], options["trials"],
        options["sweep_seed"],
    )  # fmt: skip


def _resumed(target: str, name: str | None, options: Mapping[str, Any]) -> tuple[Plan, Sweep]:
    from builder.pipeline.sweep.document import read_sweep

    if options["axes"] or options["random"] or options["driver"]:
        raise click.UsageError("`--resume` goes on with what was asked for; leave out `--sweep`.")
    sweep = read_sweep(project_folder(target) or Path(), options["resume"])
    if name not in (None, sweep.plan.command):
        raise EnvbuildError(f"`{sweep.id}` is a sweep of `{sweep.plan.command}`, not of `{name}`")
    return sweep.plan, sweep


def project_folder(target: str) -> Path | None:
    """The folder of a target that is a project; None of a bundle."""
    path = Path(target)
    if path.name == PROJECT_FILE:
        return path.parent
    return path if (path / PROJECT_FILE).is_file() else None


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
    _answer(sweep, output, as_json=options["as_json"])
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
        from builder.history.folder import read_runs

        unknown = [option for name, option in _UNRECORDED.items() if self.options[name]]
        if unknown:
            self.output.say(f"no earlier run is taken for one of these: no record tells all of `{unknown[0]}`")
            return
        kept = [one for one in read_runs(self.root).runs if one.changed is None]
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
            shown = [f"{name} {_number(value)}" for name, value in list(done.metrics.items())[:4]]
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


def _answer(sweep: Sweep, output: Output, *, as_json: bool) -> None:
    from builder.pipeline.sweep.table import best, best_run, groups, odd_ones

    found, objective = groups(sweep.points), sweep.plan.objective
    chosen = best(found, objective) if objective else None
    run = best_run(chosen, objective) if chosen and objective else None
    if as_json:
        told = {"params": dict(chosen.values), "run": run} if chosen else None
        print_json({**sweep.to_dict(), "groups": [group.to_dict() for group in found], "best": told})
    else:
        for line in _lines(found, chosen, objective):
            click.echo(printable(line))
    _say_rest(sweep, output, odd_ones(found, objective) if objective else [])
    if objective and chosen:
        output.say(f"best {objective.metric} ({objective.goal}): {_label(chosen)}, its best run is {run}")
    elif objective:
        output.say(f"nothing is best: no parameters have `{objective.metric}` as a finite number of all their runs")


def _say_rest(sweep: Sweep, output: Output, odd: Sequence[str]) -> None:
    for line in odd[:20]:
        output.say(f"note: {line}")
    counts = {outcome: sum(one.outcome == outcome for one in sweep.points) for outcome in ("ok", "failed", "killed")}
    reused = sum(one.reused for one in sweep.points)
    words = [f"{count} {outcome}" for outcome, count in counts.items() if count]
    missing = len(sweep.points) - sum(counts.values())
    words += [f"{reused} of them from before"] if reused else []
    words += [f"{missing} not run"] if missing else []
    output.say(f"sweep {sweep.id}: {', '.join(words) or 'no points'}")


def _label(group: Group) -> str:
    return " ".join(f"{name}={value}" for name, value in group.values) or "the command's own parameters"


def _lines(found: Sequence[Group], chosen: Group | None, objective: Objective | None) -> Iterator[str]:
    """A table: parameters, how many runs, and each metric's mean and spread; the objective first."""
    names = sorted(
        {name for group in found for name in group.metrics}, key=lambda name: not objective or name != objective.metric
    )
    parameters = list(dict.fromkeys(name for group in found for name, _ in group.values))
    rows = [["", *parameters, "runs", *names]]
    for group in found:
        values = dict(group.values)
        cells = [_spread(group, name) for name in names]
        rows.append(["*" if group is chosen else "", *(values.get(one, "") for one in parameters),
                     str(len(group.points)), *cells])  # fmt: skip
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _spread(group: Group, name: str) -> str:
    spread = group.metrics[name]
    if spread.mean is None:
        return "-" if not spread.odd else "not a number"
    deviation = f" ± {_number(spread.deviation)}" if spread.deviation is not None else ""
    missing = f" (n={spread.n})" if spread.n != len(group.points) else ""
    return f"{_number(spread.mean)}{deviation}{missing}"


def _number(value: float | str | None) -> str:
    return f"{value:.5g}" if isinstance(value, (int, float)) else str(value)[:40]


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
