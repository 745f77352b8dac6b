"""`envbuild runs tag`: names for runs, which are no part of their records."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.options import json_option, project_option
from builder.cli.output import Output, print_json
from builder.cli.runs.opened import opened_runs


@click.command("tag", short_help="Give a run tags, or take them away.")
@click.argument("run")
@click.argument("tags", nargs=-1, required=True)
@click.option("--remove", is_flag=True, help="Take the tags away.")
@project_option
@json_option
@click.pass_obj
def command(output: Output, run: str, tags: tuple[str, ...], remove: bool, project: Path, as_json: bool) -> None:
    """Give RUN the TAGS, or take them away with `--remove`; prints the tags that it then has.

    RUN is an id or the beginning of it, its last digits, a tag, `latest`, or `latest:STAGE`. Tags are in `tags.json`
    in the run's folder. A tag names a run in every command; one that several have does not.
    """
    from builder.history.tags import change_tags

    with opened_runs(project, output) as runs:
        kept = runs.find(run)
    found = change_tags(kept.folder, () if remove else tags, tags if remove else ())
    if as_json:
        print_json({"id": kept.record.id, "tags": list(found)})
    else:
        click.echo(" ".join(found))
