"""What was made before, under a key of its inputs: images, layers and the listings of packages, as store records."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from builder.layers.interface import LAYER_FORMAT, Contents, Directory
from builder.layers.join import Layer
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
)
from builder.oci.layout import Layout
from builder.oci.registry.reference import Reference
from builder.oci.store import Store

_NOWHERE: Mapping[Digest, Reference] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Image:
    """A finished image of one platform in the store."""

    descriptor: Descriptor
    """Of the manifest."""
    manifest: Manifest
    config: ImageConfig
    elsewhere: Mapping[Digest, Reference] = field(default_factory=dict)
    """Layers of a base that the store need not have, and the repositories that have them."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Its layers, lowest first."""
        return tuple(map(Layer, self.manifest.layers, self.config.diff_ids))


def write_image(
    store: Store,
    layers: Sequence[Layer],
    config: ImageConfig,
    elsewhere: Mapping[Digest, Reference] = _NOWHERE,
    *,
    written: bytes | None = None,
) -> Image:
    """Keep config and manifest of an image in the store; its standard labels are the manifest's annotations too.

    `written` is the config as another tool wrote it, so that engines know the image again.
    """
    data = config.to_bytes() if written is None else written
    annotations = {name: text for name, text in config.labels.items() if name.startswith("org.opencontainers.image.")}
    manifest = Manifest(
        Descriptor(MEDIA_TYPE_CONFIG, store.write(data), len(data)),
        tuple(layer.descriptor for layer in layers),
        annotations,
    )
    data = manifest.to_bytes()
    descriptor = Descriptor(MEDIA_TYPE_MANIFEST, store.write(data), len(data), platform=config.platform)
    return Image(descriptor, manifest, config, elsewhere)


def read_image(layout: Layout, descriptor: Descriptor) -> Image:
    """The image whose manifest `descriptor` names.

    Raises: EnvbuildError, DigestMismatchError, if a document is missing, foreign or damaged.
    """
    manifest = layout.manifest(descriptor)
    return Image(descriptor, manifest, ImageConfig.from_bytes(layout.read(manifest.config)))


def kept_image(
    store: Store,
    key: Mapping[str, Any],
    make: Callable[[], Image],
    elsewhere: Mapping[Digest, Reference] = _NOWHERE,
) -> Image:
    """The image kept under `key` with all its blobs, or the one that `make` makes, which is kept then.

    The store need not have the blobs that are `elsewhere`.
    """
    image = known_image(store, key, elsewhere)
    if image is None:
        with locked_images(store, [key]):
            image = known_image(store, key, elsewhere)
            if image is None:
                image = make()
                keep_image(store, key, image)
    return image


def known_image(store: Store, key: Mapping[str, Any], elsewhere: Mapping[Digest, Reference] = _NOWHERE) -> Image | None:
    """The image kept under `key` with all its blobs but those `elsewhere`, or None if there is none."""
    record = store.record("images", _name(key))
    if record is None:
        return None
    descriptor = Descriptor.from_dict(record)
    if not store.has(descriptor.digest, descriptor.size):
        return None
    manifest = store.manifest(descriptor)
    needed = [blob for blob in (manifest.config, *manifest.layers) if blob.digest not in elsewhere]
    if not all(store.has(blob.digest, blob.size) for blob in needed):
        return None
    return replace(read_image(store, descriptor), elsewhere=elsewhere)


@contextmanager
def locked_images(store: Store, keys: Iterable[Mapping[str, Any]]) -> Iterator[None]:
    """Keep others from making the images of these keys at the same time."""
    with ExitStack() as stack:
        for name in sorted(map(_name, keys)):  # in one order everywhere, so that nobody waits for each other
            stack.enter_context(store.locked(f"image-{name}"))
        yield


def keep_image(store: Store, key: Mapping[str, Any], image: Image) -> None:
    """Keep an image under `key`."""
    store.keep_record("images", _name(key), image.descriptor.to_dict())


def kept_layer(store: Store, key: Mapping[str, Any], make: Callable[[], Layer]) -> Layer:
    """The layer kept under `key`, or the one that `make` makes, which is kept then."""
    layer = known_layer(store, key)
    if layer is None:
        layer = make()
        descriptor = layer.descriptor
        record = {"digest": str(descriptor.digest), "size": descriptor.size, "diff_id": str(layer.diff_id)}
        kind = {} if descriptor.media_type == MEDIA_TYPE_LAYER_GZIP else {"mediaType": descriptor.media_type}
        store.keep_record("layers", _name(key), record | kind)
    return layer


def known_layer(store: Store, key: Mapping[str, Any]) -> Layer | None:
    """The layer kept under `key`, or None if there is none."""
    record = store.record("layers", _name(key))
    if record is None or not store.has(Digest.parse(record["digest"]), record["size"]):
        return None
    kind = record.get("mediaType", MEDIA_TYPE_LAYER_GZIP)
    descriptor = Descriptor(kind, Digest.parse(record["digest"]), record["size"])
    return Layer(descriptor, Digest.parse(record["diff_id"]))


def kept_value(store: Store, kind: str, key: Mapping[str, Any], make: Callable[[], Any]) -> Any:
    """The JSON value kept under `key`, or the one that `make` makes, which is kept then."""
    name = _name(key)
    value = store.record(kind, name)
    if value is None:
        value = make()
        store.keep_record(kind, name, value)
    return value


def known_value(store: Store, kind: str, key: Mapping[str, Any]) -> Any | None:
    """The JSON value kept under `key`, or None if there is none."""
    return store.record(kind, _name(key))


def keep_value(store: Store, kind: str, key: Mapping[str, Any], value: Any) -> None:
    """Keep a JSON value under `key`."""
    store.keep_record(kind, _name(key), value)


def contents_to_value(contents: Contents) -> Any:
    """A listing as JSON data."""
    directories = [[entry.path, entry.mode, entry.uid, entry.gid] for entry in contents.directories]
    return {"directories": directories, "paths": list(contents.paths)}


def contents_from_value(value: Any) -> Contents:
    """A listing from JSON data."""
    return Contents(tuple(Directory(*entry) for entry in value["directories"]), tuple(value["paths"]))


def _name(key: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical_json({"layer-format": LAYER_FORMAT, **key})).hexdigest()
