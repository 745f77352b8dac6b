"""DSSE envelopes (secure-systems-lab/dsse, version 1.0.2): a payload, its type and signatures over both. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from builder.errors import DigestMismatchError, EnvbuildError

_MOST_SIGNATURES = 16


class SignatureError(DigestMismatchError):
    """A signature is not one, is of something else, or does not hold."""


@contextmanager
def signature_errors() -> Iterator[None]:
    """Whatever cannot be read while this lasts is no signature. Raises: SignatureError instead of EnvbuildError."""
    try:
        yield
    except SignatureError:
        raise
    except EnvbuildError as error:
        raise SignatureError(error.what, error.why) from error


@dataclass(frozen=True, slots=True)
class EnvelopeSignature:
    """One signature of an envelope."""

    value: bytes
    key_id: str = ""
    """A hint, which nobody trusts."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A signed payload."""

    payload_type: str
    payload: bytes
    signatures: tuple[EnvelopeSignature, ...]

    @property
    def message(self) -> bytes:
        """The bytes that are signed."""
        return message(self.payload_type, self.payload)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        signatures = [
            {"sig": encoded(signature.value)} | ({"keyid": signature.key_id} if signature.key_id else {})
            for signature in self.signatures
        ]
        return {"payload": encoded(self.payload), "payloadType": self.payload_type, "signatures": signatures}

    @classmethod
    def from_dict(cls, document: Any) -> Envelope:
        """From JSON. Raises: SignatureError, if it has anything more, less or else than an envelope."""
        payload, payload_type, signatures = exactly(document, "an envelope", "payload", "payloadType", "signatures")
        if not isinstance(payload_type, str) or not isinstance(signatures, list):
            raise SignatureError("an envelope's `payloadType` is no text, or its `signatures` are no list")
        if not 0 < len(signatures) <= _MOST_SIGNATURES:
            raise SignatureError(f"an envelope has {len(signatures)} signatures")
        return cls(payload_type, decoded(payload, "a payload"), tuple(map(_signature, signatures)))


def message(payload_type: str, payload: bytes) -> bytes:
    """What is signed of a payload: the pre-authentication encoding."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def exactly(document: Any, what: str, *names: str) -> tuple[Any, ...]:
    """The values of an object that has exactly these keys.

    Raises: SignatureError, if one is missing, or there is another: a reader that knows other names for a key, as
    those of protobuf do, would read something else than was checked.
    """
    if not isinstance(document, dict):
        raise SignatureError(f"{what} is not a JSON object")
    if wrong := sorted(document.keys() ^ set(names)):
        said = "is not known there" if wrong[0] in document else "is missing"
        raise SignatureError(f"{what} is not as it should be", f"`{wrong[0][:80]}` {said}")
    return tuple(document[name] for name in names)


def encoded(data: bytes) -> str:
    """Standard base64."""
    return base64.b64encode(data).decode()


def decoded(text: Any, what: str) -> bytes:
    """The bytes of base64 in the one form that they are written in. Raises: SignatureError."""
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else b""
    except (ValueError, binascii.Error) as error:
        raise SignatureError(f"{what} is not base64", str(error)) from error
    if not data or encoded(data) != text:
        raise SignatureError(f"{what} is not base64", "it is empty, or not in the form that it is written in")
    return data


def _signature(document: Any) -> EnvelopeSignature:
    names = ("sig", "keyid") if isinstance(document, dict) and "keyid" in document else ("sig",)
    value, *rest = exactly(document, "a signature", *names)
    if not all(isinstance(text, str) for text in rest):
        raise SignatureError("a signature's `keyid` is no text")
    return EnvelopeSignature(decoded(value, "a signature"), *rest)
