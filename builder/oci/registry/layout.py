"""An image in a registry as if it were a layout: every blob is received when it is opened, and nothing is kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO, TYPE_CHECKING, cast

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import DOCUMENT_LIMIT, INDEXES, MANIFESTS, Descriptor, Index, Manifest
from builder.oci.layout import Layout
from builder.oci.registry.client import Registries
from builder.oci.registry.reference import Reference

if TYPE_CHECKING:
    from builder.oci.registry.referrers import Listed


class RegistryLayout(Layout):
    """Reads what a reference names. Blobs are known once the documents that name them were read."""

    is_remote = True

    def __init__(
        self, registries: Registries, reference: Reference, observe: Callable[[int], None] = lambda _: None
    ) -> None:
        """`observe` is told of the bytes of blobs that were received.

        Raises: EnvbuildError, if the reference names nothing that can be had; DigestMismatchError.
        """
        self._registries = registries
        self._reference = reference
        self._observe = observe
        self._known: dict[Digest, Descriptor] = {}
        document = registries.manifest(reference)
        self._documents = {document.descriptor.digest: document.data}
        self.top = document.descriptor
        """What the reference names."""

    def has(self, digest: Digest, size: int) -> bool:  # noqa: ARG002 - a registry tells no size
        """Whether the registry has the blob, which is all that can be told before it is read."""
        known = self._known.get(digest)
        return digest in self._documents or (known is not None and self._registries.has(self._reference, known))

    def read(self, descriptor: Descriptor, limit: int = DOCUMENT_LIMIT) -> bytes:
        """The bytes of a document or a small blob, verified; what it names is known from then on.

        Raises: EnvbuildError, if it cannot be had; DigestMismatchError, if it is another.
        """
        data = self._documents.get(descriptor.digest)
        if data is None and descriptor.media_type in MANIFESTS | INDEXES:
            reference = Reference(self._reference.registry, self._reference.repository, None, descriptor.digest)
            data = self._registries.manifest(reference).data
        elif data is None:
            data = self._registries.read(self._reference, descriptor, limit)
        if len(data) != descriptor.size or Digest.of(data) != descriptor.digest:
            raise DigestMismatchError(f"the registry's blob {descriptor.digest} is not what its digest says")
        self._learn(descriptor, data)
        return data

    def referrers(self, subject: Digest) -> Listed:
        """What the registry lists as attached to `subject`, unchecked. Raises: EnvbuildError."""
        from builder.oci.registry.referrers import Repository, referrers

        return referrers(Repository(self._registries, self._reference), subject)

    def open(self, digest: Digest) -> IO[bytes]:
        """A blob to read, checked at its end. Raises: EnvbuildError, if nothing that was read names it."""
        if digest not in self._known:
            raise EnvbuildError(f"blob {digest} is not known to be of `{self._reference}`")
        return cast("IO[bytes]", self._registries.open(self._reference, self._known[digest], self._observe))

    def _learn(self, descriptor: Descriptor, data: bytes) -> None:
        named: tuple[Descriptor, ...] = ()
        if descriptor.media_type in INDEXES:
            named = Index.from_bytes(data).manifests
        elif descriptor.media_type in MANIFESTS:
            manifest = Manifest.from_bytes(data)
            named = (manifest.config, *manifest.layers)
        self._known.update({one.digest: one for one in named})
