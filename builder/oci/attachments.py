"""Records that are attached to an image or a bundle: OCI artifacts that name it as their subject.

An attachment is a manifest with an artifact type, the empty config, one blob, and the subject's descriptor (image-spec
1.1, manifest.md, "Guidelines for Artifact Usage"); a registry lists those of a subject as its referrers. A layout lists
all of them in an index of its own, which an annotation of its `index.json` names: engines take each entry of
`index.json` itself for an image.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from builder.errors import EnvbuildError
from builder.oci.canonical import canonical_json, parse_json
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_EMPTY,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    Index,
    Manifest,
)
from builder.oci.layout import Layout

MOST_ATTACHED = 1000
"""Records of a bundle at most."""
ATTACHMENT_LIMIT = 16 << 20
"""Bytes of a record at most."""
ALL_LIMIT = 8 * ATTACHMENT_LIMIT
"""Bytes of all records of a bundle at most."""
ATTACHED = "dev.envbuild.attached"
"""The annotation of an `index.json` that names the list of what is attached: a descriptor, as JSON."""
_EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A record of one blob about a subject."""

    artifact_type: str
    """What the record is: the media type of its blob as a rule."""
    media_type: str
    """Of the blob."""
    data: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)
    """Of the manifest, and of what lists it."""


def write_attachment(layout: Layout, subject: Descriptor, attachment: Attachment) -> Descriptor:
    """Keep an attachment of `subject` in a layout; the descriptor for an `index.json` or a list of referrers.

    Raises: EnvbuildError, if it is larger than one may be.
    """
    data = attachment.data
    if len(data) > ATTACHMENT_LIMIT:
        raise EnvbuildError(f"a record of {len(data)} bytes cannot be attached", f"{ATTACHMENT_LIMIT} are the most")
    blob = Descriptor(attachment.media_type, layout.write(data), len(data))
    config = Descriptor(MEDIA_TYPE_EMPTY, layout.write(_EMPTY), len(_EMPTY))
    plain = Descriptor(subject.media_type, subject.digest, subject.size)
    manifest = Manifest(config, (blob,), attachment.annotations, attachment.artifact_type, plain)
    layout.write(data := manifest.to_bytes())
    return attached_entry(Descriptor(MEDIA_TYPE_MANIFEST, Digest.of(data), len(data)), manifest)


def attached_entry(descriptor: Descriptor, manifest: Manifest) -> Descriptor:
    """How a list names what is attached: the same for equal manifests, whatever another list says of them."""
    kind = manifest.artifact_type or manifest.config.media_type
    return Descriptor(
        descriptor.media_type, descriptor.digest, descriptor.size, manifest.annotations, artifact_type=kind
    )


def write_list(layout: Layout, entries: Iterable[Descriptor]) -> Descriptor | None:
    """Keep the list of what is attached in a layout: each once, sorted by digest. None, if nothing is.

    Raises: EnvbuildError, if they are too many.
    """
    found = {entry.digest: entry for entry in entries}
    if len(found) > MOST_ATTACHED:
        raise EnvbuildError(f"more than {MOST_ATTACHED} records cannot be attached to a bundle")
    if not found:
        return None
    data = Index(tuple(found[digest] for digest in sorted(found))).to_bytes()
    return Descriptor(MEDIA_TYPE_INDEX, layout.write(data), len(data))


def list_annotations(attached: Descriptor | None) -> dict[str, str]:
    """What names the list in an `index.json`."""
    return {ATTACHED: canonical_json(attached.to_dict()).decode()} if attached else {}


def named_list(annotations: Mapping[str, str]) -> Descriptor | None:
    """The list that an `index.json` with these annotations names, if any. Raises: EnvbuildError, if it is malformed."""
    text = annotations.get(ATTACHED)
    return None if text is None else Descriptor.from_dict(parse_json(text.encode(), f"the annotation `{ATTACHED}`"))


def read_list(layout: Layout, annotations: Mapping[str, str]) -> tuple[Descriptor, ...]:
    """What the list that an `index.json` with these annotations names has, each once; unchecked.

    Raises: EnvbuildError, if it cannot be read, or has too much; DigestMismatchError.
    """
    named = named_list(annotations)
    listed = layout.index(named).manifests if named else ()
    if len(listed) > MOST_ATTACHED:
        raise EnvbuildError(f"`{layout.root}` has too much attached", f"{MOST_ATTACHED} records are the most")
    return tuple({entry.digest: entry for entry in listed}.values())


def subject_of(descriptor: Descriptor, manifest: Manifest) -> Descriptor:
    """What a manifest is attached to. Raises: EnvbuildError, if it is to nothing."""
    if manifest.subject is None:
        raise EnvbuildError(f"{descriptor.digest} is not attached to anything", "its manifest has no `subject`")
    return manifest.subject


def is_record(manifest: Manifest) -> bool:
    """Whether a manifest is of the one form that is read: one blob that can be held in memory."""
    sizes = [blob.size for blob in (manifest.config, *manifest.layers)]
    return len(manifest.layers) == 1 and max(sizes) <= ATTACHMENT_LIMIT


class Draft(Layout):
    """New documents in memory, in front of a layout that is only read."""

    def __init__(self, below: Layout | None = None) -> None:
        super().__init__(below.root if below else Path())
        self._below = below
        self.added: dict[Digest, bytes] = {}

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there with this size in bytes."""
        if digest in self.added:
            return len(self.added[digest]) == size
        return self._below is not None and self._below.has(digest, size)

    def open(self, digest: Digest) -> IO[bytes]:
        """The blob as a file. Raises: EnvbuildError, if it is missing."""
        if digest in self.added:
            return io.BytesIO(self.added[digest])
        if self._below is None:
            raise EnvbuildError(f"blob {digest} is not there")
        return self._below.open(digest)

    def write(self, data: bytes) -> Digest:
        """Keep `data`, where the layout below does not have it."""
        digest = Digest.of(data)
        if not self.has(digest, len(data)):
            self.added[digest] = data
        return digest

    def discard(self, digest: Digest) -> None:
        """Change nothing: what is below belongs to its user."""
