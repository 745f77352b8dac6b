"""The first half of a reproduction: the images of a bundle built again from what is inside, and their digests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.bundle.build import Built
from builder.bundle.inside.recreate import Recreated, recreate
from builder.bundle.reading.contents import Files
from builder.bundle.reading.reader import Bundle
from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.difference import Side, image_differences
from builder.image.kept import Image
from builder.image.workshop import Workshop
from builder.oci.documents import INDEXES, Platform
from builder.run.reproduce.check import Check

Build = Callable[[Recreated, Sequence[Platform], Workshop], Built]
"""Builds a project's images for some platforms in a workshop."""
_TOLD = 4
"""Differences of two images that are told."""


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was built, and how it compares."""

    checks: tuple[Check, ...]
    built: Built | None
    """None where nothing could be built."""
    run: bytes | None = None
    """The record of the run that made the model, if the bundle has one."""


def rebuild(
    bundle: Bundle, document: Mapping[str, Any], platforms: Sequence[Platform], folder: Path, tools: Tools
) -> Rebuilt:
    """Build the images for `platforms` again; the project is laid out in `folder`, which is empty.

    What cannot be built here is not measured. Raises: DigestMismatchError, if the bundle itself is damaged.
    """
    image = bundle.image(platforms[0])
    try:
        files = Files(bundle.layout, image, whole=False)
        recreated = recreate(bundle, files, document, folder, tools.new.store)
        built = tools.build(recreated, platforms, tools.new)
    except DigestMismatchError:
        raise
    except EnvbuildError as error:
        why = ": ".join((error.what, *error.why))
        names = [f"image {platform}" for platform in platforms]
        return Rebuilt(tuple(Check(name, "not measured", f"it cannot be built here: {why}") for name in names), None)
    record = recreated.project.folder / "out" / "run.json"
    run = record.read_bytes() if record.is_file() else None
    return Rebuilt(tuple(_compared(bundle, platforms, built, tools)), built, run)


@dataclass(frozen=True, slots=True)
class Tools:
    """What building again needs."""

    new: Workshop
    """With an empty store, in which everything is made."""
    build: Build


def _compared(bundle: Bundle, platforms: Sequence[Platform], built: Built, tools: Tools) -> Iterator[Check]:
    made = {_plain(image.config.platform): image for image in built.images}
    for platform in platforms:
        yield _image_check(bundle, platform, made[_plain(platform)], tools)
    if len(platforms) < len(bundle.images):
        return
    found = built.index if bundle.top.media_type in INDEXES else built.top
    same = found.digest == bundle.top.digest
    why = "" if same else "the index over images and artifacts is another"
    yield Check("bundle", "same" if same else "different", why, str(bundle.top.digest), str(found.digest))


def _image_check(bundle: Bundle, platform: Platform, made: Image, tools: Tools) -> Check:
    name, image = f"image {platform}", bundle.image(platform)
    old, new = image.descriptor.digest, made.descriptor.digest
    if old == new:
        return Check(name, "same", "", str(old), str(new))
    sides = Side("in the bundle", bundle.layout, image), Side("built again", tools.new.store, made)
    try:
        told = [problem.message for problem in image_differences(*sides)][1 : _TOLD + 1]
    except EnvbuildError as error:
        told = [str(error)]
    return Check(name, "different", "; ".join(told), str(old), str(new))


def _plain(platform: Platform) -> tuple[str, str]:
    return platform.os, platform.architecture
