"""Pins an image of a registry for one platform: its digests, its settings, its C library and its Python.

A tag is looked up once in a process, so that all platforms come from one state of it. What an image has inside is
found by reading its layers through once, and kept in the store under the digest of its manifest.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import IO, Protocol, cast

from builder.errors import DigestMismatchError, EnvbuildError, NotMeasuredError, one_line
from builder.lock.base_image import BaseImage
from builder.lock.base_image.files import ImageFiles
from builder.lock.base_image.pinned import Settings, oci_layer
from builder.lock.base_image.python import REVISION, Contents, look_into
from builder.lock.base_image.room import folders_of
from builder.lock.document import Interpreter
from builder.oci.compression import LARGEST_LAYER, damage_errors, decompressed
from builder.oci.digest import Digest
from builder.oci.documents import (
    DOCUMENT_LIMIT,
    MANIFESTS,
    MEDIA_TYPE_CONFIG,
    MOST_LAYERS,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)
from builder.oci.layout import CHUNK
from builder.oci.registry.client import BlobStream, Document
from builder.oci.registry.reference import Reference
from builder.oci.store import Store
from builder.oci.streams import ObservedStream
from builder.oci.tar_entries import TarReader
from builder.progress import Progress, Silent

_RECORDS = "image-contents"
_CONFIGS = frozenset({MEDIA_TYPE_CONFIG, "application/vnd.docker.container.image.v1+json"})
_HISTORY_LIMIT = 1000
"""Characters of what a lock keeps of one entry."""


class Reads(Protocol):
    """What is needed of registries."""

    def manifest(self, reference: Reference) -> Document:
        """The manifest or index that a reference names now."""

    def read(self, reference: Reference, descriptor: Descriptor) -> bytes:
        """A small blob."""

    def open(self, reference: Reference, descriptor: Descriptor, observe: Callable[[int], None]) -> BlobStream:
        """A blob to read."""

    def has(self, reference: Reference, descriptor: Descriptor) -> bool:
        """Whether a manifest or a blob is there."""


@dataclass(frozen=True, slots=True)
class _Image:
    """One platform's image, each document verified."""

    reference: Reference
    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig

    @property
    def environment(self) -> Mapping[str, str]:
        """Of its config, by name."""
        return dict(pair.split("=", 1) for pair in self.config.env if "=" in pair)

    def pinned(self, contents: Contents) -> BaseImage:
        """As a lock keeps it. Raises: EnvbuildError, if something is where an environment goes."""
        config, layers = self.config, self.manifest.layers
        return BaseImage(
            str(self.reference),
            _bare(self.descriptor),
            _bare(self.manifest.config),
            tuple(map(_bare, self.manifest.layers)),
            config.diff_ids,
            contents.glibc,
            config.env,
            Settings.of(config),
            tuple(one_line(entry)[:_HISTORY_LIMIT] for entry in config.history)
            if len(config.history) == len(layers)
            else (),
            folders_of(contents.room, str(self.reference)),
        )


