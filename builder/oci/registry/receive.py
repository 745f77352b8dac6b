"""Receiving a blob of a registry into the store: begun once, and gone on with by whatever run comes next."""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

from builder.errors import DigestMismatchError
from builder.oci.documents import Descriptor
from builder.oci.layout import CHUNK, partial_file
from builder.oci.registry.client import Registries
from builder.oci.registry.reference import Reference
from builder.oci.registry.work import Observe
from builder.oci.store import Store


def receive(registries: Registries, place: Reference, blob: Descriptor, store: Store, observe: Observe) -> int:
    """Have a blob of the repository of `place` in the store; the bytes that were received for it.

    What a run that was ended has received stays, and is not asked for again. `observe` is told of that too.

    Raises: EnvbuildError, if it cannot be had; DigestMismatchError, if it is another.
    """
    with partial_file(store.partial_path(blob.digest.hex)) as file:
        if store.has(blob.digest, blob.size):  # of another process meanwhile
            Path(file.name).unlink()
            return 0
        try:
            kept = _resume(registries, place, blob, file, observe)
        except BaseException:
            if file.seek(0, os.SEEK_END) == 0:
                Path(file.name).unlink()
            raise
        file.flush()
        os.chmod(file.name, 0o644)
        os.replace(file.name, store.path(blob.digest))
        return blob.size - kept


def _resume(registries: Registries, place: Reference, blob: Descriptor, file: BinaryIO, observe: Observe) -> int:
    """Append to `file` what it lacks; how many bytes of it were right before."""
    kept = file.seek(0, os.SEEK_END)
    if kept >= blob.size:
        kept = file.truncate(0)
    try:
        _append(registries, place, blob, file, observe)
    except DigestMismatchError:
        file.truncate(0)
        if not kept:
            raise
        kept = 0
        _append(registries, place, blob, file, observe)  # what was there before was of something else
    return kept


def _append(registries: Registries, place: Reference, blob: Descriptor, file: BinaryIO, observe: Observe) -> None:
    file.seek(0)
    with registries.open(place, blob, observe) as source:
        while chunk := file.read(CHUNK):
            source.resume(chunk)
            observe(len(chunk))
        while chunk := source.read(CHUNK):
            file.write(chunk)
