"""The bundle that a command is given: a file, a folder, or `oci://HOST/NAME:TAG` in a registry."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.machine import host_platform, make_fetcher, make_registries
from builder.cli.output import Output
from builder.cli.wheels import ensure_built_wheels
from builder.errors import EnvbuildError, command_text
from builder.oci.documents import Platform
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.bundle.attach import Place
    from builder.bundle.contents import Files
    from builder.bundle.reader import Bundle
    from builder.image.workshop import Workshop
    from builder.lock.document import Lock
    from builder.oci.registry import Reference

REFERENCE = "oci://"
"""What a name in a registry begins with, where a path could be meant too."""

bundle_argument = click.argument("target", metavar="BUNDLE")


def reference_in(text: str) -> Reference | None:
    """The name in a registry that is meant, None where a path is. Raises: EnvbuildError, if it is no reference."""
    from builder.oci.registry import Reference

    return Reference.parse(text.removeprefix(REFERENCE)) if text.startswith(REFERENCE) else None


def named_place(text: str, workshop: Workshop, output: Output) -> Place:
    """Where a bundle is, for `builder.bundle.attach`. Raises: EnvbuildError, if nothing can be there."""
    from builder.bundle.attach import Remote

    reference = reference_in(text)
    if reference is None:
        return _path(text)
    return Remote(reference, make_registries(make_fetcher(workshop.store, output)))


@contextmanager
def opened_bundle(text: str, workshop: Workshop, output: Output) -> Iterator[Bundle]:
    """The bundle, which is read while this lasts; of one in a registry nothing is kept but what is imported.

    Raises: EnvbuildError, if there is none; DigestMismatchError.
    """
    from builder.bundle.reader import open_bundle, read_bundle

    reference = reference_in(text)
    if reference is None:
        yield open_bundle(_path(text))
        return
    from builder.oci.registry.layout import RegistryLayout

    registries = make_registries(make_fetcher(workshop.store, output))
    label = f"reading {reference}"
    workshop.progress.start(label)
    try:
        layout = RegistryLayout(registries, reference, functools.partial(workshop.progress.advance, label))
        yield read_bundle(layout, layout.top)
    finally:
        workshop.progress.finish(label)


def completed(
    bundle: Bundle, workshop: Workshop, output: Output, platforms: Collection[Platform] | None = None
) -> Bundle:
    """The bundle with every layer of its images for `platforms`, or of all: a thin one has none of its environment.

    Raises: EnvbuildError, if they can be neither made nor fetched; DigestMismatchError.
    """
    from builder.bundle.thin import completed

    def prepare(lock: Lock, platforms: Sequence[Platform]) -> None:
        output.say(f"{bundle.name} is thin: making the layers of its environment from the lock inside")
        ensure_built_wheels(lock, platforms, workshop, output)

    return completed(bundle, workshop, prepare, platforms)


def _path(text: str) -> Path:
    path = Path(text)
    if (path / PROJECT_FILE).is_file():
        raise EnvbuildError(
            f"`{path}` is a project, not a bundle", hint=f"Make one with {command_text('bundle', path)}"
        )
    if not path.exists():
        hint = f"Name a bundle's file or folder, or `{REFERENCE}HOST/NAME:TAG` in a registry"
        raise EnvbuildError(f"`{path}` is not there", hint=hint)
    return path


platform_of_bundle_option = click.option(
    "--platform", metavar="OS/ARCH", help="The image for this platform [default: this machine's, else the first]."
)


def opened_files(bundle: Bundle, platform: str | None, *, whole: bool) -> Files:
    """The files of the image that is meant. Raises: EnvbuildError, if there is none."""
    from builder.bundle.contents import Files

    return Files(bundle.layout, bundle.image(chosen_platform(bundle, platform)), whole=whole)


def chosen_platform(bundle: Bundle, name: str | None) -> Platform:
    """The platform that was named, else this machine's, else the first that the bundle has an image for."""
    if name is not None:
        return Platform.parse(name)
    with suppress(EnvbuildError):
        if (here := host_platform()) in bundle.images:
            return here
    return min(bundle.images)
