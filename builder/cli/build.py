"""`envbuild build`: the image of a project or an environment, from its lock alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.deliver import Delivery, built_as_json, check, deliver, delivery_options
from builder.cli.engine_build import Choice, Job, build_by_engine, builder_options, print_made
from builder.cli.fleet import build_all, print_fleet
from builder.cli.machine import make_workshop
from builder.cli.options import (
    full_option,
    json_option,
    no_check_option,
    offline_option,
    path_argument,
    platform_option,
    thin_option,
    workers_option,
)
from builder.cli.output import Output, print_json, size_text
from builder.cli.target import open_target

if TYPE_CHECKING:
    from builder.bundle.build import Built
    from builder.bundle.parts.data import Packing
    from builder.plan import Plan


@click.command("build", short_help="Build the image of a project or an environment from its lock.")
@path_argument
@click.option("--all", "all_", is_flag=True, help="Build everything below PATH; one that fails does not stop others.")
@platform_option
@workers_option
@builder_options
@delivery_options
@full_option
@thin_option
@click.option("--dry-run", is_flag=True, help="Print the plan and build nothing.")
@no_check_option
@offline_option
@json_option
@click.pass_obj
def command(
    output: Output,
    /,
    path: Path,
    all_: bool,
    platforms: tuple[str, ...],
    workers: int | None,
    dry_run: bool,
    no_check: bool,
    offline: bool,
    as_json: bool,
    builder: str,
    base: str | None,
    packing: Packing | None,
    **options: Any,
) -> int:
    """Build the image of the project or environment in PATH from its lock alone.

    Needs no daemon, no root, and no network once the locked files are in the store. Prints one reference: the
    digest of the image, or of the index over the images if there are several platforms.

    With `--builder docker` or `buildkit` an engine makes it of the Dockerfile that `envbuild render` writes: the same
    files, under a digest of the engine's own, which is printed for each platform.

    With `--all`, a line for each project and environment; `-o` names a folder, which gets a NAME.tar of each, and
    `--push` a repository, below which each goes under its name.
    """
    choice, delivery = Choice(builder, base), Delivery(**options)
    choice.check()
    if all_:
        if dry_run or packing or no_check or not choice.is_native:
            raise click.UsageError(
                "`--all` goes with none of `--dry-run`, `--builder`, `--full`, `--thin` and `--no-check`."
            )
        workshop = make_workshop(output, workers, offline=offline)
        return print_fleet(build_all(path, platforms, workshop, output, delivery), as_json, output)
    target = replace(open_target(path, platforms), packing=packing or "default", no_check=no_check)
    if dry_run:
        _print_plans(target.plans, as_json)
        return 0
    workshop = make_workshop(output, workers, offline=offline)
    if not choice.is_native:
        print_made(build_by_engine(Job(target, choice, workshop, output), delivery), as_json)
        return 0
    check(delivery, target.platforms)
    built = target.build(workshop, output)
    show_images(built, output)
    delivered = deliver(built, workshop, output, delivery)
    if as_json:
        print_json({**built_as_json(built), **delivered.to_dict()})
    else:
        click.echo(delivered.reference(built.reference))
    return 0


def show_images(built: Built, output: Output) -> None:
    """Say how large each image is, and in detail what each layer holds."""
    for image in built.images:
        size = sum(layer.size for layer in image.manifest.layers)
        output.say(f"{image.config.platform}: {len(image.manifest.layers)} layers, {size_text(size)}")
        for name, layer in zip(image.config.history, image.layers, strict=True):
            output.detail(f"  {layer.descriptor.digest} {size_text(layer.descriptor.size):>10}  {name}")


def _print_plans(plans: Sequence[Plan], as_json: bool) -> None:
    if as_json:
        layers = {
            str(plan.platform): [
                {"name": layer.name, "inputs": [digest.hex for digest in layer.digests]} for layer in plan.layers
            ]
            for plan in plans
        }
        print_json(layers)
        return
    for plan in plans:
        for layer in plan.layers:
            what = layer.name if layer.kind in ("system", "environment") else f"{layer.name} ({size_text(layer.size)})"
            click.echo(f"{plan.platform}  {what}")
