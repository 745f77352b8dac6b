"""What `run`, `shell` and `kernel` share: where a command runs, what it is given, which ports are reached."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.cli.output import Output
    from builder.run.gpu import Gpus
    from builder.run.interface import Engine, LocalImage, PortMapping

engine_option = click.option(
    "--engine",
    type=click.Choice(["docker", "podman", "embedded"]),
    help="Where to run it [default: docker if it answers, else embedded, else podman].",
)
publish_option = click.option(
    "-p", "--publish", "ports", multiple=True, metavar="[ADDRESS:]PORT:PORT", help="Publish a port (on 127.0.0.1)."
)
environment_option = click.option(
    "-e", "--env", "environment", multiple=True, metavar="NAME[=VALUE]", help="Set an environment variable."
)
network_option = click.option(
    "--network",
    type=click.Choice(["default", "none", "host"]),
    default="default",
    show_default=True,
    help="What it can reach: what the engine gives, nothing, or all that this machine can.",
)
gpus_option = click.option(
    "--gpus", metavar="all|N|device=…", help="Give it the GPUs of this machine, if the driver is new enough."
)


def parse_gpus(text: str | None) -> Gpus | None:
    """`all`, a number, or `device=0,1`."""
    from builder.run.gpu import Gpus

    try:
        return None if text is None else Gpus.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"`{text}` is none: {error}", param_hint="--gpus") from None


def check_gpus(engine: Engine, image: LocalImage, gpus: Gpus | None, output: Output) -> None:
    """Compare this machine's driver with what the image needs, where GPUs are wanted.

    Raises: EnvbuildError, if there is none, or it is too old; NotMeasuredError, if that cannot be told.
    """
    from builder.run.gpu import check_driver, check_engine_is_here

    if gpus is None:
        return
    check_engine_is_here(engine.name, os.environ)
    note = check_driver(image.config.labels)
    if note:
        output.say(f"note: {note}")


def parse_pairs(option: str, values: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE` of an option that may be repeated."""
    pairs = [value.partition("=") for value in values]
    for name, separator, value in pairs:
        if not separator or not name or not value:
            raise click.BadParameter(f"`{name}` is not of the form NAME=VALUE", param_hint=option)
    return {name: value for name, _, value in pairs}


def parse_variables(values: tuple[str, ...]) -> dict[str, str]:
    """`NAME=VALUE`, or `NAME` alone for the value that it has here."""
    pairs = [value.partition("=") for value in values]
    missing = [name for name, separator, _ in pairs if not separator and name not in os.environ]
    if missing:
        raise EnvbuildError(f"the variable `{missing[0]}` is not set here", hint=f"Use `--env {missing[0]}=VALUE`")
    return {name: value if separator else os.environ[name] for name, separator, value in pairs}


def read_env_file(path: Path | None) -> dict[str, str]:
    """The variables in a file of `NAME=VALUE` lines. Raises: EnvbuildError, for another line."""
    if path is None:
        return {}
    result = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        name, separator, value = line.partition("=")
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not separator or not name.strip():
            raise EnvbuildError(f"`{path}` cannot be read", f"line {number} is not of the form NAME=VALUE")
        result[name.strip()] = value
    return result


def parse_port(text: str) -> PortMapping:
    """`8080:80` or `0.0.0.0:8080:80`; without an address the port is reached from this machine alone."""
    from builder.run.interface import PortMapping

    parts = text.split(":")
    try:
        if len(parts) == 1:
            parts *= 2
        address, host, container = ["127.0.0.1", *parts] if len(parts) == 2 else parts
        ipaddress.ip_address(address)
        mapping = PortMapping(address, int(host), int(container))
        if not (0 < mapping.host_port < 65536 and 0 < mapping.container_port < 65536):
            raise ValueError
    except ValueError:
        raise click.BadParameter(f"`{text}` is not of the form [ADDRESS:]PORT:PORT", param_hint="--publish") from None
    return mapping
