"""in-toto statements, version 1: something said of digests (in-toto/attestation, spec/v1/statement.md). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from builder.oci.attachments import Attachment
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest

IN_TOTO = "application/vnd.in-toto+json"
"""The media type of statements, and the payload type of signed ones."""
STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
_SAYS = "in-toto.io/predicate-type"
"""The annotation that tells the type of the predicate, as BuildKit names it."""


def statement_document(
    subjects: Iterable[tuple[str, Digest]], predicate_type: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """The statement about `subjects`: names, which may be empty, and digests."""
    return {
        "_type": STATEMENT,
        "subject": [({"name": name} if name else {}) | resource_digest(digest) for name, digest in subjects],
        "predicateType": predicate_type,
        "predicate": dict(predicate),
    }


def resource_digest(digest: Digest) -> dict[str, Any]:
    """The digest in a resource descriptor (spec/v1/resource_descriptor.md)."""
    return {"digest": {"sha256": digest.hex}}


def unsigned(document: Mapping[str, Any]) -> Attachment:
    """A statement as it is attached without a signature."""
    return Attachment(IN_TOTO, IN_TOTO, canonical_json(document), {_SAYS: document["predicateType"]})
