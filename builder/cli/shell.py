"""`envbuild shell`: a shell inside the image, with the working tree mounted; of a bundle, with what was packed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.machine import host_platform, make_workshop
from builder.cli.opened_bundle import bundle_here, reference_in
from builder.cli.options import Existing, offline_option
from builder.cli.output import Output
from builder.cli.running import (
    check_gpus,
    engine_option,
    environment_option,
    gpus_option,
    network_option,
    parse_gpus,
    parse_port,
    parse_variables,
    publish_option,
)
from builder.cli.target import is_image, open_target
from builder.cli.trusted import require, signature_option
from builder.errors import EnvbuildError
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.image.workshop import Workshop
    from builder.run.interface import LocalImage


class _CommandBehindDashes(click.Command):
    """What stands behind `--` is the command, also where no PATH stands before it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the first `--` apart from what stands before it."""
        end = args.index("--") if "--" in args else len(args)
        rest = super().parse_args(ctx, args[:end])
        ctx.params["arguments"] += tuple(args[end + 1 :])
        return rest


@click.command(
    "shell", cls=_CommandBehindDashes, short_help="Open a shell inside an image, with the working tree mounted."
)
@click.argument("target", metavar="[PATH|BUNDLE]", default=".")
@click.argument("arguments", nargs=-1)
@click.option(
    "--work",
    type=Existing(file_okay=False),
    help="The folder to mount at /app [default: the project's; of an environment, the current one; of a bundle, none].",
)
@engine_option
@publish_option
@environment_option
@network_option
@gpus_option
@signature_option
@offline_option
@click.pass_obj
def command(output: Output, /, target: str, arguments: tuple[str, ...], **options: Any) -> int:
    """Work inside the image of the project or environment in PATH: same files, same versions, your working tree.

    What you change below /app stays; all else is gone when you leave. In a BUNDLE, a file, a folder, or
    `oci://HOST/NAME:TAG`, /app is what was packed, and nothing stays, unless `--work` mounts a folder of yours. A
    command behind `--` runs instead of the shell; its exit code is the exit code of `shell`.
    """
    from builder.cli.engines import choose_engine
    from builder.run.workspace import Workspace, shell_request

    gpus = parse_gpus(options["gpus"])
    engine = choose_engine(options["engine"], output)
    workshop = make_workshop(output, offline=options["offline"])
    required: Path | None = options["require_signature"]
    if _is_bundle(target):
        place = _bundle(target, workshop, output, required)
    elif required:
        raise EnvbuildError(f"`{target}` is not a bundle, and nothing else is signed", hint="Name a bundle")
    else:
        place = _project(target, workshop, output)
    workspace = Workspace(
        options["work"] or place.folder,
        parse_variables(options["environment"]),
        options["network"],
        tuple(map(parse_port, options["ports"])),
        gpus=gpus,
    )
    check_gpus(engine, place.image, gpus, output)
    tty = not arguments and sys.stdin.isatty() and os.isatty(1)
    if tty:
        where = f"`{workspace.folder.resolve()}` is" if workspace.folder else "what was packed is"
        output.say(f"{where} /app in {place.image.name}; leave with Ctrl-D")
    if not arguments and place.shell.endswith("python"):
        output.say("the image has no shell, so this is Python; `debian: [dash, coreutils]` would bring one")
    return engine.run(place.image, shell_request(workspace, place.name, arguments or (place.shell,), tty))


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the shell is opened."""

    image: LocalImage
    name: str
    shell: str
    """A program of the image."""
    folder: Path | None
    """What is mounted at /app, if nothing else is said."""


def _is_bundle(target: str) -> bool:
    path = Path(target)
    return reference_in(target) is not None or (is_image(path) and not (path / PROJECT_FILE).is_file())


def _project(target: str, workshop: Workshop, output: Output) -> _Place:
    """The image of a project or an environment, which is built where it is not in the store."""
    from builder.run.interface import LocalImage
    from builder.run.workspace import shell_of

    opened = replace(open_target(Path(target)), promised=frozenset())  # whatever is wrong may be looked at
    built = opened.build_here(workshop, output)
    image = LocalImage.of(built.images[0], built.name, workshop)
    shell = shell_of(opened.lock.document.platforms[host_platform()])
    return _Place(image, opened.name, shell, opened.folder if opened.project else Path())


def _bundle(target: str, workshop: Workshop, output: Output, required: Path | None) -> _Place:
    """The image of a bundle, if it is signed as `required`; of a thin one, with the layers that it does without."""
    from builder.bundle.thin import inner_lock
    from builder.run.interface import LocalImage
    from builder.run.workspace import shell_of

    check = partial(require, trusted=required, workshop=workshop, output=output) if required else None
    bundle, image = bundle_here(target, workshop, output, check)
    try:
        shell = shell_of(inner_lock(bundle).document.platforms[host_platform()])
    except (EnvbuildError, KeyError):  # it is of another tool, or of another lock: what most images have
        shell = "/bin/sh"
    return _Place(LocalImage.of(image, bundle.name, workshop), bundle.name.partition(":")[0], shell, None)
