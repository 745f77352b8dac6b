"""Statements that are signed: to sign, and as they are read from what is signed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.oci.canonical import canonical_json, parse_json
from builder.oci.digest import Digest
from builder.records.in_toto import STATEMENT, statement_document
from builder.records.signing.dsse import SignatureError, signature_errors

SIGNED = "https://sigstore.dev/cosign/sign/v1"
"""The predicate that says nothing more than that the subject is signed, as cosign writes and reads it."""
MODEL_SIGNATURE = "https://model_signing/signature/v1.0"


@dataclass(frozen=True, slots=True)
class Statement:
    """Something that is said of subjects."""

    subjects: tuple[Digest, ...]
    predicate_type: str
    predicate: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    """Of its only subject; empty where it needs none."""
    data: bytes = field(default=b"", compare=False)
    """What it was read from, if it was."""

    def to_bytes(self) -> bytes:
        """The bytes that it was read from, else the canonical ones."""
        if self.data:
            return self.data
        subjects = [(self.name, digest) for digest in self.subjects]
        return canonical_json(statement_document(subjects, self.predicate_type, self.predicate))

    @classmethod
    def from_bytes(cls, data: bytes) -> Statement:
        """From JSON. Raises: SignatureError, if it is no statement, or a key stands twice in it."""
        with signature_errors():
            return _read(parse_json(data, "a statement"), data)


def _read(document: Any, data: bytes) -> Statement:
    if not isinstance(document, dict) or document.get("_type") != STATEMENT:
        raise SignatureError("a signed payload is not an in-toto statement of version 1")
    subjects, kind = document.get("subject"), document.get("predicateType")
    predicate = document.get("predicate", {})
    if not isinstance(subjects, list) or not subjects or not isinstance(kind, str) or not isinstance(predicate, dict):
        raise SignatureError("a signed statement is not as it should be", "subject, predicateType and predicate")
    name = subjects[0].get("name", "") if isinstance(subjects[0], dict) and len(subjects) == 1 else ""
    return Statement(tuple(map(_subject, subjects)), kind, predicate, str(name), data)


def _subject(document: Any) -> Digest:
    digest = document.get("digest") if isinstance(document, dict) else None
    return Digest.parse(f"sha256:{digest.get('sha256') if isinstance(digest, dict) else None}")
