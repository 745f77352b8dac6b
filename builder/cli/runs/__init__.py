"""`envbuild runs`: what was run, with what, and what came of it. One file a command."""

from __future__ import annotations

import click

from builder.cli.lazy_group import LazyGroup

COMMANDS = {
    "list": "List runs, the latest first.",
    "show": "Show one run: what was run, with what, and what came of it.",
    "search": "List the runs for which an expression holds.",
    "compare": "Say what differs between runs, and what came of it.",
    "plot": "Draw metrics over steps, over a parameter, or all of them.",
    "tag": "Give a run tags, or take them away.",
    "rm": "Remove runs.",
    "export": "Write runs as CSV, JSON or OpenLineage events, or send them to MLflow.",
    "reproduce": "Run what a run ran once more from its own record, and compare.",
}
"""Each command and the first line of its help, in the order of use."""


@click.command(
    "runs",
    cls=LazyGroup,
    package="builder.cli.runs",
    listed=COMMANDS,
    short_help="List, compare, plot and reproduce what was run.",
)
def command() -> None:
    """List, search, compare, plot, export and reproduce what was run: the folders in a project's `runs`.

    Each is a Process Run Crate (RO-Crate), plain files that other tools read too.
    """
