"""Signing what is in Debian's docker-registry, over TLS and with a password, and verifying it there and elsewhere."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker_registry import Registry, certificates, login_at, serving
from signed_bundles import attach_provenance, made_bundle, new_key

from builder.bundle.reading.reader import open_bundle
from builder.oci.digest import Digest

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
POLICY = "signatures: [{keys: [key.pub]}]\nbuilders: ['https://ci.example/*']\n"


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[tuple[Registry, dict[str, str]]]:
    """A registry behind TLS, and the variables of a machine that is logged in there."""
    folder = tmp_path_factory.mktemp("registry")
    authority, tls = certificates(folder)
    with serving(folder, "127.0.0.2", tls=tls) as served:
        (folder / "config.json").write_text(login_at(served.host))
        trusted = folder / "trusted.pem"
        trusted.write_bytes(authority.read_bytes() + Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES)).read_bytes())
        yield served, {"DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": str(trusted)}


@pytest.fixture
def machine(envbuild, registry, tmp_path):
    """The command of a machine that is logged in, with an empty store, in a folder with a key and a policy."""
    new_key(tmp_path / "key")
    (tmp_path / "policy.yaml").write_text(POLICY)
    return replace(envbuild, environment=registry[1], store=tmp_path / "store", cwd=str(tmp_path))


def test_a_bundle_is_signed_in_a_registry_and_verified_there_and_after_it_was_pulled(machine, registry, tmp_path):
    bundle = made_bundle(tmp_path / "toy.tar")
    attach_provenance(bundle, "https://ci.example/main")
    name = f"{registry[0].host}/team/toy:1"
    machine("push", "toy.tar", name)
    assert "nobody signed" in machine("verify", f"oci://{name}", "--policy", "policy.yaml", code=4).stderr
    told = machine("sign", f"oci://{name}", "--key", "key", "--records", "--json")
    digest = str(open_bundle(bundle).top.digest)
    assert json.loads(told.stdout)["digest"] == digest
    assert machine("verify", f"oci://{name}", "--policy", "policy.yaml").stdout == f"{digest}\n"
    machine("pull", name, "-o", "pulled.tar")
    assert machine("verify", "pulled.tar", "--policy", "policy.yaml").stdout == f"{digest}\n"


def test_the_signature_of_each_image_is_where_cosign_looks_for_it(machine, registry, tmp_path):
    """Debian's registry has no referrers API: the list is under the tag of the digest."""
    bundle = made_bundle(tmp_path / "toy.tar")
    name = f"{registry[0].host}/team/cosign:1"
    machine("push", "toy.tar", name)
    machine("sign", f"oci://{name}", "--key", "key")
    for subject in open_bundle(bundle).subjects:
        listed = json.loads(registry[0].raw(f"team/cosign:sha256-{subject.digest.hex}"))["manifests"]
        entry = next(one for one in listed if "cosign/sign" in one["annotations"]["dev.sigstore.bundle.predicateType"])
        assert entry["artifactType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
        manifest = json.loads(registry[0].raw(f"team/cosign@{entry['digest']}"))
        assert manifest["subject"]["digest"] == str(subject.digest)
        assert manifest["config"]["mediaType"] == "application/vnd.oci.empty.v1+json"
        assert [layer["mediaType"] for layer in manifest["layers"]] == [entry["artifactType"]]
        assert Digest.parse(manifest["layers"][0]["digest"])


def test_what_strangers_attach_in_a_registry_is_not_signed_unasked(machine, registry, tmp_path):
    bundle = made_bundle(tmp_path / "toy.tar")
    attach_provenance(bundle, "https://ci.example/stranger")
    name = f"{registry[0].host}/team/unasked:1"
    machine("push", "toy.tar", name)
    machine("sign", f"oci://{name}", "--key", "key")
    told = machine("verify", f"oci://{name}", "--policy", "policy.yaml", code=4)
    assert "no provenance that names its builder is signed" in told.stderr


def test_run_fetches_no_layer_of_what_is_not_signed(machine, registry, tmp_path):
    bundle = made_bundle(tmp_path / "toy.tar")
    name = f"{registry[0].host}/team/unsigned:1"
    machine("push", "toy.tar", name)
    asked = len(registry[0].asked())
    line = ("run", f"oci://{name}", "train", "--engine", "embedded", "--require-signature")
    assert "nobody signed" in machine(*line, "key.pub", code=4).stderr
    new_key(tmp_path / "other")
    machine("sign", f"oci://{name}", "--key", "other")
    assert "which is not trusted" in machine(*line, "key.pub", code=5).stderr
    layers = {layer.digest.hex for image in open_bundle(bundle).images.values() for layer in image.manifest.layers}
    stored = {file.name for file in (tmp_path / "store" / "blobs").rglob("*")}
    assert len(registry[0].asked()) > asked
    assert not layers & stored
