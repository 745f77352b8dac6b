"""Where built images go besides the store: into a file or folder, an engine, a registry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.output import Output, size_text

if TYPE_CHECKING:
    from builder.bundle.build import Built
    from builder.image.workshop import Workshop
    from builder.oci.documents import Descriptor
    from builder.oci.registry import Reference
    from builder.oci.registry.push import Pushed


@dataclass(frozen=True, slots=True)
class Delivery:
    """What was asked for."""

    target: Path | None = None
    """A `.tar` file or a folder."""
    load: bool = False
    """Into an engine of this machine."""
    engine: str | None = None
    """Which one; without it, the first that answers."""
    push: Reference | None = None
    """Into a repository, perhaps under a tag."""


def delivery_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a Delivery: `target`, `load`, `engine` and `push`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def _only_to_load(context: click.Context, _: click.Parameter, value: str | None) -> str | None:
    if value and not context.params.get("load"):
        raise click.UsageError("`--engine` says where `--load` puts the image; add `--load`")
    return value


def _destination(_: click.Context, __: click.Parameter, value: str | None) -> Reference | None:
    from builder.cli.push import parse_destination

    return parse_destination(value) if value else None


push_option = click.option(
    "--push",
    metavar="REGISTRY/NAME[:TAG]",
    callback=_destination,
    help="Also push them to a registry; the reference there is what is printed.",
)
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
    push_option,
)


def deliver(built: Built, workshop: Workshop, output: Output, delivery: Delivery) -> Pushed | None:
    """Bring built images to where they were asked for; what is in a registry then, if that was asked for.

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
    return push_built(built, built.top, delivery.push, workshop, output) if delivery.push else None


def push_built(built: Built, top: Descriptor, destination: Reference, workshop: Workshop, output: Output) -> Pushed:
    """Push an image of `built`, or its index.

    Raises: EnvbuildError, DigestMismatchError.
    """
    from builder.cli.push import push_images
    from builder.oci.registry.push import Origin

    return push_images(top, built.name, Origin(workshop.store, built.elsewhere), destination, workshop, output)
