"""What `run --sweep` prints of a sweep: a table of parameters with their metrics, and which of them are best."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from builder.cli.output import Output, print_json, printable
from builder.cli.runs.opened import number_text

if TYPE_CHECKING:
    from builder.pipeline.sweep.document import Sweep
    from builder.pipeline.sweep.table import Group, Objective


def show_sweep(sweep: Sweep, output: Output, *, as_json: bool) -> None:
    """Print what came of a sweep."""
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
    deviation = f" ± {number_text(spread.deviation)}" if spread.deviation is not None else ""
    missing = f" (n={spread.n})" if spread.n != len(group.points) else ""
    return f"{number_text(spread.mean)}{deviation}{missing}"
