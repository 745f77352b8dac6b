"""`envbuild runs show`: one run, with everything that is recorded of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.options import json_option, project_option
from builder.cli.output import Output, print_json, printable
from builder.cli.runs.opened import opened_runs
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.history.folder import KeptRun

_PIECE = 1 << 16


@click.command("show", short_help="Show one run: what was run, with what, and what came of it.")
@click.argument("run", default="latest")
@project_option
@click.option("--log", is_flag=True, help="Print what the run printed, and nothing else.")
@click.option("--patch", is_flag=True, help="Print what differed from the commit, and nothing else.")
@json_option
@click.pass_obj
def command(output: Output, run: str, project: Path, log: bool, patch: bool, as_json: bool) -> None:
    """Show RUN: what was run, with which code, data, parameters and environment, and what came of it.

    RUN is an id or the beginning of it, its last digits, a tag, `latest` [default], or `latest:STAGE`.
    """
    from builder.cli.runs.show_text import run_lines
    from builder.history.tags import read_tags

    if sum((log, patch, as_json)) > 1:
        raise click.UsageError("`--log`, `--patch` and `--json` exclude each other.")
    with opened_runs(project, output) as runs:
        kept = runs.find(run)
    if log or patch:
        _print(kept, "log" if log else "patch")
        return
    tags = read_tags(kept.folder)
    if as_json:
        print_json(
            {**kept.record.to_dict(), "outcome": kept.record.outcome, "tags": list(tags), "edited": kept.changed}
        )
        return
    for line in run_lines(kept, tags):
        click.echo(line)


def _print(kept: KeptRun, what: str) -> None:
    """A file of the run, piece by piece. Raises: EnvbuildError, if it has none."""
    from builder.history.folder import LOG_FILE, PATCH_FILE

    path = kept.folder / (LOG_FILE if what == "log" else PATCH_FILE)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = "it ran what was committed, or what differed was withheld" if what == "patch" else error.strerror or ""
        raise EnvbuildError(f"there is no {what} of `{kept.record.id}`", why) from error
    with open(descriptor, encoding="utf-8", errors="replace", newline="") as file:
        while piece := file.read(_PIECE):
            click.echo(_kept_layout(piece), nl=False)


def _kept_layout(text: str) -> str:
    """Printable text that keeps its tabs; a line that was rewritten is on lines of its own."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\t")
    return "\t".join(map(printable, lines))
