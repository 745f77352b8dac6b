"""A bundle changes hands: from who made it, by a registry, to a machine that has nothing of it, and no network."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from docker_registry import certificates, login_at, serving
from without_network import serve_alone, train_alone

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
POLICY = """\
signatures:
  - keys: [team.pub]
builders: ["https://example.org/builders/*"]
bases:
  - name: debian:bookworm
licenses:
  deny: [AGPL-*]
  unknown: true
scan: {at-most: low}
"""


@dataclass(frozen=True)
class Way:
    """Two machines, and the registry between them."""

    sender: object
    receiver: object
    reference: str
    keys: Path


@pytest.fixture(scope="module")
def way(envbuild, tmp_path_factory) -> Iterator[Way]:
    folder = tmp_path_factory.mktemp("registry")
    authority, tls = certificates(folder)
    with serving(folder, "127.0.0.2", tls=tls) as registry:
        (folder / "config.json").write_text(login_at(registry.host))
        trusted = folder / "trusted.pem"
        trusted.write_bytes(authority.read_bytes() + Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES)).read_bytes())
        variables = {"DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": str(trusted), "ENVBUILD_KEY_PASSWORD": "a secret"}
        variables["ENVBUILD_BUILDER_ID"] = "https://example.org/builders/one"
        sender = replace(envbuild, environment=variables)
        receiver = replace(sender, store=tmp_path_factory.mktemp("receiver") / "store")
        yield Way(sender, receiver, f"oci://{registry.host}/team/penguins:1.0", folder)


def test_a_bundle_goes_from_its_maker_to_a_stranger(way: Way, projects: Path, program, tmp_path: Path) -> None:
    sender, receiver, reference = way.sender, way.receiver, way.reference
    shutil.copytree(projects, tmp_path / "projects")
    project, made, got = tmp_path / "projects/examples/penguins", tmp_path / "made.tar", tmp_path / "got.tar"

    sender("lock", project, "--check")
    sender("run", project, "train", "--engine", "embedded")
    digest = sender("bundle", project, "-o", made).stdout.strip().rpartition("@")[2]
    sender("scan", made, "--attach")
    sender("keys", "generate", tmp_path / "team")
    sender("sign", made, "--key", tmp_path / "team")
    sender("push", made, reference)

    assert receiver("pull", reference, "-o", got).stdout.strip().endswith(digest)
    assert got.read_bytes() == made.read_bytes()
    (tmp_path / "policy.yaml").write_text(POLICY)
    verified = receiver("verify", got, "--policy", tmp_path / "policy.yaml").stdout
    assert digest in verified
    assert digest in receiver("verify", reference, "--policy", tmp_path / "policy.yaml").stdout

    required = ("--engine", "embedded", "--out", tmp_path / "out", "--require-signature", tmp_path / "policy.yaml")
    train_alone(program("unshare"), receiver, ["run", got, "train", *required])
    assert json.loads((tmp_path / "out/run.json").read_text())["exit_code"] == 0
    assert serve_alone(program("unshare"), receiver, ["run", got, "serve", *required])

    report = json.loads(receiver("reproduce", got, "--engine", "embedded", "--json").stdout)
    assert report["predicate"]["result"] == "PASSED"
    assert {"sha256": digest.removeprefix("sha256:")} in [subject["digest"] for subject in report["subject"]]
