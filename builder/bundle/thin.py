"""Thin bundles: files without the layers of their environment, which the lock inside gives again, byte by byte.

What is missing is told here, made by the builder or fetched from the registry of the base, and taken for right only
by its digest. Layers of model, data, code and documents are never missing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import IO

from builder.bundle.reading.reader import Bundle, read_lock_files
from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.absent import bring
from builder.image.contents.layers import ADDED, kinds_of
from builder.image.kept import Image
from builder.image.workshop import Workshop
from builder.layers.interface import LAYER_FORMAT
from builder.lock.document import Lock
from builder.lock.folder import parse_lock
from builder.oci.archive import ArchiveReader
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor, Platform
from builder.oci.layout import Layout
from builder.plan import Plan, make_plan

Prepare = Callable[[Lock, Sequence[Platform]], None]
"""Has in the store what no index has: wheels that were built from source."""


def environment_layers(lock: Lock, platforms: Sequence[Platform], workshop: Workshop) -> frozenset[Digest]:
    """The layers that a thin bundle does without. Raises: EnvbuildError, DigestMismatchError."""
    from builder.image.build import build_platforms

    images = build_platforms([make_plan(lock, platform) for platform in platforms], workshop)
    return frozenset(layer.digest for image in images for layer in image.manifest.layers)


def missing_layers(layout: Layout, image: Image) -> tuple[Descriptor, ...]:
    """The layers of an image that a thin bundle does without, lowest first: all of its environment, or it is none.

    Where some of them are missing, or others, the bundle is damaged.
    """
    if type(layout) not in (Layout, ArchiveReader):  # a registry or an engine has all, or says so itself
        return ()
    layers = image.manifest.layers
    own = sum(1 for _ in itertools.takewhile(ADDED.__contains__, reversed(kinds_of(image.config, len(layers)))))
    environment = layers[: len(layers) - own] if own else ()
    absent = tuple(layer for layer in layers if not layout.has(layer.digest, layer.size))
    return absent if absent == environment else ()


def inner_lock(bundle: Bundle) -> Lock:
    """The lock that a bundle carries. Raises: EnvbuildError, if there is none, or it is not as it was made."""
    return parse_lock(read_lock_files(bundle), bundle.name)


def inner_plan(lock: Lock, platform: Platform) -> Plan:
    """The plan of the environment of an image. Raises: EnvbuildError, if the lock has none for its platform."""
    known = platform in lock.document.platforms
    return make_plan(lock, platform if known else replace(platform, variant=None))


def completed(
    bundle: Bundle, workshop: Workshop, prepare: Prepare, platforms: Collection[Platform] | None = None
) -> Bundle:
    """The bundle with all layers of its images for `platforms`, or of all; those that were missing are in the store.

    Raises: EnvbuildError, if they cannot be made here; DigestMismatchError, if the lock inside gives others.
    """
    images = [image for platform, image in bundle.images.items() if platforms is None or platform in platforms]
    missing = {layer.digest: layer for image in images for layer in missing_layers(bundle.layout, image)}
    if not all(workshop.store.has(layer.digest, layer.size) for layer in missing.values()):
        _make(bundle, images, missing.values(), workshop, prepare)
    return replace(bundle, layout=Completed(bundle.layout, workshop.store, missing)) if missing else bundle


def _make(
    bundle: Bundle, images: Sequence[Image], missing: Collection[Descriptor], workshop: Workshop, prepare: Prepare
) -> None:
    from builder.image.build import build_platforms

    lock = inner_lock(bundle)
    if lock.document.layer_format != LAYER_FORMAT:
        raise EnvbuildError(
            f"the layers that `{bundle.name}` does without cannot be made again",
            f"it is of revision {lock.document.layer_format} of the layer format; this envbuild has {LAYER_FORMAT}",
            "Use the envbuild that it was made with, or get the full bundle",
        )
    plans = [inner_plan(lock, image.config.platform) for image in images if missing_layers(bundle.layout, image)]
    prepare(lock, [plan.platform for plan in plans])
    for made in build_platforms(plans, workshop):
        bring((layer for layer in missing if layer.digest in made.elsewhere), made.elsewhere, workshop)
    others = [str(layer.digest) for layer in missing if not workshop.store.has(layer.digest, layer.size)]
    if others:
        raise DigestMismatchError(
            f"`{bundle.name}` is not complete: the lock inside does not give the layers that it does without",
            others,
            "It is of a lock that was changed, or of another builder: get the full bundle",
        )


class Completed(Layout):
    """A bundle's blobs, and those that it does without in a store."""

    def __init__(self, layout: Layout, store: Layout, missing: Collection[Digest]) -> None:
        super().__init__(layout.root)
        self._layout, self._store = layout, store
        self._missing = frozenset(missing)

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there with this size in bytes."""
        return self._of(digest).has(digest, size)

    def open(self, digest: Digest) -> IO[bytes]:
        """The blob as a file. Raises: EnvbuildError, if it is missing."""
        return self._of(digest).open(digest)

    def discard(self, digest: Digest) -> None:
        """Delete a damaged blob, where it is the store's."""
        self._of(digest).discard(digest)

    def _of(self, digest: Digest) -> Layout:
        return self._store if digest in self._missing else self._layout
