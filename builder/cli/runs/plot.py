"""`envbuild runs plot`: metrics of runs as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.options import project_option
from builder.cli.output import Output, count
from builder.cli.runs.opened import OpenedRuns, opened_runs
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.history.folder import KeptRun
    from builder.history.plot import Format, Line, Point
    from builder.history.search.facts import Fact

_MOST_NAMES = 12
_FORMATS: dict[str, Format] = {".svg": "svg", ".png": "png"}


@click.command("plot", short_help="Draw metrics over steps, over a parameter, or all of them.")
@click.argument("runs", nargs=-1)
@click.option("-m", "--metric", required=True, metavar="NAME", help="What is drawn.")
@click.option("--over", metavar="NAME", help="Against this, such as `params.lr` or `seed`, instead of steps.")
@click.option("--parallel", multiple=True, metavar="NAME", help="As parallel coordinates with these; repeat it.")
@click.option("--where", metavar="EXPRESSION", help="Of runs for which this holds, as `runs search` has it.")
@click.option(
    "-o", "--output", "file", required=True, type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Where to; `.svg` or `.png`.",
)  # fmt: skip
@project_option
@click.pass_obj
def command(
    output: Output,
    runs: tuple[str, ...],
    metric: str,
    over: str | None,
    parallel: tuple[str, ...],
    where: str | None,
    file: Path,
    project: Path,
) -> None:
    """Draw a metric of RUNS, or of all: over steps, against a parameter, or as parallel coordinates.

    Needs matplotlib: `pip install 'envbuild[plot]'`. The same runs give the same bytes.
    """
    from builder.history.plot import draw_parallel, draw_parameter, draw_steps
    from builder.history.search.facts import full_name
    from builder.oci.layout import write_atomically

    if over is not None and parallel:
        raise click.UsageError("`--over` and `--parallel` exclude each other.")
    if file.suffix not in _FORMATS:
        raise click.UsageError("The file ends with `.svg` or `.png`.")
    format_ = _FORMATS[file.suffix]
    with opened_runs(project, output) as opened:
        kept = _chosen(opened, runs, where)
    name = full_name(metric)
    if over is None and not parallel:
        lines = _lines(kept, name.removeprefix("metrics."))
        number, picture = len(lines), draw_steps(metric, lines, format_)
    elif over is not None:
        points = _points(kept, full_name(over), name)
        number, picture = len(points), draw_parameter(over, metric, points, format_)
    else:
        rows = _rows(kept, [*map(full_name, parallel), name])
        number, picture = len(rows), draw_parallel([*parallel, metric], rows, format_)
    try:
        write_atomically(file, picture)
    except OSError as error:
        raise EnvbuildError(f"`{file}` cannot be written", error.strerror or str(error)) from error
    output.say(f"drew {count(number, 'run')} of {len(kept)} into {file}")


def _chosen(opened: OpenedRuns, names: tuple[str, ...], where: str | None) -> list[KeptRun]:
    from builder.history.folder import read_run
    from builder.history.layout import RUNS
    from builder.history.plot import MOST_LINES
    from builder.history.search import parse_search

    if names and where is not None:
        raise click.UsageError("Name runs, or say which with `--where`.")
    if names:
        return [opened.find(name) for name in dict.fromkeys(names)]
    entries = opened.index.entries(parse_search(where) if where is not None else None, MOST_LINES)
    return [read_run(opened.root / RUNS / entry.id) for entry in entries]


def _lines(kept: list[KeptRun], metric: str) -> list[Line]:
    from builder.history.folder import STEPS_FILE
    from builder.history.metrics import read_steps
    from builder.history.plot import Line, finite

    lines: list[Line] = []
    for one in kept:
        found = [(step, finite(values.get(metric))) for step, values in read_steps(one.folder / STEPS_FILE)]
        points = sorted((step, value) for step, value in found if value is not None)
        if points:
            lines.append(Line(one.record.id, tuple(points)))
    if not lines:
        has_last = any(metric in one.record.metrics for one in kept)
        hint = "Draw its last values with `--over NAME`" if has_last else None
        raise _nothing(len(kept), f"`{metric}` by step" if has_last else f"`{metric}`", hint or _known(kept))
    return lines


def _points(kept: list[KeptRun], over: str, metric: str) -> list[Point]:
    from builder.history.plot import Point, finite

    points: list[Point] = []
    for one in kept:
        facts = _facts(one)
        x, y = facts.get(over), finite(facts.get(metric))
        if x is not None and y is not None:
            points.append(Point(one.record.id, _place(x), y))
    if not points:
        raise _nothing(len(kept), f"both `{over}` and `{metric}`", None)
    return points


def _rows(kept: list[KeptRun], names: list[str]) -> list[tuple[str, list[float | str]]]:
    from builder.history.plot import finite

    rows: list[tuple[str, list[float | str]]] = []
    for one in kept:
        facts = _facts(one)
        if all(name in facts for name in names) and finite(facts[names[-1]]) is not None:
            rows.append((one.record.id, [_place(facts[name]) for name in names]))
    if not rows:
        raise _nothing(len(kept), "all of " + ", ".join(f"`{name}`" for name in names), None)
    return rows


def _facts(kept: KeptRun) -> dict[str, Fact]:
    from builder.history.search.facts import facts_of

    return facts_of(kept.record)


def _place(fact: Fact) -> float | str:
    from builder.history.plot import finite

    number = finite(fact)
    return number if number is not None else " ".join(map(str, fact)) if isinstance(fact, list) else str(fact)


def _known(kept: list[KeptRun]) -> str | None:
    """Which metrics there are."""
    names = sorted({name for one in kept for name in one.record.metrics})
    return f"There are: {', '.join(f'`{name}`' for name in names[:_MOST_NAMES])}" if names else None


def _nothing(number: int, what: str, hint: str | None) -> EnvbuildError:
    return EnvbuildError(f"there is nothing to draw: none of {count(number, 'run')} has {what}", hint=hint)
