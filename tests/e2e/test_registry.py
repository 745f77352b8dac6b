"""Pushing to and pulling from Debian's docker-registry, with and without TLS; other tools take what was pushed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from docker_registry import LOGIN, SECRET, USER, Registry, certificates, login_at, run, serving
from made_layouts import add_image, new_layout, noise

from builder.bundle.attached.attach import Remote, attach, attached
from builder.bundle.reading.reader import open_bundle
from builder.cli.machine import host_platform
from builder.fetch import Mirrors
from builder.fetch.transport import Transport
from builder.oci.attachments import Attachment
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_INDEX, Descriptor, Index, Manifest
from builder.oci.registry import Credentials, Reference, Registries
from builder.oci.registry.push import Origin, push
from builder.oci.store import Store

PROJECT = """\
name: hello
version: "1.0"
environment: ../plain
code: [hello.py]
commands:
  hello: {run: python hello.py}
"""
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Places:
    """One registry with two doors."""

    plain: Registry
    tls: Registry
    variables: dict[str, str]
    """Of a machine that is logged in at both."""


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> Iterator[Places]:
    folder = tmp_path_factory.mktemp("registry")
    authority, tls = certificates(folder)
    with serving(folder) as plain, serving(folder, "127.0.0.2", tls=tls) as behind_tls:
        (folder / "config.json").write_text(login_at(plain.host, behind_tls.host))
        trusted = folder / "trusted.pem"
        trusted.write_bytes(authority.read_bytes() + Path(os.environ.get("SSL_CERT_FILE", CERTIFICATES)).read_bytes())
        yield Places(plain, behind_tls, {"DOCKER_CONFIG": str(folder), "SSL_CERT_FILE": str(trusted)})


@pytest.fixture(scope="module")
def logged_in(envbuild, places):
    """The command of a machine with logins."""
    return replace(envbuild, environment=places.variables)


@pytest.fixture
def emptied(logged_in, tmp_path):
    """The same with an empty store."""
    return replace(logged_in, store=tmp_path / "store")


def sent_blobs(registry: Registry, before: int) -> list[Digest]:
    """The blobs that were put into the registry since it had been asked `before` times."""
    lines = registry.asked()[before:]
    found = [re.search(r"^PUT \S+/blobs/uploads/\S+digest=sha256(?:%3A|:)(\w+)\S* 201", line) for line in lines]
    return [Digest(match[1]) for match in found if match]


@pytest.fixture(scope="module")
def project(projects: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of one file, on the smallest environment, which is beside it."""
    folder = tmp_path_factory.mktemp("small") / "hello"
    folder.mkdir()
    shutil.copytree(projects / "environments/plain", folder.parent / "plain")
    (folder / "envbuild.yaml").write_text(PROJECT)
    (folder / "hello.py").write_text("print('hello')\n")
    return folder


@pytest.fixture(scope="module")
def packed(pack, project, tmp_path_factory):
    """Its bundle."""
    return pack(project, tmp_path_factory.mktemp("packed"))


@pytest.fixture(scope="module")
def pushed(logged_in, places, packed) -> str:
    """The reference of the bundle in the registry, where it was pushed to `team/hello`."""
    return logged_in("push", packed.file, f"{places.tls.host}/team/hello").stdout.strip()


def test_a_bundle_comes_back_byte_for_byte(emptied, places, packed, pushed, tmp_path) -> None:
    assert pushed == f"{places.tls.host}/team/hello@{packed.digest}"
    for tag in ("1.0", packed.digest[7:19]):
        raw = places.plain.raw(f"team/hello:{tag}")
        assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == packed.digest
    target = tmp_path / "pulled.tar"
    shown = json.loads(emptied("pull", pushed, "-o", target, "--json").stdout)
    assert shown["reference"] == pushed
    assert target.read_bytes() == packed.file.read_bytes()
    assert json.loads(emptied("pull", pushed, "--json").stdout)["fetched"] == 0


def records_of(file: Path) -> list[str]:
    """The types of what is attached to a bundle."""
    return [record.artifact_type for _, record in attached(file, open_bundle(file).top.digest)]


