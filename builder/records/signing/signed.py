"""Statements that are attached with signatures, read but not yet believed; and who can vouch for them. Pure rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from builder.oci.attachments import Attachment
from builder.records.in_toto import IN_TOTO
from builder.records.signing import sigstore_bundle, ssh
from builder.records.signing.dsse import Envelope, SignatureError, signature_errors
from builder.records.signing.keyless import KeylessIdentity
from builder.records.signing.keys import PublicKey
from builder.records.signing.statement import Statement

TYPES = frozenset({sigstore_bundle.MEDIA_TYPE, ssh.MEDIA_TYPE})
"""Media types of attached records that are signed."""


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """A statement and its signature. Nothing of it may be believed before a verifier vouched for it."""

    statement: Statement
    envelope: Envelope
    media_type: str
    data: bytes
    """All of it."""
    hint: str = ""
    """What is said to name the key."""
    is_keyless: bool = False

    @property
    def signature(self) -> bytes:
        """The one signature."""
        return self.envelope.signatures[0].value

    @property
    def by(self) -> str:
        """Who is said to have signed, for messages."""
        return "an identity" if self.is_keyless else f"the key {self.hint or 'that it does not name'}"


def read_signed(attachment: Attachment) -> SignedStatement | None:
    """The signed statement of an attached record; None if the record is something else.

    Raises: SignatureError, if it is not as it should be.
    """
    if not TYPES & {attachment.media_type, attachment.artifact_type}:
        return None
    if attachment.media_type != attachment.artifact_type:
        raise SignatureError("an attached record is of one type, and its blob of another", attachment.media_type[:100])
    with signature_errors():
        if attachment.media_type == ssh.MEDIA_TYPE:
            envelope = ssh.parse_envelope(attachment.data)
            hint, is_keyless = ssh.fingerprint(envelope.signatures[0].value), False
        else:
            bundle = sigstore_bundle.parse_bundle(attachment.data)
            envelope, hint, is_keyless = bundle.envelope, bundle.hint, bundle.is_keyless
        if envelope.payload_type != IN_TOTO:
            raise SignatureError("a signed payload is not an in-toto statement", envelope.payload_type[:100])
        statement = Statement.from_bytes(envelope.payload)
    return SignedStatement(statement, envelope, attachment.media_type, attachment.data, hint, is_keyless)


class Verifier(Protocol):
    """Somebody who is trusted."""

    @property
    def name(self) -> str:
        """What to call them in messages."""

    def vouch(self, signed: SignedStatement) -> str | None:
        """Who signed, if it was this somebody; None if it was another.

        Raises: SignatureError, if the signature does not hold; NotMeasuredError, if it cannot be checked here.
        """


@dataclass(frozen=True, slots=True)
class KeyVerifier:
    """A key is trusted."""

    key: PublicKey

    @property
    def name(self) -> str:
        """The key's file."""
        return f"`{self.key.name}`"

    def vouch(self, signed: SignedStatement) -> str | None:
        """The key's hint, so that one key under two names is one. Other tools have hints of other forms."""
        if signed.media_type != sigstore_bundle.MEDIA_TYPE or signed.is_keyless:
            return None
        try:
            self.key.verify(signed.signature, signed.envelope.message)
        except SignatureError:
            if signed.hint == self.key.hint:
                raise
            return None
        return f"key {self.key.hint}"


@dataclass(frozen=True, slots=True)
class SshVerifier:
    """Signers of a list are trusted."""

    allowed: ssh.AllowedSigners
    identities: Sequence[str] = ("*",)

    @property
    def name(self) -> str:
        """The list, and who of it."""
        whom = "" if tuple(self.identities) == ("*",) else f" ({', '.join(self.identities)})"
        return f"`{self.allowed.file}`{whom}"

    def vouch(self, signed: SignedStatement) -> str | None:
        """The principal."""
        if signed.media_type != ssh.MEDIA_TYPE:
            return None
        return self.allowed.principal(signed.signature, signed.envelope.message, self.identities)


@dataclass(frozen=True, slots=True)
class KeylessVerifier:
    """An identity is trusted."""

    identity: KeylessIdentity

    @property
    def name(self) -> str:
        """The identity."""
        return self.identity.identity

    def vouch(self, signed: SignedStatement) -> str | None:
        """The identity."""
        if not signed.is_keyless:
            return None
        if self.identity.check(signed.data) != signed.envelope.payload:
            raise SignatureError("a keyless signature is of another payload")
        return self.identity.identity
