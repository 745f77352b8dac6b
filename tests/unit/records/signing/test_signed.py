"""Signed statements: what is refused of them before any key is tried, and who vouches for what."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from signed_bundles import new_key

from builder.errors import EnvbuildError
from builder.oci.attachments import Attachment
from builder.oci.digest import Digest
from builder.records.in_toto import IN_TOTO
from builder.records.signing import sigstore_bundle, ssh
from builder.records.signing.dsse import Envelope, EnvelopeSignature, SignatureError, message
from builder.records.signing.keys import PrivateKey, PublicKey, read_private, read_public
from builder.records.signing.signed import KeyVerifier, read_signed
from builder.records.signing.signers import KeySigner
from builder.records.signing.statement import SIGNED, Statement

DIGEST = Digest.of(b"a bundle")
STATEMENT = Statement((DIGEST,), SIGNED)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> tuple[KeySigner, PublicKey]:
    """A key that the tests of this module share."""
    return new_key(tmp_path_factory.mktemp("keys") / "key")


def changed(signer: KeySigner, change: Callable[[dict[str, Any]], Any]) -> Attachment:
    """A signature whose JSON was changed."""
    attachment = signer.sign(STATEMENT)
    document = json.loads(attachment.data)
    change(document)
    return Attachment(attachment.artifact_type, attachment.media_type, json.dumps(document).encode())


def test_a_signature_is_what_cosign_attaches(key):
    attachment = key[0].sign(STATEMENT)
    document = json.loads(attachment.data)
    payload = json.loads(base64.b64decode(document["dsseEnvelope"]["payload"]))
    assert attachment.artifact_type == "application/vnd.dev.sigstore.bundle.v0.3+json"
    assert attachment.annotations == {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": "https://sigstore.dev/cosign/sign/v1",
    }
    assert document["verificationMaterial"] == {"publicKey": {"hint": key[1].hint}, "tlogEntries": []}
    assert payload == {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": DIGEST.hex}}],
        "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "predicate": {},
    }


def test_the_message_is_the_one_of_the_specification():
    told = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert message("http://example.com/HelloWorld", b"hello world") == told


def test_a_key_vouches_for_what_it_signed_and_for_nothing_else(key, tmp_path):
    signed = read_signed(key[0].sign(STATEMENT))
    assert KeyVerifier(key[1]).vouch(signed) == f"key {key[1].hint}"
    assert KeyVerifier(new_key(tmp_path / "other")[1]).vouch(signed) is None


def test_a_signature_with_the_hint_of_a_key_that_did_not_make_it_is_wrong(key, tmp_path):
    swapped = changed(
        new_key(tmp_path / "other")[0],
        lambda document: document["verificationMaterial"]["publicKey"].update(hint=key[1].hint),
    )
    with pytest.raises(SignatureError, match="did not make this signature"):
        KeyVerifier(key[1]).vouch(read_signed(swapped))


def test_another_payload_under_the_same_signature_is_wrong(key):
    other = base64.b64encode(Statement((Digest.of(b"another"),), SIGNED).to_bytes()).decode()
    signed = read_signed(changed(key[0], lambda document: document["dsseEnvelope"].update(payload=other)))
    with pytest.raises(SignatureError, match="did not make this signature"):
        KeyVerifier(key[1]).vouch(signed)


def test_an_algorithm_cannot_be_chosen_by_what_is_signed(key, tmp_path):
    """ed25519 bytes under the hint of an ECDSA key, and the other way round."""
    other = new_key(tmp_path / "e", "ed25519")
    for (signer, _), (_, public) in ((key, other), (other, key)):
        confused = changed(
            signer,
            lambda document, public=public: document["verificationMaterial"]["publicKey"].update(hint=public.hint),
        )
        with pytest.raises(SignatureError):
            KeyVerifier(public).vouch(read_signed(confused))


def _two_signatures(document):
    document["dsseEnvelope"]["signatures"] *= 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda d: d.update(messageSignature={}), "`messageSignature` is not known there"),
        (lambda d: d.update(dsse_envelope=d["dsseEnvelope"]), "`dsse_envelope` is not known there"),
        (lambda d: d["dsseEnvelope"].update(payload_type="x"), "`payload_type` is not known there"),
        (lambda d: d.pop("dsseEnvelope"), "`dsseEnvelope` is missing"),
        (_two_signatures, "more than one signature"),
        (lambda d: d["dsseEnvelope"].update(signatures=[]), "0 signatures"),
        (lambda d: d["dsseEnvelope"].update(payloadType="text/plain"), "not an in-toto statement"),
        (lambda d: d.update(mediaType="application/vnd.dev.sigstore.bundle.v0.2+json"), "version that is not known"),
        (lambda d: d["dsseEnvelope"].update(payload=d["dsseEnvelope"]["payload"] + "="), "not base64"),
        (lambda d: d["dsseEnvelope"].update(payload=" " + d["dsseEnvelope"]["payload"]), "not base64"),
        (lambda d: d["dsseEnvelope"].update(payload=base64.b64encode(b"[]").decode()), "not an in-toto statement"),
        (lambda d: d["verificationMaterial"].update(publicKey=7), "no hint"),
        (lambda d: d.update(verificationMaterial=[]), "not a JSON object"),
    ],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_refused(key, change, told):
    with pytest.raises(SignatureError) as caught:
        read_signed(changed(key[0], change))
    assert told in str(caught.value)


@pytest.mark.parametrize("place", ["bundle", "envelope", "payload"])
def test_keys_that_stand_twice_are_refused(key, place):
    data = key[0].sign(STATEMENT).data
    if place == "bundle":
        data = data.replace(b'{"dsseEnvelope"', b'{"mediaType":"x","dsseEnvelope"', 1)
    elif place == "envelope":
        data = data.replace(b'"payloadType":', b'"payloadType":"x","payloadType":', 1)
    else:
        twice = STATEMENT.to_bytes().replace(b'"predicateType":', b'"predicateType":"x","predicateType":')
        signature = EnvelopeSignature(key[0].key.sign(message(IN_TOTO, twice)))
        data = sigstore_bundle.bundle_bytes(Envelope(IN_TOTO, twice, (signature,)), key[1].hint)
    with pytest.raises(SignatureError) as caught:
        read_signed(Attachment(sigstore_bundle.MEDIA_TYPE, sigstore_bundle.MEDIA_TYPE, data))
    assert "twice" in str(caught.value)


@pytest.mark.parametrize(
    "subject", [[], [{}], [{"digest": {"sha256": "0"}}], [{"digest": {"sha512": "0" * 128}}], "all", [7]]
)
def test_a_statement_about_nothing_is_refused(subject):
    data = json.dumps({**json.loads(STATEMENT.to_bytes()), "subject": subject}).encode()
    with pytest.raises(EnvbuildError):
        Statement.from_bytes(data)


def test_a_record_that_says_to_be_a_signature_and_is_of_another_type_is_refused():
    with pytest.raises(SignatureError, match="one type"):
        read_signed(Attachment(sigstore_bundle.MEDIA_TYPE, "text/plain", b""))
    assert read_signed(Attachment("text/plain", "text/plain", b"")) is None


@pytest.mark.parametrize("media_type", [sigstore_bundle.MEDIA_TYPE, ssh.MEDIA_TYPE])
@given(
    data=st.binary(max_size=300)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr).map(str.encode)
)
def test_any_bytes_are_read_or_refused(media_type, data):
    with pytest.raises(SignatureError):
        read_signed(Attachment(media_type, media_type, data))


def test_keys_of_other_kinds_are_refused(tmp_path):
    from cryptography.hazmat.primitives import serialization as forms
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    for number, private in enumerate((rsa.generate_private_key(65537, 2048), ec.generate_private_key(ec.SECP384R1()))):
        pem = private.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
        public = private.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{number}").write_bytes(pem)
        (tmp_path / f"{number}.pub").write_bytes(public)
        with pytest.raises(EnvbuildError, match="cannot be used"):
            read_private(tmp_path / f"{number}", lambda: b"")
        with pytest.raises(EnvbuildError, match="cannot be used"):
            read_public(tmp_path / f"{number}.pub")


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PUBLIC KEY-----\n", b"\xff" * 100, b"0" * 100_000])
def test_what_is_no_key_is_refused(tmp_path, content):
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(EnvbuildError):
        read_public(tmp_path / "key")
    with pytest.raises(EnvbuildError):
        read_private(tmp_path / "key", lambda: b"")


def test_a_private_key_where_a_public_one_is_wanted_says_so(tmp_path):
    new_key(tmp_path / "key")
    with pytest.raises(EnvbuildError) as caught:
        read_public(tmp_path / "key")
    assert caught.value.hint == "Name the public key, `KEY.pub`"


def test_ecdsa_signatures_have_one_form(key):
    """Bytes behind a signature's DER would make it another attachment under the same digest."""
    private: PrivateKey = key[0].key
    signature = private.sign(b"message")
    key[1].verify(signature, b"message")
    with pytest.raises(SignatureError):
        key[1].verify(signature + b"\0", b"message")
