"""Blobs of images that the store need not have: layers of a base, fetched from its registry when something needs them.

Every byte is checked against its digest while it is received. What an interrupted run has received is kept.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import BinaryIO

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch.download import partial_file
from builder.image.workshop import Workshop
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor
from builder.oci.layout import CHUNK
from builder.oci.registry.client import BlobStream
from builder.oci.registry.reference import Reference
from builder.oci.registry.work import Observe, each_blob
from builder.oci.store import Store

Bring = Callable[[Iterable[Descriptor]], None]
"""Has blobs in the store; those that can only be made are passed over."""


def bring(blobs: Iterable[Descriptor], elsewhere: Mapping[Digest, Reference], workshop: Workshop) -> None:
    """Have those of `blobs` that are `elsewhere` in the store.

    Raises: EnvbuildError, if one cannot be had; DigestMismatchError, if it is another.
    """
    store = workshop.store
    missing = {
        blob.digest: blob for blob in blobs if blob.digest in elsewhere and not store.has(blob.digest, blob.size)
    }
    if not missing:
        return
    names = sorted({str(elsewhere[digest]) for digest in missing})
    if workshop.fetcher.offline:
        raise EnvbuildError(
            f"layers of the base `{names[0]}` are needed, and this run is offline",
            sorted(map(str, missing)),
            "Run it once without `--offline`: they are kept",
        )
    registries = workshop.registries()

    def fetch(blob: Descriptor, observe: Observe) -> None:
        with partial_file(store.partial_path(blob.digest.hex)) as file:
            _receive(blob, file, store, lambda: registries.open(elsewhere[blob.digest], blob, observe))

    each_blob(fetch, missing.values(), f"fetching layers of {', '.join(names)}", workshop.progress)


def _receive(blob: Descriptor, file: BinaryIO, store: Store, connect: Callable[[], BlobStream]) -> None:
    """Receive what `file` lacks of a blob, and make it the store's."""
    if store.has(blob.digest, blob.size):
        Path(file.name).unlink()
        return
    size = file.seek(0, os.SEEK_END)
    if size >= blob.size:
        size = file.truncate(0)
    try:
        _append(file, connect)
    except DigestMismatchError:
        file.truncate(0)
        if not size:
            raise
        _append(file, connect)  # what was there before was not what it should be
    file.flush()
    os.chmod(file.name, 0o644)
    os.replace(file.name, store.path(blob.digest))


def _append(file: BinaryIO, connect: Callable[[], BlobStream]) -> None:
    file.seek(0)
    with connect() as source:
        while chunk := file.read(CHUNK):
            source.resume(chunk)
        while chunk := source.read(CHUNK):
            file.write(chunk)
