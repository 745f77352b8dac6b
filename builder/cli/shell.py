"""`envbuild shell`: a shell inside the image, with the working tree mounted."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from builder.cli.machine import host_platform, make_workshop
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
@click.argument("path", type=click.Path(path_type=Path), default=Path())
@click.argument("arguments", nargs=-1)
@click.option(
    "--work",
    type=Existing(file_okay=False),
    help="The folder to mount at /app [default: the project's; of an environment, the current one].",
)
@engine_option
@publish_option
@environment_option
@network_option
@gpus_option
@offline_option
@click.pass_obj
def command(output: Output, /, path: Path, arguments: tuple[str, ...], **options: Any) -> int:
    """Work inside the image of the project or environment in PATH: same files, same versions, your working tree.

    What you change below /app stays; all else is gone when you leave. A command behind `--` runs instead of the
    shell; its exit code is the exit code of `shell`.
    """
    from builder.cli.engines import choose_engine
    from builder.cli.target import open_target
    from builder.run.interface import LocalImage
    from builder.run.workspace import Workspace, shell_of, shell_request

    gpus = parse_gpus(options["gpus"])
    engine = choose_engine(options["engine"], output)
    target, workshop = open_target(path), make_workshop(output, offline=options["offline"])
    built = target.build_here(workshop, output)
    image = LocalImage.of(built.images[0], built.name, workshop)
    workspace = Workspace(
        options["work"] or (target.folder if target.project else Path()),
        parse_variables(options["environment"]),
        options["network"],
        tuple(map(parse_port, options["ports"])),
        gpus=gpus,
    )
    check_gpus(engine, image, gpus, output)
    tty = not arguments and sys.stdin.isatty() and os.isatty(1)
    shell = shell_of(target.lock.document.platforms[host_platform()])
    if tty:
        output.say(f"`{workspace.folder.resolve()}` is /app in {image.name}; leave with Ctrl-D")
    if not arguments and shell.endswith("python"):
        output.say("the image has no shell, so this is Python; `debian: [dash, coreutils]` would bring one")
    return engine.run(image, shell_request(workspace, target.name, arguments or (shell,), tty))
