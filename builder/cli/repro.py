"""`envbuild repro`: the stages of a pipeline that something changed for are run, the others left or restored."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.machine import open_store, utc_text
from builder.cli.options import Size, json_option, no_check_option, offline_option, project_option
from builder.cli.output import Output, count, print_json, printable
from builder.cli.pipeline import load_stages, open_pipeline
from builder.cli.running import engine_option, parse_gpus
from builder.errors import ExitCode
from builder.spec.load import LOCK_FOLDER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from builder.history.content import Content
    from builder.pipeline.report import Report
    from builder.pipeline.resolve import Pipeline
    from builder.pipeline.status import Verdict
    from builder.spec import LoadedProject


@click.command("repro", short_help="Run the stages of a pipeline that something changed for.")
@click.argument("stages", nargs=-1)
@project_option
@click.option("--dry-run", is_flag=True, help="Say what would be run or restored and why, and do nothing.")
@click.option("--force", is_flag=True, help="Run STAGES, or all, whether anything changed for them or not.")
@click.option("--keep-going", is_flag=True, help="After a failure, run what does not depend on it.")
@click.option("--jobs", type=click.IntRange(1, 1000), help="Stages at a time at most [default: what finds room].")
@click.option("--cpu", type=click.FloatRange(0, min_open=True), help="Processors for stages [default: this machine's].")
@click.option("--memory", type=Size(), help="Memory for stages: 512m, 2g [default: this machine's].")
@click.option("--gpus", metavar="all|N|device=…", help="GPUs for stages [default: this machine's].")
@engine_option
@no_check_option
@click.option("--why", default="", metavar="TEXT", help="Why it is run, for the records of the runs.")
@click.option(
    "--cache", metavar="PLACE", envvar="ENVBUILD_SHARED_CACHE",
    help="Share results in a folder, or in `oci://HOST/NAME` of a registry [default: ENVBUILD_SHARED_CACHE].",
)  # fmt: skip
@click.option("--no-wait", is_flag=True, help="Fail if another `repro` works on the project, instead of waiting.")
@offline_option
@json_option
@click.pass_obj
def command(output: Output, /, stages: tuple[str, ...], project: Path, as_json: bool, **options: Any) -> int:
    """Make STAGES and those before them current, or all stages of the project.

    What nothing changed for is left; what was made before of the same inputs, code, parameters, seed and image is
    restored; the rest is run, each stage in the image of its environment. Each stage that was run leaves a record in
    `runs`.

    Exit code 1 says that a stage failed, 3 that data break their contract, 6 that this could not be measured.
    """
    from builder.pipeline.exclusive import exclusive

    loaded = load_stages(project)
    if options["dry_run"]:
        if options["cache"]:
            output.say("note: the shared cache is not asked: stages whose results it has are restored, not run")
        return _plan(loaded, stages, options["force"], as_json, output)
    with exclusive(loaded.folder, output.say, utc_text(), waits=not options["no_wait"]):
        report = _run(loaded, stages, options, output)
    if as_json:
        print_json({"stages": [stage.to_dict() for stage in report.stages], "interrupted": bool(report.signal)})
    _sum_up(report, output)
    return report.exit_code


def _run(loaded: LoadedProject, names: tuple[str, ...], options: dict[str, Any], output: Output) -> Report:
    from builder.pipeline.report import Report, StageResult

    pipeline = open_pipeline(loaded, names, open_store(), output)
    forced = frozenset(_forced(pipeline, names) if options["force"] else ())
    verdicts = _judged(pipeline, forced)
    share = options["cache"] is not None and _is_typed("cache")
    if not share and all(one.state == "current" for one in verdicts):
        return Report(tuple(StageResult(one.stage, "current", key=one.key) for one in verdicts))
    from builder.cli.stage_bench import Limits, StageScreen, capacity_of, make_bench
    from builder.pipeline.bench import Wishes
    from builder.pipeline.repro import Repro
    from builder.pipeline.schedule import check_capacity
    from builder.pipeline.stages_lock import read_stages_lock

    limits = Limits(gpus=parse_gpus(options["gpus"]), **{name: options[name] for name in _LIMITS})
    stale = {one.stage for one in verdicts if one.state == "stale"}
    wanted = [(stage.name, stage.resources) for stage in pipeline.stages if stage.name in stale]
    check_capacity(capacity_of(limits), wanted)
    screen = StageScreen(output, several=len(stale) > 1 and options["jobs"] != 1)
    bench = make_bench(loaded, limits, output, screen)
    wishes = Wishes(forced, options["keep_going"], options["jobs"], options["no_check"], share)
    return Repro(pipeline, read_stages_lock(loaded.folder / LOCK_FOLDER), bench, wishes).run()


_LIMITS = ("engine", "cpu", "memory", "why", "cache", "no_check", "offline")


def _is_typed(option: str) -> bool:
    """Whether an option is on the command line, rather than in the environment."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not None and source.name == "COMMANDLINE"


def _forced(pipeline: Pipeline, names: tuple[str, ...]) -> Sequence[str]:
    return names or [stage.name for stage in pipeline.stages]


def _judged(pipeline: Pipeline, forced: frozenset[str]) -> list[Verdict]:
    """What is true of each stage before anything is done; what is forced counts as stale."""
    from dataclasses import replace

    from builder.pipeline.review import Review
    from builder.pipeline.stages_lock import read_stages_lock

    store, lock = open_store(), read_stages_lock(pipeline.loaded.folder / LOCK_FOLDER)

    def kept(key: str) -> Mapping[str, Content] | None:
        from builder.history.kept.results import result_of

        result = result_of(store, key)
        return result.outputs if result else None

    verdicts = Review(pipeline, lock, kept).all()
    return [
        replace(one, state="stale", reasons=one.reasons or ("forced",)) if one.stage in forced else one
        for one in verdicts
    ]


_DOES = {"current": "leave", "restorable": "restore", "stale": "run"}


def _plan(loaded: LoadedProject, names: tuple[str, ...], force: bool, as_json: bool, output: Output) -> int:
    pipeline = open_pipeline(loaded, names, open_store(), output)
    verdicts = _judged(pipeline, frozenset(_forced(pipeline, names) if force else ()))
    if as_json:
        print_json({"stages": [{"do": _DOES[one.state], **one.to_dict()} for one in verdicts]})
        return ExitCode.OK
    for one in verdicts:
        if one.state != "current":
            click.echo(f"{_DOES[one.state]} {one.stage}: {printable('; '.join(one.reasons))}")
    if all(one.state == "current" for one in verdicts):
        output.say("all stages are current: nothing would be done")
    return ExitCode.OK


def _sum_up(report: Report, output: Output) -> None:
    states = [stage.state for stage in report.stages]
    for stage in report.stages:
        if stage.state == "not-run":
            output.say(f"not run: `{stage.stage}`, as {stage.reasons[0]}")
    if set(states) == {"current"}:
        output.say(f"{count(len(states), 'stage')} current: nothing to do")
        return
    told = [f"{states.count(state)} {word}" for state, word in _WORDS.items() if state in states]
    output.say(f"{count(len(states), 'stage')}: {', '.join(told)}")


_WORDS = {
    "ran": "run",
    "restored": "restored",
    "current": "current",
    "failed": "failed",
    "killed": "killed",
    "not-run": "not run",
}
