"""The bundle that a command is given: a file, a folder, or `oci://HOST/NAME:TAG` in a registry."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.machine import host_platform, make_registries
from builder.cli.output import Output, size_text
from builder.cli.wheels import ensure_built_wheels
from builder.errors import EnvbuildError, command_text
from builder.oci.documents import Platform
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.bundle.attached.attach import Place
    from builder.bundle.reading.contents import Files
    from builder.bundle.reading.reader import Bundle
    from builder.image.kept import Image
    from builder.image.workshop import Workshop
    from builder.lock.document import Lock
    from builder.oci.registry import Reference

REFERENCE = "oci://"
"""What a name in a registry begins with, where a path could be meant too."""

bundle_argument = click.argument("target", metavar="BUNDLE")


def reference_in(text: str) -> Reference | None:
    """The name in a registry that is meant, None where a path is. Raises: EnvbuildError, if it is no reference."""
    from builder.oci.registry import Reference

    named = text.startswith(REFERENCE) or (_is_name(text) and not os.path.exists(text))
    return Reference.parse(text.removeprefix(REFERENCE)) if named else None


def _is_name(text: str) -> bool:
    """Whether it has the form `HOST/NAME:TAG` or `HOST/NAME@DIGEST`."""
    host, slash, name = text.partition("/")
    known = host == "localhost" or ":" in host or "." in host.strip(".")
    return bool(slash) and known and (":" in name or "@" in name)


def named_place(text: str, workshop: Workshop) -> Place:
    """Where a bundle is, for `builder.bundle.attached.attach`. Raises: EnvbuildError, if nothing can be there."""
    from builder.bundle.attached.attach import Remote

    reference = reference_in(text)
    if reference is None:
        return _path(text)
    return Remote(reference, make_registries(workshop.fetcher))


@contextmanager
def opened_bundle(text: str, workshop: Workshop) -> Iterator[Bundle]:
    """The bundle, which is read while this lasts; of one in a registry nothing is kept but what is imported.

    Raises: EnvbuildError, if there is none; DigestMismatchError.
    """
    from builder.bundle.reading.reader import open_bundle, read_bundle

    reference = reference_in(text)
    if reference is None:
        yield open_bundle(_path(text))
        return
    from builder.bundle.pulled import with_name
    from builder.oci.registry.layout import RegistryLayout

    registries = make_registries(workshop.fetcher, offline=workshop.fetcher.offline)
    label = f"reading {reference}"
    workshop.progress.start(label)
    try:
        layout = RegistryLayout(registries, reference, functools.partial(workshop.progress.advance, label))
        yield with_name(read_bundle(layout, layout.top), reference)
    finally:
        workshop.progress.finish(label)


def bundle_here(
    text: str, workshop: Workshop, output: Output, check: Callable[[Bundle], None] | None = None
) -> tuple[Bundle, Image]:
    """The bundle, and its image for this machine, which is in the store with all its layers.

    Of one in a registry, only that image is fetched, and what the store has of it is not. `check` sees the bundle
    before anything of it is kept, and what it saw is what is given.

    Raises: EnvbuildError, if there is none, or it cannot be had; DigestMismatchError; what `check` raises.
    """
    from builder.bundle.reading.reader import open_bundle

    platform, reference = host_platform(), reference_in(text)
    if reference is None:
        opened = open_bundle(_path(text))
        if check:
            check(opened)
        bundle = completed(opened, workshop, output, [platform])
        return bundle, bundle.import_image(platform, workshop.store)
    if check:
        with opened_bundle(text, workshop) as opened:
            check(opened)
        reference = replace(reference, tag=None, digest=opened.top.digest)
    bundle = _pulled(reference, platform, workshop, output)
    return bundle, bundle.image(platform)


def _pulled(reference: Reference, platform: Platform, workshop: Workshop, output: Output) -> Bundle:
    from builder.bundle.pulled import with_name
    from builder.bundle.reading.reader import read_bundle
    from builder.oci.registry.pull import pull

    registries = make_registries(workshop.fetcher, offline=workshop.fetcher.offline)
    pulled = pull(registries, reference, workshop.store, [platform], workshop.progress, artifacts=False)
    if pulled.fetched:
        output.say(f"pulled {reference}: {size_text(pulled.fetched)} fetched")
    return with_name(read_bundle(workshop.store, pulled.top), reference)


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
    from builder.bundle.reading.contents import Files

    return Files(bundle.layout, bundle.image(chosen_platform(bundle, platform)), whole=whole)


def chosen_platform(bundle: Bundle, name: str | None) -> Platform:
    """The platform that was named, else this machine's, else the first that the bundle has an image for."""
    if name is not None:
        return Platform.parse(name)
    with suppress(EnvbuildError):
        if (here := host_platform()) in bundle.images:
            return here
    return min(bundle.images)
