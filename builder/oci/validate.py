"""Checking an image against its own promises: every digest, size and diff_id recomputed, all mismatches reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from typing import IO, cast

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_LAYER_GZIP,
    Descriptor,
    ImageConfig,
    Manifest,
)
from builder.oci.layout import CHUNK, Layout
from builder.oci.streams import ObservedStream, gunzip, inflate_errors

_LAYER_LIMIT = 1 << 40
"""Bytes of a layer at most, uncompressed."""


def validate(layout: Layout, top: Descriptor) -> tuple[str, ...]:
    """Every mismatch below `top`, a sentence each; none if it is sound. Reads every image once."""
    return tuple(_problems(layout, top))


def _problems(layout: Layout, top: Descriptor) -> Iterator[str]:
    waiting, seen = [top], set()
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest in seen:
            continue
        seen.add(descriptor.digest)
        try:
            if descriptor.media_type == MEDIA_TYPE_INDEX:
                waiting += reversed(layout.index(descriptor).manifests)
                continue
            manifest = layout.manifest(descriptor)
        except EnvbuildError as error:
            yield error.what
            continue
        yield from _image_problems(layout, descriptor, manifest)


@contextmanager
def checked_stream(
    layout: Layout, descriptor: Descriptor, diff_id: Digest, limit: int = _LAYER_LIMIT
) -> Iterator[IO[bytes]]:
    """The tar inside a gzip layer, read to its end by the caller, and both digests checked behind it.

    Raises: DigestMismatchError, if either is another; EnvbuildError, if it is not gzip or inflates beyond `limit`.
    """
    with layout.open(descriptor.digest) as file:
        compressed = ObservedStream(file, descriptor.size, f"layer {descriptor.digest}")
        with gunzip(compressed) as inflated:
            tar = ObservedStream(inflated, limit, f"layer {descriptor.digest}, inflated,")
            try:
                yield cast("IO[bytes]", tar)
            except (OSError, EOFError, inflate_errors()) as error:
                raise DigestMismatchError(f"layer {descriptor.digest} is not whole", str(error)) from error
    if compressed.size != descriptor.size or compressed.digest != descriptor.digest:
        raise DigestMismatchError(f"layer {descriptor.digest} has the digest {compressed.digest}")
    if tar.digest != diff_id:
        raise DigestMismatchError(f"layer {descriptor.digest} inflates to {tar.digest}, not to its diff_id {diff_id}")


def _image_problems(layout: Layout, top: Descriptor, manifest: Manifest) -> Iterator[str]:
    diff_ids: tuple[Digest, ...] = ()
    try:
        config = ImageConfig.from_bytes(layout.read(manifest.config))
        diff_ids = config.diff_ids
        if top.platform and top.platform != config.platform:
            yield f"image {top.digest} is for {config.platform}, not for {top.platform} as its index says"
        if len(diff_ids) != len(manifest.layers):
            yield f"image {top.digest} has {len(manifest.layers)} layers and {len(diff_ids)} diff_ids"
    except EnvbuildError as error:
        yield error.what
    for layer, diff_id in zip_longest(manifest.layers, diff_ids[: len(manifest.layers)]):
        if layer.media_type != MEDIA_TYPE_LAYER_GZIP:
            yield f"layer {layer.digest} is of type {layer.media_type[:100]}"
        try:
            if diff_id is None or layer.media_type != MEDIA_TYPE_LAYER_GZIP:
                _check_blob(layout, layer)
            else:
                _check_layer(layout, layer, diff_id)
        except EnvbuildError as error:
            yield error.what


def _check_layer(layout: Layout, layer: Descriptor, diff_id: Digest) -> None:
    with checked_stream(layout, layer, diff_id) as stream:
        while stream.read(CHUNK):
            pass


def _check_blob(layout: Layout, blob: Descriptor) -> None:
    with layout.open(blob.digest) as file:
        stream = ObservedStream(file, blob.size, f"blob {blob.digest}")
        while stream.read(CHUNK):
            pass
    if stream.size != blob.size or stream.digest != blob.digest:
        raise DigestMismatchError(f"blob {blob.digest} has the digest {stream.digest}")
