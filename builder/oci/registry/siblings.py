"""Which repository of a registry has got which blob, as the store remembers it: a hint for mounting, never a fact."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.registry.reference import Reference
from builder.oci.store import Store

_KIND = "pushed"
_MOST = 5000
"""Blobs of a registry that are remembered; the latest ones stay."""


def siblings(store: Store, registry: str) -> dict[Digest, str]:
    """The repositories of a registry by the blobs that were last pushed to them from here."""
    try:
        return {Digest(str(name)): str(repository) for name, repository in store.record(_KIND, _key(registry)) or ()}
    except (ValueError, TypeError, EnvbuildError):  # it was damaged
        return {}


def remember(store: Store, place: Reference, blobs: Collection[Digest]) -> None:
    """Note that blobs are in the repository of `place`."""
    if not blobs:
        return
    key = _key(place.registry)
    with suppress(OSError), store.locked(f"{_KIND}-{key}"):
        known = siblings(store, place.registry)
        others = [(blob, repository) for blob, repository in known.items() if blob not in blobs]
        latest = [*others, *((blob, place.repository) for blob in sorted(blobs))][-_MOST:]
        store.keep_record(_KIND, key, [[blob.hex, repository] for blob, repository in latest])


def _key(registry: str) -> str:
    return Digest.of(registry.encode()).hex
