"""Sigstore bundles, version 0.3: an envelope with what helps to check it (sigstore/protobuf-specs). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.oci.attachments import Attachment
from builder.oci.canonical import canonical_json, parse_json
from builder.records.signing.dsse import Envelope, SignatureError, exactly, signature_errors

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
CONTENT = "dev.sigstore.bundle.content"
PREDICATE_TYPE = "dev.sigstore.bundle.predicateType"
"""Annotations of the manifest, as cosign's specs/BUNDLE_SPEC.md has them."""


@dataclass(frozen=True, slots=True)
class SigstoreBundle:
    """An envelope and the key that is said to have signed it."""

    envelope: Envelope
    hint: str = ""
    """What names the key; empty where a certificate does."""
    is_keyless: bool = False
    """Whether it has a certificate, made for an identity."""


def bundle_bytes(envelope: Envelope, hint: str) -> bytes:
    """A bundle of an envelope that a key signed."""
    material = {"publicKey": {"hint": hint}, "tlogEntries": []}
    document = {"mediaType": MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope.to_dict()}
    return canonical_json(document)


def parse_bundle(data: bytes) -> SigstoreBundle:
    """The bundle in some bytes. Raises: SignatureError, if it is none of version 0.3, or could be read in two ways."""
    with signature_errors():
        document = parse_json(data, "a signature")
    media_type, material, envelope = exactly(
        document, "a Sigstore bundle", "mediaType", "verificationMaterial", "dsseEnvelope"
    )
    if media_type != MEDIA_TYPE:
        raise SignatureError("a Sigstore bundle is of a version that is not known", str(media_type)[:100])
    parsed = Envelope.from_dict(envelope)
    if len(parsed.signatures) != 1:
        raise SignatureError("a Sigstore bundle has more than one signature")
    if isinstance(material, dict) and "publicKey" not in material and "certificate" in material:
        return SigstoreBundle(parsed, is_keyless=True)
    return SigstoreBundle(parsed, _hint(material))


def as_attachment(data: bytes, predicate_type: str) -> Attachment:
    """A bundle as cosign attaches it."""
    return Attachment(MEDIA_TYPE, MEDIA_TYPE, data, {CONTENT: "dsse-envelope", PREDICATE_TYPE: predicate_type})


def _hint(material: Any) -> str:
    names = [name for name in ("tlogEntries", "timestampVerificationData") if name in (material or ())]
    key, *_ = exactly(material, "the verification material", "publicKey", *names)
    hint = key.get("hint", "") if isinstance(key, dict) else None
    if not isinstance(hint, str):
        raise SignatureError("the verification material has no hint to a key")
    return hint
