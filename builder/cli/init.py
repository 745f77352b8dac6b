"""`envbuild init`: a project that locks, builds and runs as it is."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.output import Output
from builder.errors import EnvbuildError


@click.command("init", short_help="Start a project from a template.")
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.option("--template", type=click.Choice(["sklearn", "plain"]), default="sklearn", show_default=True)
@click.pass_obj
def command(output: Output, path: Path, template: str) -> None:
    """Write a project into the folder PATH: spec, code, data, commands. No file that is there is changed."""
    from builder.resources import files_below

    files = list(files_below(f"init/{template}"))
    there = [name for name, _ in files if (path / name).exists()]
    if there:
        raise EnvbuildError(
            f"`{path}` has files that the template would replace",
            [f"`{name}` is there" for name in there],
            "Name an empty folder",
        )
    for name, data in files:
        target = path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        click.echo(str(target))
    output.say(f"next: envbuild lock {path} && envbuild run {path}")