class RegistryImages:
    """Pins images, as an `ImageResolver`. Safe for several threads."""

    def __init__(self, registries: Reads, store: Store, progress: Progress | None = None) -> None:
        self._registries = registries
        self._store = store
        self._progress = progress or Silent()
        self._named: dict[Reference, Document] = {}
        self._lock = threading.Lock()

    def __call__(
        self, reference: str, platform: Platform, python: str | None, inspect: bool
    ) -> tuple[BaseImage, Interpreter | None]:
        """The image for a platform, and the interpreter in it, unless `inspect` is false.

        Raises: EnvbuildError, if it cannot be had, is not for this platform, or has no glibc or no such interpreter;
        DigestMismatchError.
        """
        image = self._image(Reference.parse(reference), platform)
        contents = self._contents(image, platform)
        contents.check_glibc(str(image.reference))
        pinned = image.pinned(contents)
        if not inspect:
            return pinned, None
        chosen = contents.choose(python, str(image.reference))
        return pinned, Interpreter("base", chosen.version, chosen.path)

    def probe(self, image: BaseImage) -> None:
        """Ask for every document and layer of a pinned image.

        Raises: EnvbuildError, if something is gone; NotMeasuredError, if its registry does not tell.
        """
        reference = Reference.parse(image.reference)
        try:
            parts = (image.manifest, image.config, *image.layers)
            gone = [str(part.digest) for part in parts if not self._registries.has(reference, part)]
        except EnvbuildError as error:
            raise NotMeasuredError(error.what, error.why, error.hint) from error
        if gone:
            raise EnvbuildError(f"`{reference}`, as it is locked, is no longer whole in its registry", gone)

    def _image(self, reference: Reference, platform: Platform) -> _Image:
        document = self._current(reference)
        if document.is_index:
            document = self._of_platform(reference, document, platform)
        manifest = Manifest.from_bytes(document.data)
        if manifest.config.media_type not in _CONFIGS:
            raise EnvbuildError(f"`{reference}` is not an image", f"its config is `{manifest.config.media_type[:100]}`")
        data = self._kept(manifest.config, lambda: self._registries.read(reference, manifest.config))
        image = _Image(reference, document.descriptor, manifest, ImageConfig.from_bytes(data))
        if not image.config.platform.serves(platform):
            raise _other_platforms(reference, platform, [str(image.config.platform)])
        _check_layers(image)
        return image

    def _current(self, reference: Reference) -> Document:
        with self._lock:
            if reference not in self._named:
                self._named[reference] = self._registries.manifest(reference)
            return self._named[reference]

    def _of_platform(self, reference: Reference, index: Document, platform: Platform) -> Document:
        entries = Index.from_bytes(index.data).manifests
        offered = {entry.platform: entry for entry in reversed(entries) if entry.media_type in MANIFESTS}
        entry = next((entry for other, entry in offered.items() if other and other.serves(platform)), None)
        if entry is None:
            names = sorted(str(other) for other in offered if other and other.os != "unknown")
            raise _other_platforms(reference, platform, names)
        exact = Reference(reference.registry, reference.repository, None, entry.digest)
        return Document(entry, self._kept(entry, lambda: self._registries.manifest(exact).data))

    def _kept(self, descriptor: Descriptor, fetch: Callable[[], bytes]) -> bytes:
        """A document from the store, or fetched once."""
        if descriptor.size > DOCUMENT_LIMIT:
            raise EnvbuildError(f"blob {descriptor.digest} is too large to be a document", f"{descriptor.size} bytes")
        if self._store.has(descriptor.digest, descriptor.size):
            return self._store.read(descriptor)
        data = fetch()
        if len(data) != descriptor.size or Digest.of(data) != descriptor.digest:
            raise DigestMismatchError(f"the registry's document {descriptor.digest} is not what its digest says")
        self._store.write(data)
        return data

    def _contents(self, image: _Image, platform: Platform) -> Contents:
        """What is in an image, of the store if it was read before."""
        name = image.descriptor.digest.hex
        key = f"{name}-{REVISION}"
        with self._store.locked(f"image-{name}"):
            try:
                return Contents.from_dict(self._store.record(_RECORDS, key))
            except (KeyError, TypeError, ValueError):
                contents = look_into(self._files(image), platform.architecture, image.environment)
            self._store.keep_record(_RECORDS, key, contents.to_dict())
        return contents

    def _files(self, image: _Image) -> ImageFiles:
        files, size = ImageFiles(), 0
        layers = list(zip(image.manifest.layers, image.config.diff_ids, strict=True))
        for number, (layer, diff_id) in enumerate(layers, 1):
            label = f"reading layer {number} of {len(layers)} of {image.reference}"
            self._progress.start(label, layer.size)
            try:
                size += self._add_layer(files, image.reference, layer, diff_id, label)
            finally:
                self._progress.finish(label)
            if size > LARGEST_LAYER:
                raise EnvbuildError(
                    f"`{image.reference}` cannot be a base", f"its layers hold more than {size - 1} bytes"
                )
        return files

    def _add_layer(
        self, files: ImageFiles, reference: Reference, layer: Descriptor, diff_id: Digest, label: str
    ) -> int:
        """Apply a layer, which is read to its end so that both of its digests are checked; the bytes of its content."""
        what = f"layer {layer.digest} of `{reference}`"
        try:
            with self._open(reference, layer, label) as blob:
                received = io.BufferedReader(cast("io.RawIOBase", blob), CHUNK)
                content = ObservedStream(decompressed(received), LARGEST_LAYER, what)
                archive = io.BufferedReader(content, CHUNK)
                files.add_layer(TarReader(archive))
                for stream in (archive, received):
                    while stream.read(CHUNK):
                        pass
        except damage_errors() as error:
            raise EnvbuildError(f"{what} cannot be read", str(error)) from error
        if content.digest != diff_id:
            raise DigestMismatchError(
                f"{what} has another content than the image's config says", f"it is {content.digest}, not {diff_id}"
            )
        return content.size

    def _open(self, reference: Reference, layer: Descriptor, label: str) -> IO[bytes] | BlobStream:
        """A layer of the store, where it was kept for something else, or of the registry."""
        if self._store.has(layer.digest, layer.size):
            return self._store.open(layer.digest)
        return self._registries.open(reference, layer, lambda count: self._progress.advance(label, count))


def _bare(descriptor: Descriptor) -> Descriptor:
    """Without what says nothing of the blob."""
    return Descriptor(descriptor.media_type, descriptor.digest, descriptor.size)


def _other_platforms(reference: Reference, platform: Platform, names: list[str]) -> EnvbuildError:
    return EnvbuildError(
        f"`{reference}` is not there for {platform}",
        f"it is there for {', '.join(names)}" if names else "it names no platform",
        "Take another image, or leave the platform out of `platforms`",
    )


def _check_layers(image: _Image) -> None:
    layers = image.manifest.layers
    if len(layers) != len(image.config.diff_ids) or not 0 < len(layers) <= MOST_LAYERS:
        raise EnvbuildError(
            f"`{image.reference}` cannot be a base",
            f"its manifest has {len(layers)} layers and its config {len(image.config.diff_ids)}",
        )
    for layer in layers:
        try:
            oci_layer(layer)
        except EnvbuildError as error:
            raise EnvbuildError(f"`{image.reference}` cannot be a base", (error.what, *error.why)) from error
