"""What packages state, read out of each file once and kept in the store; their texts are blobs of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from builder.image.kept import keep_value, known_value
from builder.image.locked_file import using
from builder.image.workshop import Workshop
from builder.lock.artifact import DebianPackage
from builder.lock.document import Lock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.records.packages.listing import Artifact, Package, list_packages, locked_artifacts
from builder.records.packages.stated import STATED_FORMAT, LicenseText, Stated

_KIND = "stated-licenses"
"""Of the store's records."""


def packages_of(lock: Lock, platform: Platform, workshop: Workshop) -> tuple[Package, ...]:
    """The packages of a platform's image. Files that were not read before are fetched where the store lacks them.

    Raises: EnvbuildError, if one cannot be had or read; DigestMismatchError.
    """
    return list_packages(lock, platform, stated_of(locked_artifacts(lock, platform), workshop, lock))


def stated_of(artifacts: Sequence[Artifact], workshop: Workshop, lock: Lock) -> dict[Digest, Stated]:
    """What each of these files states, by its digest, with its texts in the store.

    Raises: EnvbuildError, DigestMismatchError.
    """
    store = workshop.store
    found = {one.digest: stated for one in artifacts if (stated := _known(store, one))}
    missing = list({one.digest: one for one in artifacts if one.digest not in found}.values())
    if missing:
        fetcher = workshop.fetcher.with_indexes(dict(lock.indexes))
        paths = fetcher.blobs([one.source for one in missing])

        def read(artifact: Artifact) -> Any:
            return _read(store, artifact, paths[artifact.digest])

        values = workshop.split(read, missing, lambda one: one.size or 0, "reading licences")
        found |= {one.digest: Stated.from_value(value) for one, value in zip(missing, values, strict=True)}
    return found


def _read(store: Store, artifact: Artifact, path: Path) -> Any:
    from builder.records.packages.reading import read_package

    with using(store, artifact):
        said = read_package(artifact, path)
    texts = tuple(LicenseText(name, store.write(text), len(text)) for name, text in sorted(said.texts.items()))
    value = Stated(said.license, said.words, texts, said.elsewhere, said.source).to_value()
    keep_value(store, _KIND, _key(artifact), value)
    return value


def _known(store: Store, artifact: Artifact) -> Stated | None:
    value = known_value(store, _KIND, _key(artifact))
    stated = Stated.from_value(value) if value is not None else None
    return stated if stated and all(_has(store, stated.texts)) else None


def _has(store: Store, texts: Iterable[LicenseText]) -> Iterable[bool]:
    return (store.has(text.digest, text.size) for text in texts)


def _key(artifact: Artifact) -> dict[str, Any]:
    """A deb's own name decides where its copyright file is."""
    name = artifact.name if isinstance(artifact, DebianPackage) else ""
    return {"stated": STATED_FORMAT, "file": artifact.digest.hex, "name": name}
