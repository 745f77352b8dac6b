"""`envbuild cache`: what the store takes on disk, and cleaning it."""

from __future__ import annotations

import click

from builder.cli.machine import open_store
from builder.cli.options import json_option
from builder.cli.output import Output, print_json, size_text


@click.group("cache", short_help="Show or clean the store.")
def command() -> None:
    """Show or clean the store: what was fetched and built, all of which can be fetched and built again."""


@command.command("size")
@json_option
def size(as_json: bool) -> None:
    """Show what the store takes on disk."""
    store = open_store()
    usage = store.usage()
    if as_json:
        print_json({"folder": str(store.root), "parts": {part.name: part.size for part in usage}})
        return
    click.echo(f"{'':16} {'files':>7} {'size':>12}")
    for part in usage:
        click.echo(f"{part.name:16} {part.files:7} {size_text(part.size):>12}")
    click.echo(f"{'all':16} {sum(part.files for part in usage):7} {size_text(sum(part.size for part in usage)):>12}")


@command.command("prune")
@click.option("--all", "everything", is_flag=True, help="Delete everything, not only what killed processes left.")
@click.pass_obj
def prune(output: Output, everything: bool) -> None:
    """Delete what killed processes and broken-off downloads left behind, or everything."""
    store = open_store()
    freed = store.prune(everything)
    output.say(f"freed {size_text(freed)} in {store.root}")
