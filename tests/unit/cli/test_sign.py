"""Signing bundles and verifying them by command: what is refused, with which exit code and message."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
from signed_bundles import attach_provenance, made_bundle, new_key, replayed, rewritten, sign, ssh_key, without_attached

from builder.bundle.attached.attach import attached
from builder.bundle.reading.reader import open_bundle
from builder.oci.layout import Layout
from builder.records.signing.keys import read_private
from builder.records.signing.signers import KeySigner, SshSigner


@pytest.fixture
def keys(work: Path):
    """Two key pairs, `a` and `b`."""
    return new_key(work / "a")[0], new_key(work / "b")[0]


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ed25519"])
@pytest.mark.parametrize("name", ["toy.tar", "toy"])
def test_a_bundle_is_signed_and_verified_where_it_is(envbuild, work, monkeypatch, algorithm, name):
    bundle = made_bundle(work / name)
    monkeypatch.setenv("ENVBUILD_KEY_PASSWORD", "open sesame")
    assert envbuild("keys", "generate", "key", "--algorithm", algorithm)[:2] == (0, "key.pub\n")
    digest = str(open_bundle(bundle).top.digest)
    code, out, err = envbuild("sign", name, "--key", "key")
    assert (code, out) == (0, digest + "\n"), err
    code, out, err = envbuild("verify", name, "--key", "key.pub")
    assert (code, out) == (0, digest + "\n"), err
    assert "passed" in err
    assert "the model is signed, file by file" in err


def test_the_index_each_image_and_the_model_are_signed(envbuild, work, keys):
    bundle = made_bundle(work / "toy.tar")
    code, out, _ = envbuild("sign", "toy.tar", "--key", "a", "--json", "--model-signature", "model.sig")
    told = [(one["subject"], one["predicate-type"].rpartition("/")[0]) for one in json.loads(out)["signed"]]
    opened = open_bundle(bundle)
    images = [str(image.descriptor.digest) for image in opened.images.values()]
    cosign, model = "https://sigstore.dev/cosign/sign", "https://model_signing/signature"
    assert code == 0
    assert sorted(told) == sorted(
        [(digest, cosign) for digest in (str(opened.top.digest), *images)] + [(str(opened.top.digest), model)]
    )
    assert (
        json.loads((work / "model.sig").read_bytes())["dsseEnvelope"]["payloadType"] == "application/vnd.in-toto+json"
    )


def test_signing_again_changes_nothing_where_signatures_are_the_same_each_time(work):
    signer, _ = new_key(work / "e", "ed25519")
    bundle = sign(made_bundle(work / "toy.tar"), signer)
    before = bundle.read_bytes()
    assert sign(bundle, signer).read_bytes() == before


def test_a_private_key_is_encrypted_for_its_owner_alone_and_never_overwritten(envbuild, work, monkeypatch):
    monkeypatch.setenv("ENVBUILD_KEY_PASSWORD", "one")
    assert envbuild("keys", "generate", "key")[0] == 0
    assert stat.S_IMODE((work / "key").stat().st_mode) == 0o600
    assert (work / "key").read_bytes().startswith(b"-----BEGIN ENCRYPTED PRIVATE KEY-----")
    before = (work / "key").read_bytes()
    code, _, err = envbuild("keys", "generate", "key")
    assert (code, (work / "key").read_bytes()) == (1, before)
    assert "not overwritten" in err
    monkeypatch.setenv("ENVBUILD_KEY_PASSWORD", "two")
    made_bundle(work / "toy.tar")
    code, _, err = envbuild("sign", "toy.tar", "--key", "key")
    assert code == 1
    assert "passphrase is another" in err
    assert "two" not in err


def test_an_unencrypted_key_must_be_asked_for(envbuild, work):
    code, _, err = envbuild("keys", "generate", "key")
    assert code == 1
    assert "needs a passphrase" in err
    assert not (work / "key").exists()
    assert envbuild("keys", "generate", "key", "--no-passphrase")[0] == 0


def test_nothing_is_signed_twice_over_by_options_that_exclude_each_other(envbuild, work, keys):
    made_bundle(work / "toy.tar")
    assert envbuild("sign", "toy.tar")[0] == 2
    assert envbuild("sign", "toy.tar", "--key", "a", "--keyless")[0] == 2


def test_a_missing_signature_is_exit_code_4(envbuild, work, keys):
    made_bundle(work / "toy.tar")
    code, _, err = envbuild("verify", "toy.tar", "--key", "a.pub")
    assert code == 4
    assert "nobody signed sha256:" in err


def test_a_stripped_signature_is_a_missing_one(envbuild, work, keys):
    rewritten(sign(made_bundle(work / "toy.tar"), keys[0]), without_attached)
    code, _, err = envbuild("verify", "toy.tar", "--key", "a.pub")
    assert code == 4
    assert "nobody signed" in err


def test_a_signature_by_another_key_is_exit_code_5(envbuild, work, keys):
    sign(made_bundle(work / "toy.tar"), keys[1])
    code, _, err = envbuild("verify", "toy.tar", "--key", "a.pub")
    assert code == 5
    assert "which is not trusted" in err


def test_every_key_that_is_named_must_have_signed(envbuild, work, keys):
    bundle = sign(made_bundle(work / "toy.tar"), keys[0])
    assert envbuild("verify", "toy.tar", "--key", "a.pub", "--key", "b.pub")[0] == 5
    sign(bundle, keys[1])
    assert envbuild("verify", "toy.tar", "--key", "a.pub", "--key", "b.pub")[0] == 0


def test_a_signature_of_another_bundle_is_exit_code_5(envbuild, work, keys):
    signed = sign(made_bundle(work / "toy.tar"), keys[0])
    replayed(signed, made_bundle(work / "other.tar", b"evil"))
    code, _, err = envbuild("verify", "other.tar", "--key", "a.pub")
    assert code == 5
    assert f"a signature is of {open_bundle(signed).top.digest}, and was attached to" in err


def test_a_damaged_blob_is_exit_code_5_however_well_it_is_signed(envbuild, work, keys):
    bundle = sign(made_bundle(work / "toy.tar"), keys[0])
    data = bytearray(bundle.read_bytes())
    blob = next(entry for entry in open_bundle(bundle).images.values()).manifest.layers[0]
    place = data.find(Layout.read(open_bundle(bundle).layout, blob)) + 30
    data[place] ^= 1
    bundle.write_bytes(data)
    code, _, err = envbuild("verify", "toy.tar", "--key", "a.pub")
    assert code == 5
    assert "is not what it promises to be" in err or "is not what is asked of it" in err


def test_a_project_has_no_signatures(envbuild, work, keys):
    (work / "envbuild.yaml").write_text("environment: {}\n")
    code, _, err = envbuild("verify", ".", "--key", "a.pub")
    assert code == 1
    assert "signatures and policies are of bundles" in err


def test_rules_are_told_as_json(envbuild, work, keys):
    sign(made_bundle(work / "toy.tar"), keys[0])
    code, out, _ = envbuild("verify", "toy.tar", "--key", "a.pub", "--json")
    rules = json.loads(out)["rules"]
    assert code == 0
    assert [(one["rule"], one["result"]) for one in rules] == [("signatures[0]", "passed"), ("model", "passed")]


@pytest.mark.parametrize("line", [("run", "toy.tar", "train"), ("shell", "toy.tar"), ("reproduce", "toy.tar")])
def test_nothing_is_unpacked_that_is_not_signed(line, envbuild, work, keys, tmp_path):
    bundle = made_bundle(work / "toy.tar")
    code, _, err = envbuild(*line, "--require-signature", "a.pub", "--engine", "embedded")
    assert code == 4, err
    assert "nobody signed" in err
    sign(bundle, keys[1])
    code, _, err = envbuild(*line, "--require-signature", "a.pub", "--engine", "embedded")
    assert code == 5, err
    stored = {file.name for file in (tmp_path / "cache" / "blobs").rglob("*") if file.is_file()}
    layers = {layer.digest.hex for image in open_bundle(bundle).images.values() for layer in image.manifest.layers}
    assert not stored & layers


def test_run_takes_no_project_and_no_policy_that_asks_for_no_signature(envbuild, work, keys):
    (work / "envbuild.yaml").write_text("environment: {}\n")
    code, _, err = envbuild("run", ".", "train", "--require-signature", "a.pub", "--engine", "embedded")
    assert (code, "which nobody signs" in err) == (1, True)
    code, _, err = envbuild("shell", ".", "--require-signature", "a.pub", "--engine", "embedded")
    assert (code, "is not a bundle" in err) == (1, True)
    made_bundle(work / "toy.tar")
    (work / "policy.yaml").write_text("bases: [{name: '*'}]\n")
    code, _, err = envbuild("run", "toy.tar", "train", "--require-signature", "policy.yaml", "--engine", "embedded")
    assert (code, "asks for no signature" in err) == (1, True)


def test_builders_count_if_a_signer_of_the_policy_vouches(envbuild, work, keys):
    bundle = made_bundle(work / "toy.tar")
    attach_provenance(bundle, "https://ci.example/main")
    (work / "policy.yaml").write_text("signatures: [{keys: [a.pub]}]\nbuilders: ['https://ci.example/*']\n")
    sign(bundle, keys[1])
    assert envbuild("verify", "toy.tar", "--policy", "policy.yaml")[0] == 5
    code, _, err = envbuild("sign", "toy.tar", "--key", "a", "--no-records")
    assert code == 0, err
    code, _, err = envbuild("verify", "toy.tar", "--policy", "policy.yaml")
    assert code == 4
    assert "no provenance that names its builder is signed" in err
    assert envbuild("sign", "toy.tar", "--key", "a")[0] == 0
    assert envbuild("verify", "toy.tar", "--policy", "policy.yaml")[0] == 0
    (work / "policy.yaml").write_text("signatures: [{keys: [a.pub]}]\nbuilders: ['https://other.example/*']\n")
    code, _, err = envbuild("verify", "toy.tar", "--policy", "policy.yaml")
    assert code == 3
    assert "it was built by https://ci.example/main" in err


def test_ssh_signatures_need_a_signer_who_is_allowed_now(envbuild, work):
    signers = ssh_key(work / "ssh")
    sign(made_bundle(work / "toy.tar"), SshSigner(work / "ssh"))
    code, _, err = envbuild("verify", "toy.tar", "--allowed-signers", str(signers))
    assert code == 0, err
    assert "signed by alice@example.org" in err
    key = (work / "ssh.pub").read_text()
    for options, told in (
        ('valid-before="20200101"', "key has expired"),
        ('valid-after="20990101"', "not yet valid"),
        ('namespaces="git"', "may not sign this"),
        ('namespaces="envbuild" valid-before="20990101"', "is in no line of `others` that can be read"),
    ):
        (work / "others").write_text(f"alice@example.org {options} {key}")
        code, _, err = envbuild("verify", "toy.tar", "--allowed-signers", "others")
        assert (code, told in err) == (5, True), err
    ssh_key(work / "stranger")
    code, _, err = envbuild("verify", "toy.tar", "--allowed-signers", "stranger.signers")
    assert (code, "which is not trusted" in err) == (5, True)


def test_a_revoked_ssh_key_signs_no_more(envbuild, work):
    ssh_key(work / "ssh")
    sign(made_bundle(work / "toy.tar"), SshSigner(work / "ssh"))
    (work / "policy.yaml").write_text("signatures: [{allowed-signers: ssh.signers, revoked: ssh.pub}]\n")
    code, _, err = envbuild("verify", "toy.tar", "--policy", "policy.yaml")
    assert (code, "is revoked" in err) == (5, True), err


def test_an_ssh_key_signs_once_for_all_digests(work):
    ssh_key(work / "ssh")
    bundle = open_bundle(sign(made_bundle(work / "toy.tar"), SshSigner(work / "ssh")))
    found = {record.data for one in bundle.subjects for _, record in attached(bundle, one.digest)}
    assert len(bundle.subjects) == 3
    assert len(found) == 1


def test_one_key_that_signs_in_two_forms_is_one_signer(envbuild, work):
    from cryptography.hazmat.primitives import serialization as forms

    ssh_key(work / "ssh")
    key = forms.load_ssh_private_key((work / "ssh").read_bytes(), None)
    private = key.private_bytes(forms.Encoding.PEM, forms.PrivateFormat.PKCS8, forms.NoEncryption())
    (work / "pem").write_bytes(private)
    public = key.public_key().public_bytes(forms.Encoding.PEM, forms.PublicFormat.SubjectPublicKeyInfo)
    (work / "pem.pub").write_bytes(public)
    bundle = sign(made_bundle(work / "toy.tar"), SshSigner(work / "ssh"))
    sign(bundle, KeySigner(read_private(work / "pem", lambda: b"")))
    (work / "policy.yaml").write_text("signatures: [{keys: [pem.pub], allowed-signers: ssh.signers, threshold: 2}]\n")
    code, _, err = envbuild("verify", "toy.tar", "--policy", "policy.yaml")
    assert (code, "1 of 2 signed" in err) == (4, True), err


def test_as_many_as_the_threshold_must_have_signed(envbuild, work, keys):
    bundle = sign(made_bundle(work / "toy.tar"), keys[0])
    (work / "policy.yaml").write_text("signatures: [{keys: [a.pub, b.pub], threshold: 2}]\n")
    code, _, err = envbuild("verify", "toy.tar", "--policy", "policy.yaml")
    assert (code, "1 of 2 signed" in err) == (4, True)
    sign(bundle, keys[1])
    assert envbuild("verify", "toy.tar", "--policy", "policy.yaml")[0] == 0


def test_one_key_under_two_names_is_one_signer(envbuild, work, keys):
    sign(made_bundle(work / "toy.tar"), keys[0])
    (work / "again.pub").write_bytes((work / "a.pub").read_bytes())
    (work / "policy.yaml").write_text("signatures: [{keys: [a.pub, again.pub], threshold: 2}]\n")
    assert envbuild("verify", "toy.tar", "--policy", "policy.yaml")[0] == 4


def test_keyless_signatures_say_which_extra_they_need(envbuild, work, monkeypatch):
    import sys

    made_bundle(work / "toy.tar")
    monkeypatch.setitem(sys.modules, "sigstore", None)
    code, _, err = envbuild("sign", "toy.tar", "--keyless")
    assert code == 6
    assert "envbuild[sigstore]" in err
