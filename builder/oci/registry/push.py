"""Bringing an image, or an index of images, into a repository: what is not there yet, and children before parents."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import IO, cast

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import INDEXES, MANIFESTS, Descriptor
from builder.oci.layout import Layout
from builder.oci.registry.client import Registries
from builder.oci.registry.reference import Reference
from builder.oci.registry.referrers import Repository, keep_listed, referrers
from builder.oci.registry.session import Request
from builder.oci.registry.upload import Body, Upload
from builder.oci.registry.work import Observe, each_blob
from builder.oci.store import Store
from builder.progress import Progress, Silent

_DEEPEST = 8
"""Indexes below each other at most."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the blobs of what is pushed are."""

    layout: Layout
    """Has every document."""
    elsewhere: Mapping[Digest, Reference] = field(default_factory=dict)
    """Repositories that have blobs too, such as the layers of a base; some may be there alone."""
    siblings: Mapping[Digest, str] = field(default_factory=dict)
    """Repositories of the registry that is pushed to which may have blobs to be mounted."""
    attached: Mapping[Digest, Sequence[Descriptor]] = field(default_factory=dict)
    """Manifests to be pushed too, by their subjects; they are listed as its referrers then."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What is in the registry now."""

    reference: Reference
    """By digest."""
    tags: tuple[str, ...]
    blobs: Mapping[str, int]
    """How many were `there` before, were `mounted`, were `sent`."""
    sent: int
    """Bytes of the blobs that were sent."""
    known: frozenset[Digest] = frozenset()
    """Blobs that are there now, of the documents that were not."""


def push(
    registries: Registries,
    destination: Reference,
    top: Descriptor,
    origin: Origin,
    tags: Sequence[str] = (),
    progress: Progress | None = None,
) -> Pushed:
    """Bring `top`, all below it and what is attached into the repository of `destination`, and give it `tags`.

    What the registry has of it is not sent again. Tags are set at the very end: one that is there stands for something
    whole at any time, with all that is attached to it.

    Raises: EnvbuildError, if the registry does not take it or a blob is missing; DigestMismatchError, if it is damaged.
    """
    return _Push(registries, destination, origin).run(top, tags, progress or Silent())


def push_attached(registries: Registries, destination: Reference, origin: Origin) -> None:
    """Bring what is attached, and nothing else, into the repository of `destination`.

    Raises: EnvbuildError, if the registry does not take it or a blob is missing; DigestMismatchError, if it is damaged.
    """
    _Push(registries, destination, origin).run_attached()


