"""Blobs of images that the store need not have: layers of a base, fetched from its registry when something needs them.

Every byte is checked against its digest while it is received. What an interrupted run has received is gone on with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.errors import EnvbuildError
from builder.image.workshop import Workshop
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor
from builder.oci.registry.receive import receive
from builder.oci.registry.reference import Reference
from builder.oci.registry.work import Observe, each_blob


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
        receive(registries, elsewhere[blob.digest], blob, store, observe)

    each_blob(fetch, missing.values(), f"fetching layers of {', '.join(names)}", workshop.progress)
