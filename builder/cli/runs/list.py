"""`envbuild runs list`: what was run, the latest first."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.options import json_option, project_option
from builder.cli.output import Output, print_json
from builder.cli.runs.opened import opened_runs, show_entries
from builder.errors import command_text

most_option = click.option(
    "-n", "--most", type=click.IntRange(min=0), default=20, show_default=True, help="How many at most; 0 for all."
)


@click.command("list", short_help="List runs, the latest first.")
@project_option
@most_option
@click.option("--command", "commands", multiple=True, metavar="NAME", help="Only of this command; may be repeated.")
@click.option("--stage", "stages", multiple=True, metavar="NAME", help="Only of this stage; may be repeated.")
@click.option("--failed", is_flag=True, help="Only those that failed or were killed.")
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Only with this tag; may be repeated.")
@json_option
@click.pass_obj
def command(
    output: Output,
    project: Path,
    most: int,
    commands: tuple[str, ...],
    stages: tuple[str, ...],
    failed: bool,
    tags: tuple[str, ...],
    as_json: bool,
) -> None:
    """List the runs of a project, the latest first: what became of them, how long they took, metrics, tags.

    Folders that cannot be read are told at the end; a run whose record was changed by hand is marked `(edited)`.
    """
    from builder.history.search import all_of, any_equal, one_of

    parts = [
        *([one_of(any_equal("command", commands), any_equal("stage", stages))] if commands or stages else []),
        *([any_equal("outcome", ("failed", "killed"))] if failed else []),
        *(any_equal("tags", (tag,)) for tag in tags),
    ]
    with opened_runs(project, output) as runs:
        entries = list(runs.index.entries(all_of(*parts) if parts else None, most or None))
        if as_json:
            print_json([entry.to_dict() for entry in entries])
        else:
            show_entries(entries)
            total = runs.index.count()
            if not entries:
                output.say("no runs" if not total else f"none of {total} runs")
            elif not parts and total > len(entries):
                output.say(f"{len(entries)} of {total} runs; {command_text('runs', 'list', '-n', 0)} lists all")
        runs.tell_broken(output)
