"""Keyless signatures: which library is used how. Its services and a real certificate are not to be had here."""

from __future__ import annotations

import json
import sys

import pytest
from signed_bundles import new_key

from builder.errors import NotMeasuredError
from builder.oci.attachments import Attachment
from builder.oci.digest import Digest
from builder.records.policy.outcome import Result
from builder.records.policy.signatures import check_signers, read_attached
from builder.records.signing.keyless import KeylessIdentity
from builder.records.signing.keys import PublicKey
from builder.records.signing.signed import KeylessVerifier, KeyVerifier, read_signed
from builder.records.signing.signers import KeySigner
from builder.records.signing.statement import SIGNED, Statement

DIGEST = Digest.of(b"a bundle")
IDENTITY = KeylessIdentity("ann@example.org", "https://accounts.example.org")


@pytest.fixture
def key(tmp_path) -> tuple[KeySigner, PublicKey]:
    return new_key(tmp_path / "key")


@pytest.fixture
def keyless(key) -> Attachment:
    """A bundle with a certificate that is none."""
    made = key[0].sign(Statement((DIGEST,), SIGNED))
    document = json.loads(made.data)
    document["verificationMaterial"] = {"certificate": {"rawBytes": "AAAA"}, "tlogEntries": []}
    return Attachment(made.artifact_type, made.media_type, json.dumps(document).encode())


def test_without_the_library_keyless_signatures_are_not_measured(keyless, monkeypatch):
    monkeypatch.setitem(sys.modules, "sigstore", None)
    outcome = check_signers("signatures[0]", read_attached(DIGEST, [keyless]), [KeylessVerifier(IDENTITY)], 1)
    assert outcome.result is Result.NOT_MEASURED
    assert "extra `sigstore`" in outcome.reasons[0]
    with pytest.raises(NotMeasuredError) as caught:
        IDENTITY.check(keyless.data)
    assert caught.value.hint == "Install it: `pip install 'envbuild[sigstore]'`"


def test_a_certificate_makes_no_signature_of_a_key(key, keyless):
    """The same envelope, which the key did sign, counts for identities alone once it says so."""
    assert KeyVerifier(key[1]).vouch(read_signed(keyless)) is None


def test_a_key_makes_no_keyless_signature(key):
    assert KeylessVerifier(IDENTITY).vouch(read_signed(key[0].sign(Statement((DIGEST,), SIGNED)))) is None
