"""`envbuild runs search`: the runs for which an expression holds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.options import json_option, project_option
from builder.cli.output import Output, print_json
from builder.cli.runs.list import most_option
from builder.cli.runs.opened import OpenedRuns, opened_runs, show_entries

if TYPE_CHECKING:
    from builder.history.search import Expression


@click.command("search", short_help="List the runs for which an expression holds.")
@click.argument("expression")
@project_option
@most_option
@click.option("--ids", is_flag=True, help="Print ids alone, one a line.")
@json_option
@click.pass_obj
def command(output: Output, expression: str, project: Path, most: int, ids: bool, as_json: bool) -> None:
    """List the runs of a project for which EXPRESSION holds, the latest first.

    An expression is of comparisons with `=`, `!=`, `<`, `<=`, `>`, `>=` and `~` (contains), joined by `and`, `or`,
    `not` and parentheses: `auc > 0.9 and params.lr < 0.1 and data.train = sha256:3f9a`.

    A name is that of a metric, or `metrics.NAME`, `params.KEY`, `data.NAME`, `outputs.NAME`, `host.NAME`, `tags`,
    `command`, `stage`, `outcome`, `start`, `duration`, `memory`, `seed`, `commit`, `image`, `lock`, `owner`, `who`.
    `has(NAME)` holds for a run that has it; a comparison never does for one that has not.
    """
    from builder.history.search import parse_search

    where = parse_search(expression)
    with opened_runs(project, output) as runs:
        entries = list(runs.index.entries(where, most or None))
        if as_json:
            print_json([entry.to_dict() for entry in entries])
        elif ids:
            for entry in entries:
                click.echo(entry.id)
        else:
            show_entries(entries)
        if not entries:
            output.say(f"none of {runs.index.count()} runs")
            _tell_unknown(runs, where, output)
        elif most and len(entries) == most:
            output.say(f"the latest {most}; `-n 0` lists all")
        runs.tell_broken(output)


def _tell_unknown(runs: OpenedRuns, where: Expression, output: Output) -> None:
    """Say which names no run has, and which of those that are there may be meant."""
    import difflib

    from builder.history.search import names_of
    from builder.history.search.facts import FIELDS

    known = runs.index.names()
    for name in sorted(names_of(where) - known - FIELDS):
        last = name.partition(".")[2]
        near = [one for one in sorted(known) if one.partition(".")[2] == last and one != name]
        near = near or difflib.get_close_matches(name, known, 1)
        output.say(f"note: no run has `{name}`" + (f"; is `{near[0]}` meant?" if near else ""))
