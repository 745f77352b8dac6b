"""Checking an image against its own promises: every digest, size and diff_id recomputed, all mismatches reported."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, cast

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_LAYER_GZIP,
    Descriptor,
    ImageConfig,
)
from builder.oci.layout import CHUNK, Layout
from builder.oci.streams import ObservedStream, gunzip

_LAYER_LIMIT = 1 << 40
"""Bytes of a layer at most, uncompressed."""


def validate(layout: Layout, top: Descriptor) -> tuple[str, ...]:
    """Every mismatch below `top`, a sentence each; none if it is sound. Reads every blob once."""
    try:
        if top.media_type == MEDIA_TYPE_INDEX:
            manifests = layout.index(top).manifests
        else:
            return tuple(_validate_image(layout, top))
    except EnvbuildError as error:
        return (error.what,)
    return tuple(problem for manifest in manifests for problem in validate(layout, manifest))


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
            except (OSError, EOFError) as error:
                raise DigestMismatchError(f"layer {descriptor.digest} is not whole", str(error)) from error
    if compressed.size != descriptor.size or compressed.digest != descriptor.digest:
        raise DigestMismatchError(f"layer {descriptor.digest} has the digest {compressed.digest}")
    if tar.digest != diff_id:
        raise DigestMismatchError(f"layer {descriptor.digest} inflates to {tar.digest}, not to its diff_id {diff_id}")


def _validate_image(layout: Layout, top: Descriptor) -> Iterator[str]:
    manifest = layout.manifest(top)
    config = ImageConfig.from_bytes(layout.read(manifest.config))
    if len(config.diff_ids) != len(manifest.layers):
        yield f"image {top.digest} has {len(manifest.layers)} layers and {len(config.diff_ids)} diff_ids"
        return
    for layer, diff_id in zip(manifest.layers, config.diff_ids, strict=True):
        if layer.media_type != MEDIA_TYPE_LAYER_GZIP:
            yield f"layer {layer.digest} is of type {layer.media_type[:100]}"
            continue
        try:
            with checked_stream(layout, layer, diff_id) as stream:
                while stream.read(CHUNK):
                    pass
        except EnvbuildError as error:
            yield error.what
