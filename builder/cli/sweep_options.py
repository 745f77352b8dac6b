"""The options that `run --sweep` adds to `run`, and what is to be swept over by them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from builder.cli.options import json_option
from builder.errors import EnvbuildError
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.pipeline.sweep.document import Plan, Sweep

_Command = TypeVar("_Command", bound=Callable[..., Any])
_PAIR = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*=")


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
