"""What signs statements: a key in a file, an SSH key, an identity."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from builder.oci.attachments import Attachment
from builder.records.in_toto import IN_TOTO
from builder.records.signing import keyless, sigstore_bundle, ssh
from builder.records.signing.dsse import Envelope, EnvelopeSignature, message
from builder.records.signing.keys import PrivateKey
from builder.records.signing.statement import Statement


class Signer(Protocol):
    """Signs statements."""

    def sign(self, statement: Statement) -> Attachment:
        """The signed statement, as it is attached. Raises: EnvbuildError."""


@dataclass(frozen=True, slots=True)
class KeySigner:
    """Signs with a key of its own."""

    key: PrivateKey

    def sign(self, statement: Statement) -> Attachment:
        """The statement in a Sigstore bundle."""
        payload = statement.to_bytes()
        signature = EnvelopeSignature(self.key.sign(message(IN_TOTO, payload)))
        data = sigstore_bundle.bundle_bytes(Envelope(IN_TOTO, payload, (signature,)), self.key.public.hint)
        return sigstore_bundle.as_attachment(data, statement.predicate_type)


@dataclass(frozen=True, slots=True)
class SshSigner:
    """Signs with `ssh-keygen`."""

    key: Path

    def sign(self, statement: Statement) -> Attachment:
        """The statement in an envelope of its own media type."""
        payload = statement.to_bytes()
        signature = ssh.sign(message(IN_TOTO, payload), self.key)
        envelope = Envelope(IN_TOTO, payload, (EnvelopeSignature(signature, ssh.fingerprint(signature)),))
        return ssh.as_attachment(envelope, statement.predicate_type)


@dataclass(frozen=True, slots=True)
class KeylessSigner:
    """Signs for whoever logs in."""

    def sign(self, statement: Statement) -> Attachment:
        """The statement in a Sigstore bundle with a certificate and a log entry."""
        data = keyless.sign(statement)
        return sigstore_bundle.as_attachment(data, statement.predicate_type)