def test_records_are_listed_under_the_tag_of_their_subject(places, packed, pushed) -> None:
    """Debian's registry has no API of referrers."""
    raw = places.plain.raw(f"team/hello:{packed.digest.replace(':', '-')}")
    (listed,) = Index.from_bytes(raw).manifests
    assert listed.artifact_type == "application/vnd.in-toto+json"
    manifest = Manifest.from_bytes(places.plain.raw(f"team/hello@{listed.digest}"))
    assert str(manifest.subject.digest) == packed.digest
    assert records_of(packed.file) == [listed.artifact_type]


def test_what_others_attach_in_the_registry_comes_along(
    logged_in, emptied, places, packed, monkeypatch, tmp_path
) -> None:
    name = f"{places.plain.host}/team/reviewed:1"
    logged_in("push", packed.file, name)
    monkeypatch.setenv("DOCKER_CONFIG", places.variables["DOCKER_CONFIG"])
    remote = Remote(Reference.parse(name), Registries(Transport(Mirrors()).pool, Credentials(places.variables)))
    top, review = open_bundle(packed.file).top, Attachment("application/vnd.team.review", "text/plain", b"approved\n")
    attach(remote, top, [review])
    assert review in [record for _, record in attached(remote, top.digest)]
    emptied("pull", name, "-o", tmp_path / "pulled.tar")
    attach(Path(shutil.copy(packed.file, tmp_path / "own.tar")), top, [review])
    assert (tmp_path / "pulled.tar").read_bytes() == (tmp_path / "own.tar").read_bytes()
    before = len(places.plain.asked())
    assert json.loads(logged_in("push", tmp_path / "own.tar", name, "--json").stdout)["sent"] == 0
    assert [line for line in places.plain.asked()[before:] if line.startswith("PUT")] == [
        "PUT team/reviewed/manifests/1 201"
    ]


def test_a_bundle_runs_from_the_registry_and_is_fetched_once(emptied, places, packed, pushed, tmp_path) -> None:
    name = f"{places.plain.host}/team/hello:1.0"
    image = open_bundle(packed.file).image(host_platform())
    layers = sorted(layer.digest for layer in image.manifest.layers)
    for spelled in (f"oci://{name}", name):
        before = len(places.plain.asked())
        done = emptied("run", spelled, "hello", "--engine", "embedded", "--out", tmp_path / "out")
        assert done.stdout == "hello\n"
        asked = places.plain.asked()[before:]
        fetched = re.findall(r"GET \S+/blobs/sha256:(\w+) 20", "\n".join(asked))
        if spelled != name:
            assert sorted(map(Digest, fetched)) == sorted({*layers, image.manifest.config.digest})
        else:
            assert fetched == []
    pinned = f"oci://{places.plain.host}/team/hello@{packed.digest}"
    assert emptied("run", pinned, "hello", "--engine", "embedded", "--offline", code=1).stderr  # of all platforms
    emptied("pull", pinned.removeprefix("oci://"))
    done = emptied("run", pinned, "hello", "--engine", "embedded", "--offline", "--out", tmp_path / "out")
    assert done.stdout == "hello\n"


def test_a_pull_that_is_killed_goes_on_where_it_was(logged_in, emptied, places, tmp_path) -> None:
    layout, layer = new_layout(tmp_path / "layout"), noise(96 << 20, 1)
    top = add_image(layout, "amd64", layer)
    registries = Registries(Transport(Mirrors()).pool, Credentials(places.variables))
    name = f"{places.plain.host}/team/large"
    push(registries, Reference.parse(name), top, Origin(layout), ["1"])
    partial = emptied.store / f"tmp/partial-{Digest.of(layer).hex}"
    killed = emptied.start("pull", f"{name}:1")
    while not (partial.exists() and partial.stat().st_size):
        assert killed.poll() is None
    killed.kill()
    killed.communicate()
    there = partial.stat().st_size
    shown = json.loads(emptied("pull", f"{name}:1", "--json").stdout)
    assert shown["fetched"] <= len(layer) - there + 10_000
    assert not partial.exists()


