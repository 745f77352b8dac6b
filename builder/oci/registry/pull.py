"""Copying what a name in a registry stands for into the store (OCI distribution-spec 1.1, "Pull").

Every byte is checked against its digest while it is received. Documents are written last, and those that name others
after them: a document that is there has below it what it names, but for a broken-off copy's other platforms.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import (
    DOCUMENT_LIMIT,
    INDEXES,
    MANIFESTS,
    MEDIA_TYPE_INDEX,
    MOST_LAYERS,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)
from builder.oci.registry.client import Document, Registries, document_type
from builder.oci.registry.receive import receive
from builder.oci.registry.reference import Reference
from builder.oci.registry.work import Observe, each_blob
from builder.oci.store import Store
from builder.progress import Progress, Silent

_MOST_DOCUMENTS = 1000
_DEEPEST = 4
"""Indexes below each other at most."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What is in the store now."""

    reference: Reference
    """By the digest that it stood for."""
    top: Descriptor
    """Of the manifest or the index: another index than the registry's where only some platforms were wanted."""
    fetched: int
    """Bytes of blobs that were received."""


def pull(
    registries: Registries,
    reference: Reference,
    store: Store,
    platforms: Collection[Platform] = (),
    progress: Progress | None = None,
    *,
    artifacts: bool = True,
) -> Pulled:
    """Copy the image or index that `reference` names now, with all below it, of `platforms` or of all.

    What an index lists that is no image, such as a model, is of all platforms; without `artifacts` it is left out.
    What is named by its digest and is in the store is not asked for.

    Raises: EnvbuildError, if it cannot be had, is not what it may be, or is not there for a platform;
    DigestMismatchError.
    """
    tree = _Tree(registries, reference, store, frozenset(platforms), artifacts)
    document = _kept(store, reference) or registries.manifest(reference)
    top = tree.add(document, depth=0)
    tree.check_platforms()
    lacking = {digest: blob for digest, blob in tree.blobs.items() if not store.has(digest, blob.size)}

    fetched = []

    def fetch(blob: Descriptor, observe: Observe) -> None:
        fetched.append(receive(registries, reference, blob, store, observe))

    each_blob(fetch, lacking.values(), f"pulling {reference}", progress or Silent())
    for data in tree.documents.values():
        store.write(data)
    return Pulled(replace(reference, tag=None, digest=document.descriptor.digest), top, sum(fetched))


def _kept(store: Store, reference: Reference) -> Document | None:
    """What a digest names, where the store has it."""
    if reference.digest is None or not store.path(reference.digest).is_file():
        return None
    size = store.path(reference.digest).stat().st_size
    data = store.read(Descriptor("", reference.digest, size))
    return Document(Descriptor(document_type(data, "", reference), reference.digest, size), data)


@dataclass(slots=True)
class _Tree:
    """What hangs below a document, as far as it is wanted."""

    registries: Registries
    reference: Reference
    store: Store
    wanted: frozenset[Platform]
    artifacts: bool
    documents: dict[Digest, bytes] = field(default_factory=dict)
    """Children before those that name them."""
    blobs: dict[Digest, Descriptor] = field(default_factory=dict)
    offered: set[Platform] = field(default_factory=set)
    left: dict[Digest, Descriptor] = field(default_factory=dict)
    """What is left of each document that an index lists."""

    def add(self, document: Document, depth: int) -> Descriptor:
        """Note what a document needs; its descriptor, or that of the index that is left of it."""
        data, descriptor = document.data, document.descriptor
        if document.is_index:
            index = Index.from_bytes(data)
            chosen = self._chosen(index, depth)
            children = tuple(self._child(entry, depth + 1) for entry in chosen)
            if children != index.manifests:
                data = replace(index, manifests=children).to_bytes()
                descriptor = Descriptor(MEDIA_TYPE_INDEX, Digest.of(data), len(data), descriptor.annotations)
        else:
            self._add_image(Manifest.from_bytes(data), depth)
        self.documents[descriptor.digest] = data
        return descriptor

    def _chosen(self, index: Index, depth: int) -> tuple[Descriptor, ...]:
        if depth >= _DEEPEST or len(index.manifests) + len(self.documents) > _MOST_DOCUMENTS:
            raise EnvbuildError(f"`{self.reference}` cannot be taken", "it lists too many images")
        self.offered |= {entry.platform for entry in index.manifests if entry.platform and not entry.is_artifact}
        return tuple(filter(self._is_wanted, index.manifests))

    def _is_wanted(self, entry: Descriptor) -> bool:
        """An index that does not tell its platform may hold a wanted image."""
        if entry.is_artifact:
            return self.artifacts
        if not self.wanted or (entry.platform is None and entry.media_type in INDEXES):
            return True
        return entry.platform is not None and any(map(entry.platform.serves, self.wanted))

    def check_platforms(self) -> None:
        """Raises: EnvbuildError, if a wanted platform was not offered."""
        missing = [
            str(wanted)
            for wanted in sorted(self.wanted, key=str)
            if not any(other.serves(wanted) for other in self.offered)
        ]
        if missing:
            names = ", ".join(sorted(map(str, self.offered))) or "none that it names"
            raise EnvbuildError(f"`{self.reference}` is not there for {', '.join(missing)}", f"it is there for {names}")

    def _child(self, entry: Descriptor, depth: int) -> Descriptor:
        """What an index lists. Of an entry that stays, the descriptor is the same."""
        if entry.digest not in self.left:
            self.left[entry.digest] = self.add(self._document(entry), depth)
        own = self.left[entry.digest]
        return entry if own.digest == entry.digest else replace(entry, digest=own.digest, size=own.size)

    def _document(self, entry: Descriptor) -> Document:
        if entry.media_type not in INDEXES | MANIFESTS or entry.size > DOCUMENT_LIMIT:
            why = f"it lists {entry.size} bytes of the type `{entry.media_type[:100]}`"
            raise EnvbuildError(f"`{self.reference}` cannot be taken", why)
        if self.store.has(entry.digest, entry.size):
            return Document(entry, self.store.read(entry))
        document = self.registries.manifest(replace(self.reference, tag=None, digest=entry.digest))
        own = document.descriptor
        if (own.size, own.media_type) != (entry.size, entry.media_type):
            raise DigestMismatchError(
                f"the registry's document {entry.digest} is not what its index says",
                f"{own.size} bytes of `{own.media_type}`, not {entry.size} of `{entry.media_type}`",
            )
        return document

    def _add_image(self, manifest: Manifest, depth: int) -> None:
        if self.wanted and depth == 0:
            config = self.registries.read(self.reference, manifest.config)
            self.offered.add(ImageConfig.from_bytes(config).platform)
        if len(manifest.layers) > MOST_LAYERS:
            raise EnvbuildError(f"`{self.reference}` cannot be taken", f"it has {len(manifest.layers)} layers")
        for blob in (manifest.config, *manifest.layers):
            known = self.blobs.setdefault(blob.digest, blob)
            if known.size != blob.size:
                raise DigestMismatchError(f"blob {blob.digest} of `{self.reference}` is said to have two sizes")
