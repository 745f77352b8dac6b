"""`envbuild render`: a build context with a Dockerfile, which Docker builds without envbuild."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.machine import make_workshop
from builder.cli.options import json_option, no_check_option, offline_option, path_argument, platform_option
from builder.cli.output import Output, count, print_json, size_text
from builder.cli.target import Target, open_target
from builder.errors import CheckFailedError

if TYPE_CHECKING:
    from builder.image.dockerfile import Context
    from builder.image.workshop import Workshop


@click.command("render", short_help="Write a Dockerfile with all that it needs, for Docker alone.")
@path_argument
@click.option(
    "-o",
    "--output",
    "folder",
    type=click.Path(path_type=Path),
    help="The folder to write [default: build/docker/NAME].",
)
@platform_option
@click.option(
    "--base", metavar="IMAGE", help="Start from this image [default: Debian's official one, or the locked one]."
)
@click.option("--no-files", is_flag=True, help="Texts alone; `sh fetch.sh` in the folder then gets the locked files.")
@click.option("--check", is_flag=True, help="Write nothing; fail if the texts in the folder are not current.")
@click.option("--force", is_flag=True, help="Write over a folder that was edited, or is something else.")
@no_check_option
@offline_option
@json_option
@click.pass_obj
def command(
    output: Output,
    /,
    path: Path,
    folder: Path | None,
    platforms: tuple[str, ...],
    base: str | None,
    *,
    no_files: bool,
    check: bool,
    force: bool,
    no_check: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Write a folder that `docker build` makes the image of the project or environment in PATH from.

    Every package is in it by its hash, and building it needs neither network nor envbuild. The Dockerfile is made to
    be read, and to be kept by hand. Prints the folder.
    """
    from builder.image.dockerfile import write_context
    from builder.image.dockerfile.write import check_replaceable, differences

    target = replace(open_target(path, platforms), no_check=no_check)
    folder = folder or Path("build/docker", target.name)
    workshop = make_workshop(output, offline=offline)
    if not (check or force):
        check_replaceable(folder)
    context = target_context(target, workshop, base)
    if check:
        _check(folder, differences(folder, context), path, as_json)
        return
    if not no_files:
        target.ensure_wheels(workshop, output)
    fetcher = workshop.fetcher.with_indexes(dict(target.lock.indexes))
    write_context(folder, context, {} if no_files else fetcher.blobs(context.sources), force=force)
    size = sum(source.size or 0 for source in context.sources)
    output.say(f"{count(len(context.sources), 'locked file')}, {size_text(size)}" + (" to fetch" if no_files else ""))
    if as_json:
        print_json({"folder": str(folder), "image": context.name, "platforms": list(map(str, target.platforms))})
    else:
        click.echo(folder)


def target_context(target: Target, workshop: Workshop, base: str | None) -> Context:
    """What Docker builds the images of `target` from; `base` is the image to start from instead of the usual one.

    Raises: EnvbuildError.
    """
    from builder.bundle.docker_context import project_addition
    from builder.image.dockerfile import render

    if target.project is None:
        return render(f"{target.name}:latest", target.plans, base=base)
    addition = project_addition(target.project, target.lock, workshop.fetcher, target.choice)
    return render(f"{target.name}:{target.project.project.version}", target.plans, addition, base)


def _check(folder: Path, differences: list[str], path: Path, as_json: bool) -> None:
    if as_json:
        print_json({"folder": str(folder), "current": not differences, "differences": differences})
    if differences:
        raise CheckFailedError(
            f"`{folder}` is not what is rendered now", differences[:20], f"Run `envbuild render {path} -o {folder}`"
        )