def test_a_changed_line_of_code_costs_kilobytes(logged_in, places, project, pushed, tmp_path) -> None:
    changed, name = tmp_path / "changed", pushed.partition("@")[0].replace(places.tls.host, places.plain.host)
    shutil.copytree(project.parent, changed)
    (changed / "hello/hello.py").write_text("print('hello you')\n")
    before = len(places.plain.asked())
    shown = json.loads(logged_in("push", changed / "hello", name, "--json").stdout)
    sent = sent_blobs(places.plain, before)
    assert sum((places.plain.data / place(digest)).stat().st_size for digest in sent) == shown["sent"] < 200_000
    assert len(sent) == 5  # code, which both platforms share, and documents and a config of each
    before = len(places.plain.asked())
    again = logged_in("push", changed / "hello", f"{name}:same", "--json")
    assert json.loads(again.stdout) == {**shown, "tags": ["same"], "sent": 0}
    assert [line.partition(" ")[0] for line in places.plain.asked()[before:] if line.endswith(("200", "201"))] == [
        "HEAD",
        "PUT",
    ]


def place(digest: Digest) -> str:
    """Where the registry keeps a blob."""
    return f"docker/registry/v2/blobs/sha256/{digest.hex[:2]}/{digest.hex}/data"


def test_what_is_built_can_be_pushed_at_once(logged_in, places, project, pushed, tmp_path) -> None:
    name = f"{places.plain.host}/team/plain"
    printed = logged_in("build", project.parent / "plain", "--push", name).stdout.strip()
    raw = places.plain.raw("team/plain:latest")
    assert printed == f"{name}@{Digest.of(raw)}"
    assert printed.partition("@")[2] == logged_in("build", project.parent / "plain").stdout.strip().partition("@")[2]
    assert {str(entry.platform) for entry in Index.from_bytes(raw).manifests} == {"linux/amd64", "linux/arm64"}
    name = f"{places.plain.host}/team/hello:7"
    line = ["bundle", project, "-o", tmp_path / "bundle.tar", "--push", name, "--json"]
    shown = json.loads(logged_in(*line).stdout)
    assert shown["pushed"]["tags"] == ["7"]
    assert shown["digest"] == str(Digest.of(places.plain.raw("team/hello:7")))


def test_one_platform_is_pushed_as_its_image_and_pulled_as_a_bundle(
    logged_in, emptied, places, project, pushed, tmp_path
) -> None:
    """As the one that building that platform gives, and as that of a bundle of all platforms."""
    name = pushed.partition("@")[0]
    logged_in("build", project, "--platform", "linux/arm64", "-o", tmp_path / "built.tar")
    alone = logged_in("push", project, f"{name}:one", "--platform", "linux/arm64").stdout.strip()
    assert Manifest.from_bytes(places.plain.raw("team/hello:one")).layers
    for source in ([alone], [pushed, "--platform", "linux/arm64"]):
        emptied("pull", *source, "-o", tmp_path / "pulled.tar")
        assert (tmp_path / "pulled.tar").read_bytes() == (tmp_path / "built.tar").read_bytes()
    failed = emptied("pull", alone, "--platform", "linux/amd64", code=1)
    assert "it is there for linux/arm64" in failed.stderr


def test_a_fleet_is_pushed_below_one_name_and_each_reference_is_told(logged_in, places, project) -> None:
    for form in ([], ["--json"]):
        line = ["build", "--all", project.parent, "--push", f"{places.plain.host}/team:main", *form]
        printed = logged_in(*line).stdout
        for name in ("plain", "hello"):
            raw = places.plain.raw(f"team/{name}:main")
            reference = f"{places.plain.host}/team/{name}@{Digest.of(raw)}"
            if form:
                assert json.loads(printed)[str(project.parent / name)]["pushed"]["reference"] == reference
            else:
                assert reference in printed.split()


