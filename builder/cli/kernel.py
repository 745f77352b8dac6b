"""`envbuild kernel`: notebooks whose code runs inside the image."""

from __future__ import annotations

import json
import os
import re
import sys
from dataclasses import replace
from pathlib import Path

import click

from builder.cli.machine import current_lock, host_platform, make_workshop
from builder.cli.options import Existing, offline_option, path_argument
from builder.cli.output import Output
from builder.cli.running import engine_option
from builder.errors import EnvbuildError, command_text
from builder.spec.load import find_spec, load_environment


@click.group("kernel", short_help="Run the code of notebooks inside an image.")
def command() -> None:
    """A Jupyter kernel that runs inside the image, with the working tree mounted."""


@command.command("install")
@path_argument
@click.option("--name", metavar="NAME", help="What the kernel is called [default: the folder's name].")
@engine_option
@click.pass_obj
def install(output: Output, path: Path, name: str | None, engine: str | None) -> None:
    """Tell Jupyter of the kernel of the project or environment in PATH; prints where it was written.

    The environment must have `ipykernel` among its packages.
    """
    from builder.run.kernels import kernel_folder, kernel_specification, write_kernel

    environment = load_environment(path)
    lock = current_lock(environment)
    platform = host_platform()
    if not any(wheel.name == "ipykernel" for wheel in lock.wheels.get(platform, ())):
        raise EnvbuildError(
            f"`{environment.file}` has no `ipykernel` for {platform}",
            hint=f"Add it to the requirements and run {command_text('lock', environment.file.parent)}",
        )
    file = find_spec(path).resolve()
    kernel = re.sub(r"[^a-z0-9._-]+", "-", (name or file.parent.name).lower()).strip("-") or "envbuild"
    start = [sys.executable, "-m", "builder", "-q", "kernel", "start", str(file), "-f", "{connection_file}"]
    if engine:
        start += ["--engine", engine]
    folder = kernel_folder(os.environ) / kernel
    write_kernel(folder, kernel_specification(name or f"{file.parent.name} (envbuild)", start))
    output.say(f"Jupyter now has the kernel `{kernel}`")
    click.echo(str(folder))


@command.command("start", hidden=True)
@path_argument
@click.option("-f", "connection_file", type=Existing(), required=True)
@engine_option
@offline_option
@click.pass_obj
def start(output: Output, path: Path, connection_file: Path, engine: str | None, offline: bool) -> int:
    """Run the kernel until Jupyter ends it. Jupyter calls this."""
    from builder.cli.engines import choose_engine
    from builder.cli.target import open_target
    from builder.run.interface import LocalImage
    from builder.run.workspace import Workspace, kernel_request

    chosen = choose_engine(engine, output)
    workshop = make_workshop(output, offline=offline)
    built = replace(open_target(path), promised=frozenset()).build_here(workshop, output)
    _check_transport(connection_file)
    image = LocalImage.of(built.images[0], built.name, workshop)
    return chosen.run(image, kernel_request(Workspace(Path()), connection_file.resolve()))


def _check_transport(connection_file: Path) -> None:
    transport = json.loads(connection_file.read_text("utf-8")).get("transport")
    if transport != "tcp":
        raise EnvbuildError(f"the kernel cannot be reached over `{transport}`", hint="Use Jupyter's transport `tcp`")
