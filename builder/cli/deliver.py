"""Where built images go besides the store: into a file or folder, an engine, a registry."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.output import Output, size_text

if TYPE_CHECKING:
    from builder.bundle.build import Built
    from builder.image.workshop import Workshop
    from builder.oci.digest import Digest
    from builder.oci.documents import Descriptor, Platform
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
    metavar="HOST/NAME[:TAG]",
    callback=_destination,
    help="Also push to a registry; the reference there is what is printed.",
)
_OPTIONS = (
    click.option(
        "-o",
        "--output",
        "target",
        type=click.Path(path_type=Path),
        help="Also write FILE.tar, or a folder.",
    ),
    click.option("--load", is_flag=True, is_eager=True, help="Also load the image into Docker Engine or Podman."),
    click.option(
        "--engine",
        type=click.Choice(["docker", "podman"]),
        callback=_only_to_load,
        help="Where `--load` puts it [default: docker if it answers, else podman].",
    ),
    push_option,
)


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where images are now, besides the store and an engine."""

    file: Path | None = None
    """Or a folder."""
    size: int = 0
    """Bytes of the file or folder."""
    pushed: Pushed | None = None

    def reference(self, otherwise: str) -> str:
        """What to call them: as the registry does, if they were pushed."""
        return str(self.pushed.reference) if self.pushed else otherwise

    def to_dict(self) -> dict[str, Any]:
        """For `--json`: what there is of it."""
        from builder.cli.push import pushed_as_json

        file = {"file": str(self.file), "size": self.size} if self.file else {}
        return {**file, **({"pushed": pushed_as_json(self.pushed)} if self.pushed else {})}


def check(delivery: Delivery, platforms: Collection[Platform]) -> None:
    """Refuse what images of these platforms cannot be brought to; to be asked before anything is built for it.

    Raises: EnvbuildError.
    """
    if delivery.target:
        from builder.bundle.pack import check_target

        check_target(delivery.target)
    if delivery.load:
        from builder.cli.engines import check_load, choose_loader

        check_load(platforms)
        choose_loader(delivery.engine)


def deliver(built: Built, workshop: Workshop, output: Output, delivery: Delivery) -> Delivered:
    """Bring built images to where they were asked for.

    Raises: EnvbuildError, DigestMismatchError.
    """
    size = pack_built(built, delivery.target, workshop, output) if delivery.target else 0
    if delivery.load:
        from builder.cli.engines import load

        load(built, workshop, output, delivery.engine)
    pushed = push_built(built, built.top, delivery.push, workshop, output) if delivery.push else None
    return Delivered(delivery.target, size, pushed)


def built_as_json(built: Built) -> dict[str, Any]:
    """What images are called, for `--json`."""
    images = {str(image.config.platform): str(image.descriptor.digest) for image in built.images}
    return {"name": built.name, "digest": built.digest, "images": images}


def pack_built(
    built: Built, target: Path, workshop: Workshop, output: Output, left_out: Collection[Digest] = frozenset()
) -> int:
    """Write images to a `.tar` file or a folder, without the layers `left_out`; its bytes.

    Raises: EnvbuildError, DigestMismatchError.
    """
    from builder.bundle.build import complete
    from builder.bundle.pack import pack

    if not left_out:
        complete(built, workshop)
    size = pack(built, workshop.store, target, workshop.progress, left_out)
    output.say(f"wrote {target} ({size_text(size)})")
    return size


def push_built(built: Built, top: Descriptor, destination: Reference, workshop: Workshop, output: Output) -> Pushed:
    """Push an image of `built`, or its index, with what is attached.

    Raises: EnvbuildError, DigestMismatchError.
    """
    from builder.bundle.attached.attach import attached_by_subject
    from builder.bundle.reading.reader import read_bundle
    from builder.cli.push import push_images
    from builder.oci.registry.push import Origin

    entries = workshop.store.index(built.attached).manifests if built.attached else ()
    attached = attached_by_subject(read_bundle(workshop.store, built.index, entries)) if entries else {}
    origin = Origin(workshop.store, built.elsewhere, attached=attached)
    return push_images(top, built.name, origin, destination, workshop, output)
