"""`envbuild bundle`: one file with the image, code, model and documents of a project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.deliver import push_built, push_option
from builder.cli.machine import chosen_platforms, current_lock, make_workshop
from builder.cli.options import json_option, offline_option, path_argument, platform_option, workers_option
from builder.cli.output import Output, print_json, size_text
from builder.cli.push import pushed_as_json
from builder.cli.wheels import ensure_built_wheels
from builder.spec.load import load_project

if TYPE_CHECKING:
    from builder.oci.registry import Reference


@click.command("bundle", short_help="Pack a project into one file that trains and serves anywhere.")
@path_argument
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="FILE.tar, or a folder [default: NAME.tar]."
)
@push_option
@platform_option
@workers_option
@offline_option
@json_option
@click.pass_obj
def command(
    output: Output,
    path: Path,
    target: Path | None,
    push: Reference | None,
    platforms: tuple[str, ...],
    workers: int | None,
    offline: bool,
    as_json: bool,
) -> None:
    """Pack the project in PATH: environment, code, model and documents in one OCI layout.

    A FILE.tar is also an archive for `docker load -i`. Prints one reference: name and digest of the index inside.
    """
    from builder.bundle.build import build_project, complete
    from builder.bundle.pack import pack

    loaded = load_project(path)
    lock = current_lock(loaded.environment)
    workshop = make_workshop(output, workers, offline=offline)
    targets = chosen_platforms(lock, platforms)
    ensure_built_wheels(lock, targets, workshop, output)
    built = build_project(loaded, lock, targets, workshop)
    target = target or Path(f"{loaded.name}.tar")
    complete(built, workshop)
    size = pack(built, workshop.store, target, workshop.progress)
    model = loaded.project.model
    if model and model.path and not (loaded.folder / model.path).exists():
        output.say(f"no model is packed: there is nothing at `{loaded.folder / model.path}` yet")
    output.say(f"wrote {target} ({size_text(size)})")
    pushed = push_built(built, built.index, push, workshop, output) if push else None
    if as_json:
        more = {"pushed": pushed_as_json(pushed)} if pushed else {}
        print_json({"name": built.name, "digest": str(built.index.digest), "file": str(target), "size": size, **more})
    else:
        click.echo(str(pushed.reference) if pushed else f"{built.name.rpartition(':')[0]}@{built.index.digest}")