def test_layers_are_mounted_from_another_repository(logged_in, places, project, store, monkeypatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", places.variables["SSL_CERT_FILE"])
    base = f"{places.tls.host}/team/plain"
    digest = Digest.parse(logged_in("build", project.parent / "plain", "--push", base).stdout.strip()[-71:])
    layout = Store(store)
    top = Descriptor(MEDIA_TYPE_INDEX, digest, layout.path(digest).stat().st_size)
    manifests = [layout.manifest(entry) for entry in layout.index(top).manifests]
    elsewhere = {blob.digest: Reference.parse(base) for one in manifests for blob in (one.config, *one.layers)}
    registries = Registries(Transport(Mirrors()).pool, Credentials(places.variables))
    before = len(places.tls.asked())
    pushed = push(registries, Reference.parse(f"{places.tls.host}/team/on-base"), top, Origin(layout, elsewhere), ["1"])
    assert pushed.blobs == {"mounted": len(elsewhere)}
    assert sent_blobs(places.tls, before) == []
    assert Digest.of(places.plain.raw("team/on-base:1")) == digest


def test_other_tools_take_what_was_pushed(logged_in, places, project, podman, tmp_path) -> None:
    name = f"{places.plain.host}/team/plain:1"
    pushed = logged_in("build", project.parent / "plain", "--push", name).stdout.strip()
    login = f"{USER}:{SECRET}"
    line = ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", "--src-tls-verify=false"]
    run(*line, "--src-creds", login, f"docker://{pushed}", f"oci:{tmp_path}/copied:1")
    (copied,) = Index.from_bytes((tmp_path / "copied/index.json").read_bytes()).manifests
    assert f"@{copied.digest}" in pushed
    podman("pull", "--quiet", "--tls-verify=false", "--creds", login, name)
    assert pushed.partition("@")[2] in podman("image", "inspect", name, "--format", "{{.RepoDigests}}").stdout


@pytest.mark.parametrize("login", [None, "wrong"])
def test_who_may_not_push_is_told_what_to_do(envbuild, places, project, tmp_path, login) -> None:
    host = places.plain.host
    if login:
        (tmp_path / "config.json").write_text(login_at(host).replace(LOGIN, "c2NpZW50aXN0Onhzc3M="))
    stranger = replace(envbuild, environment={"DOCKER_CONFIG": str(tmp_path)})
    done = stranger("build", project.parent / "plain", "--push", f"{host}/team/secret", "--json", code=1)
    error = json.loads(done.stdout)["error"]
    assert error["what"].startswith(f"`{host}/team/secret` cannot be pushed to")
    assert "401 UNAUTHORIZED" in error["why"][0]
    assert f"docker login {host}" in error["hint"]
    assert "xsss" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (["push", ".", "not a name"], "is not the name of an image"),
        (["push", ".", f"r.example/a@sha256:{'0' * 64}"], "cannot be pushed to"),
        (["push", "nothing", "r.example/a"], "is not there"),
        (["build", ".", "--push", "r.example/A"], "is not the name of an image"),
        (["pull", "r.example/A"], "is not the name of an image"),
    ],
)
def test_what_cannot_be_meant_is_refused_at_once(envbuild, tmp_path, line, what) -> None:
    done = replace(envbuild, cwd=str(tmp_path))(*line, code=1)
    assert what in done.stderr


def test_a_damaged_bundle_is_not_pushed(emptied, places, packed, tmp_path) -> None:
    data = bytearray(packed.file.read_bytes())  # a store that remembers no repository to mount from sends them
    data[len(data) // 2] ^= 1
    (tmp_path / "damaged.tar").write_bytes(data)
    done = emptied("push", tmp_path / "damaged.tar", f"{places.plain.host}/team/damaged", code=5)
    assert "does not have the bytes that its digest promises" in done.stderr
    assert not [line for line in places.plain.asked() if line.startswith("PUT team/damaged/manifests")]


def test_a_pull_that_fails_writes_no_bundle(emptied, places, tmp_path) -> None:
    target = Path(tmp_path, "pulled.tar")
    done = emptied("pull", f"{places.plain.host}/team/nothing:1", "-o", target, code=1)
    assert "there is no image" in done.stderr
    assert not target.exists()
