"""`envbuild ci`: a workflow that checks, builds and pushes a team's environments."""

from __future__ import annotations

import os
from pathlib import Path

import click

from builder.cli.options import Existing
from builder.cli.output import Output
from builder.errors import EnvbuildError


@click.command("ci", short_help="Write a CI workflow that checks, builds and pushes environments.")
@click.argument("service", type=click.Choice(["github", "gitlab"]))
@click.argument("folder", type=Existing(file_okay=False), default=Path("environments"))
@click.option("--registry", metavar="HOST/PATH", help="Where images are pushed [default: the service's own registry].")
@click.option("--branch", default="main", show_default=True, help="The branch whose images are pushed.")
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="The file to write [default: standard output]."
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@click.pass_obj
def command(
    output: Output, service: str, folder: Path, registry: str | None, branch: str, target: Path | None, force: bool
) -> None:
    """A workflow for SERVICE: locks are checked, changes shown, images built and pushed by digest, the store cached.

    FOLDER holds the environments. Run this where the repository starts.
    """
    from builder.ci import CheckedEnvironment, render_workflow
    from builder.lock.locking import find_environments
    from builder.oci.layout import write_atomically
    from builder.spec.environment import ENVIRONMENT_FILE

    relative = Path(os.path.relpath(folder)).as_posix()
    if relative.startswith(".."):
        raise EnvbuildError(f"`{folder}` is not below this folder", hint="Run this where the repository starts")
    environments = [
        CheckedEnvironment(file.parent.name, Path(os.path.relpath(file.parent)).as_posix())
        for file in find_environments(folder)
        if file.name == ENVIRONMENT_FILE
    ]
    text = render_workflow(service, relative, environments, registry, branch)
    if target is None:
        click.echo(text, nl=False)
        return
    if target.exists() and not force:
        raise EnvbuildError(f"`{target}` is there already", hint="Add `--force` to write over it")
    target.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(target, text.encode())
    output.say(f"wrote {target}")