@dataclass(slots=True)
class _Push:
    registries: Registries
    destination: Reference
    origin: Origin
    seen: set[Digest] = field(default_factory=set)
    documents: list[Descriptor] = field(default_factory=list)
    """That the registry lacks, children before parents."""
    blobs: dict[Digest, Descriptor] = field(default_factory=dict)
    ways: Counter[str] = field(default_factory=Counter)
    sent: int = 0
    listed: set[Digest] = field(default_factory=set)
    """Manifests that the registry says to list as referrers of their subjects."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, top: Descriptor, tags: Sequence[str], progress: Progress) -> Pushed:
        self._add(top, depth=0)
        attached = self._unlisted()
        self._bring_all(progress)
        for document in self.documents:
            if document.digest != top.digest or not tags:
                self._put(document, str(document.digest))
        self._list(attached)
        for tag in tags:
            self._put(top, tag)
        reference = replace(self.destination, tag=None, digest=top.digest)
        return Pushed(reference, tuple(tags), dict(self.ways), self.sent, frozenset(self.blobs))

    def run_attached(self) -> None:
        attached = self._unlisted()
        self._bring_all(Silent())
        for document in self.documents:
            self._put(document, str(document.digest))
        self._list(attached)

    def _bring_all(self, progress: Progress) -> None:
        name = f"{self.destination.registry}/{self.destination.repository}"
        each_blob(self._bring, self.blobs.values(), f"pushing to {name}", progress)

    @property
    def _repository(self) -> Repository:
        return Repository(self.registries, self.destination, pushing=True)

    def _unlisted(self) -> Mapping[Digest, Sequence[Descriptor]]:
        """What is attached and not listed, by subject; noted to be pushed."""
        found = {}
        for subject, attached in self.origin.attached.items():
            listed = {entry.digest for entry in referrers(self._repository, subject).entries}
            found[subject] = [one for one in attached if one.digest not in listed]
            for one in found[subject]:
                self._add(one, depth=0)
        return found

    def _list(self, attached: Mapping[Digest, Sequence[Descriptor]]) -> None:
        for subject, entries in attached.items():
            keep_listed(self._repository, subject, [one for one in entries if one.digest not in self.listed])

    def _add(self, document: Descriptor, depth: int) -> None:
        """Note what the registry lacks of a document; below one that it has, it has everything."""
        if document.digest in self.seen:
            return
        self.seen.add(document.digest)
        if document.media_type not in INDEXES | MANIFESTS or depth > _DEEPEST:
            raise EnvbuildError(
                f"{document.digest} cannot be pushed", f"it is of the type {document.media_type[:100]!r}"
            )
        if self.registries.has(self.destination, document, pushing=True):
            return
        if document.media_type in INDEXES:
            for child in self.origin.layout.index(document).manifests:
                self._add(child, depth + 1)
        else:
            manifest = self.origin.layout.manifest(document)
            for blob in (manifest.config, *manifest.layers):
                self.blobs.setdefault(blob.digest, blob)
        self.documents.append(document)

    def _bring(self, blob: Descriptor, observe: Observe) -> None:
        session = self.registries.session(self.destination, pushing=True)
        body = Body(blob, lambda: self._open(blob), observe)
        try:
            way = Upload(session, body, self._mountable(blob.digest)).run()
        except DigestMismatchError as error:
            raise self._damaged(blob, error) from error
        observe(blob.size - body.known)
        with self.lock:
            self.ways[way] += 1
            self.sent += blob.size if way == "sent" else 0

    def _open(self, blob: Descriptor) -> IO[bytes]:
        layout, other = self.origin.layout, self.origin.elsewhere.get(blob.digest)
        if other is None or layout.has(blob.digest, blob.size):
            return layout.open(blob.digest)
        return cast("IO[bytes]", self.registries.open(other, blob))

    def _mountable(self, digest: Digest) -> str | None:
        """The repository of the same registry that a blob can be mounted from."""
        other = self.origin.elsewhere.get(digest)
        near = other is not None and other.registry == self.destination.registry
        repository = other.repository if other and near else self.origin.siblings.get(digest)
        return None if repository == self.destination.repository else repository

    def _damaged(self, blob: Descriptor, error: DigestMismatchError) -> DigestMismatchError:
        """The error with what to do about it; the store's own blob is deleted, so that it is made anew."""
        if not isinstance(self.origin.layout, Store):
            return DigestMismatchError(error.what, error.why, "The file was changed or cut short: get it again")
        self.origin.layout.discard(blob.digest)
        return DigestMismatchError(error.what, error.why, "It was deleted; run the command again to make it anew")

    def _put(self, document: Descriptor, name: str) -> None:
        """Keep a document in the registry under a digest or a tag (distribution-spec, "Pushing Manifests")."""
        data = self.origin.layout.read(document)
        headers = {"Content-Type": document.media_type, "Content-Length": str(len(data))}
        session = self.registries.session(self.destination, pushing=True)
        answer = session.ask(Request("PUT", f"manifests/{name}", headers, lambda: (data,)), (200, 201, 202, 204))
        kept = answer.headers.get("Docker-Content-Digest", "")
        if not kept.startswith("sha256:") and not self.registries.has(self.destination, document, pushing=True):
            why = f"it answered {answer.status} to the document {document.digest}, and then that it is not there"
            raise EnvbuildError(f"`{session.name}` does not have what was pushed to it", why)
        if kept.startswith("sha256:") and kept != str(document.digest):
            what = f"`{session.name}` keeps another document than the one that was pushed as `{name}`"
            raise DigestMismatchError(what, f"it says {kept[:80]}, where {document.digest} is expected")
        if answer.headers.get("OCI-Subject"):
            self.listed.add(document.digest)
