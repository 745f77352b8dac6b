"""Records that are attached to an image or a bundle: OCI artifacts that name it as their subject.

An attachment is a manifest with an artifact type, the empty config, one blob, and the subject's descriptor (image-spec
1.1, manifest.md, "Guidelines for Artifact Usage"); a registry lists those of a subject as its referrers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import DOCUMENT_LIMIT, MEDIA_TYPE_EMPTY, MEDIA_TYPE_MANIFEST, Descriptor, Manifest
from builder.oci.layout import Layout

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
    """Keep an attachment of `subject` in a layout; the descriptor for an `index.json` or a list of referrers."""
    data = attachment.data
    blob = Descriptor(attachment.media_type, layout.write(data), len(data))
    config = Descriptor(MEDIA_TYPE_EMPTY, layout.write(_EMPTY), len(_EMPTY))
    plain = Descriptor(subject.media_type, subject.digest, subject.size)
    manifest = Manifest(config, (blob,), attachment.annotations, attachment.artifact_type, plain).to_bytes()
    return Descriptor(
        MEDIA_TYPE_MANIFEST,
        layout.write(manifest),
        len(manifest),
        attachment.annotations,
        artifact_type=attachment.artifact_type,
    )


def read_attachment(layout: Layout, descriptor: Descriptor) -> tuple[Digest, Attachment]:
    """The digest of its subject, and the attachment that `descriptor` names.

    Raises: EnvbuildError, if it is none, or larger than a document may be; DigestMismatchError.
    """
    manifest = layout.manifest(descriptor)
    if manifest.subject is None or len(manifest.layers) != 1:
        raise EnvbuildError(f"{descriptor.digest} is not attached to anything", "it has no subject, or not one blob")
    blob = manifest.layers[0]
    artifact_type = manifest.artifact_type or manifest.config.media_type
    data = layout.read(blob, DOCUMENT_LIMIT)
    return manifest.subject.digest, Attachment(artifact_type, blob.media_type, data, manifest.annotations)
