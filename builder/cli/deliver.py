"""Where built images go besides the store: into a file or folder, an engine, a registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.output import Output, size_text
from builder.image.workshop import Workshop

if TYPE_CHECKING:
    from builder.bundle.build import Built


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was asked for."""

    target: Path | None = None
    """A `.tar` file or a folder."""
    load: bool = False
    """Into an engine of this machine."""
    engine: str | None = None
    """Which one; without it, the first that answers."""


def delivery_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a Delivery: `target`, `load` and `engine`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _only_to_load(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    if value and not context.params.get("load"):
        raise click.UsageError("`--engine` says where `--load` puts the image; add `--load`")
    return value


_OPTIONS = (
    click.option(
        "-o",
        "--output",
        "target",
        type=click.Path(path_type=Path),
        help="Also write them to FILE.tar or a folder.",
    ),
    click.option("--load", is_flag=True, is_eager=True, help="Also load the image into Docker Engine or Podman."),
    click.option(
        "--engine",
        type=click.Choice(["docker", "podman"]),
        callback=_only_to_load,
        help="Where --load puts it [default: docker if it answers, else podman].",
    ),
)


def deliver(built: Built, workshop: Workshop, output: Output, delivery: Delivery) -> None:
    """Bring built images to where they were asked for.

    Raises: EnvbuildError, DigestMismatchError.
    """
    if delivery.target:
        from builder.bundle.build import complete
        from builder.bundle.pack import pack

        complete(built, workshop)
        size = pack(built, workshop.store, delivery.target, workshop.progress)
        output.say(f"wrote {delivery.target} ({size_text(size)})")
    if delivery.load:
        from builder.cli.engines import load

        load(built, workshop, output, delivery.engine)
