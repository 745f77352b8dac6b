"""Using a locked file from the store: what fails with it is said by its name, and a damaged one is found out."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from builder.errors import DigestMismatchError, EnvbuildError
from builder.layers.interface import Contents, Package, Sink
from builder.lock.artifact import Archive, CondaPackage, DebianPackage, Wheel
from builder.oci.digest import Digest
from builder.oci.layout import CHUNK
from builder.oci.store import Store

Artifact = DebianPackage | Archive | CondaPackage | Wheel


@contextmanager
def using(store: Store, artifact: Artifact) -> Iterator[None]:
    """Name `artifact` in the errors of the body.

    The digest was checked when the file came. It is checked again when the file turns out to be unusable: one that
    was changed since then is deleted, so that the next run fetches it anew.
    """
    try:
        yield
    except EnvbuildError as error:
        name = artifact.source.name
        causes = (error.what, *error.why)
        if _digest(store, artifact.digest) != artifact.digest:
            store.discard(artifact.digest)
            raise DigestMismatchError(
                f"the file of {name} in the store was damaged", causes, "It was deleted; run the command again"
            ) from error
        kind = DigestMismatchError if isinstance(error, DigestMismatchError) else EnvbuildError
        raise kind(f"{name} cannot be built from", causes, error.hint) from error


@dataclass(frozen=True, slots=True)
class LockedPackage:
    """A Package that is read from a locked file while it is written."""

    store: Store
    artifact: Artifact
    package: Package

    def contents(self) -> Contents:
        """Its listing."""
        with using(self.store, self.artifact):
            return self.package.contents()

    def write(self, sink: Sink, left_out: Collection[str] = ()) -> None:
        """Write its segment. Raises: EnvbuildError, DigestMismatchError, with the name of the artifact."""
        with using(self.store, self.artifact):
            self.package.write(sink, left_out)


def _digest(store: Store, expected: Digest) -> Digest:
    checksum = hashlib.sha256()
    with store.open(expected) as file:
        while chunk := file.read(CHUNK):
            checksum.update(chunk)
    return Digest(checksum.hexdigest())
