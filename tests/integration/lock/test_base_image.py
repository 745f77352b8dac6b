"""Base images in Debian's docker-registry: built by envbuild, handled by skopeo and umoci."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from base_images import Base, debian_bases, push_index
from docker_registry import LOGIN, SECRET, USER, Registry, certificates, login_at, serving

from builder.errors import EnvbuildError
from builder.fetch import Mirrors
from builder.fetch.transport import Transport
from builder.lock.base_image.registry_images import RegistryImages
from builder.oci.digest import Digest
from builder.oci.documents import Index, Platform
from builder.oci.registry import Credentials, Registries
from builder.oci.registry.client import DOCKER_MANIFEST
from builder.oci.store import Store

ROOT = Path(__file__).parents[3]
AMD64, ARM64 = Platform("amd64"), Platform("arm64")


@dataclass(frozen=True)
class Places:
    """A registry, and another door to it with TLS."""

    plain: Registry
    tls_host: str
    authority: Path
    """The certificate that signs the one of `tls_host`."""

    @property
    def host(self) -> str:
        return self.plain.host

    def raw(self, name: str) -> bytes:
        return self.plain.raw(name)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("registry")


@pytest.fixture(scope="module")
def registry(folder: Path) -> Iterator[Places]:
    authority, tls = certificates(folder)
    with serving(folder) as plain, serving(folder, "127.0.0.2", tls=tls) as behind_tls:
        yield Places(plain, behind_tls.host, authority)


@pytest.fixture(scope="module")
def bases(projects: Path, store: Path) -> dict[str, Base]:
    return debian_bases(projects, store)


@pytest.fixture(scope="module")
def other(bases: dict[str, Base]) -> Base:
    """The one for amd64, changed."""
    return bases["amd64"].configured(env=(*bases["amd64"].config.env, "OTHER=1"), working_dir="/srv")


@pytest.fixture(scope="module")
def pushed(registry: Places, bases: dict[str, Base], other: Base) -> Places:
    """With `team/base:1` for both platforms, and `team/other:1` for amd64 alone."""
    push_index(registry.plain, "team/base:1", list(bases.values()))
    other.push(registry.plain, "team/other:1")
    return registry


@pytest.fixture
def variables(registry: Places, tmp_path: Path) -> dict[str, str]:
    """A machine that is logged in at the registry."""
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(login_at(registry.host, f"https://{registry.tls_host}"))
    return {"DOCKER_CONFIG": str(tmp_path / "docker"), "HOME": str(tmp_path), "PATH": os.environ["PATH"]}


@pytest.fixture
def resolver(variables: dict[str, str], folder: Path) -> Callable[..., RegistryImages]:
    """Pins images as a process of this machine does."""

    def make() -> RegistryImages:
        store = Store(folder / "store")
        store.create()
        return RegistryImages(Registries(Transport(Mirrors()).pool, Credentials(variables)), store)

    return make


@pytest.fixture
def envbuild(variables: dict[str, str], folder: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command as a user of this machine runs it."""

    def command(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        own = {"PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(folder / "store"), **variables, **more}
        line = [sys.executable, "-m", "builder", *map(str, arguments)]
        return subprocess.run(line, env=own, capture_output=True, text=True, timeout=120, check=False)

    return command


@pytest.fixture
def environment(tmp_path: Path) -> Callable[..., Path]:
    """Writes the spec of an environment on an image."""

    def write(image: str, *more: str, **said: str) -> Path:
        (tmp_path / "env").mkdir(exist_ok=True)
        base = json.dumps({"image": image, **said})
        (tmp_path / "env/environment.yaml").write_text("\n".join([f"base: {base}", *more, ""]))
        return tmp_path / "env"

    return write


def platforms_of(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "lock/envbuild.lock.json").read_text())["platforms"])


def test_a_base_is_locked_for_each_platform_and_checked_without_the_registry(
    pushed: Places, envbuild: Any, environment: Any
) -> None:
    folder = environment(f"{pushed.host}/team/base:1")
    done = envbuild("-v", "lock", folder)
    assert done.returncode == 0, done.stderr
    index = Index.from_bytes(pushed.raw("team/base:1"))
    expected = {str(entry.platform): str(entry.digest) for entry in index.manifests}
    locked = platforms_of(folder)
    assert {name: lock["base"]["manifest"]["digest"] for name, lock in locked.items()} == expected
    for lock in locked.values():
        assert lock["base"]["glibc"] == "2.36"
        assert (lock["interpreter"]["source"], lock["interpreter"]["path"]) == ("base", "/usr/bin/python3.11")
        assert lock["interpreter"]["version"].startswith("3.11.")
        assert len(lock["base"]["layers"]) == len(lock["base"]["diff-ids"]) > 1
    files = b"".join(path.read_bytes() for path in (folder / "lock").iterdir())
    for secret in (SECRET, LOGIN):
        assert secret.encode() not in files
        assert secret not in done.stdout + done.stderr
    nowhere = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "DOCKER_CONFIG": "/nowhere"}
    assert envbuild("lock", "--check", folder, **nowhere).returncode == 0


def test_a_tag_that_moves_changes_nothing_before_an_upgrade(
    pushed: Places, bases: dict[str, Base], other: Base, envbuild: Any, environment: Any
) -> None:
    push_index(pushed.plain, "team/moving:1", list(bases.values()))
    place = environment(f"{pushed.host}/team/moving:1", "platforms: [linux/amd64]")
    assert envbuild("lock", place).returncode == 0
    before = (place / "lock/envbuild.lock.json").read_bytes()
    other.push(pushed.plain, "team/moving:1")
    assert envbuild("lock", place).returncode == 0
    assert (place / "lock/envbuild.lock.json").read_bytes() == before
    environment(f"{pushed.host}/team/moving:1", "platforms: [linux/amd64]", "cuda: '12.8'", entrypoint="replace")
    assert envbuild("lock", place).returncode == 0
    assert platforms_of(place)["linux/amd64"]["base"] == json.loads(before)["platforms"]["linux/amd64"]["base"]
    done = envbuild("lock", "--upgrade", place)
    assert done.returncode == 0, done.stderr
    base = platforms_of(place)["linux/amd64"]["base"]
    assert base["manifest"]["digest"] == str(Digest.of(pushed.raw("team/other:1")))
    assert base["working-directory"] == "/srv"
    assert "OTHER=1" in base["environment"]


def test_a_base_that_is_gone_is_noticed_online(
    pushed: Places, folder: Path, other: Base, envbuild: Any, environment: Any
) -> None:
    other.push(pushed.plain, "team/gone:1")
    place = environment(f"{pushed.host}/team/gone:1", "platforms: [linux/amd64]")
    assert envbuild("lock", place).returncode == 0
    assert envbuild("lock", "--check", "--online", place).returncode == 0
    unknown = envbuild("lock", "--check", "--online", place, DOCKER_CONFIG="/nowhere")
    assert unknown.returncode == 6, unknown.stderr
    shutil.rmtree(folder / "data/docker/registry/v2/repositories/team/gone")
    gone = envbuild("lock", "--check", "--online", place)
    assert gone.returncode == 1, gone.stderr
    assert "no longer whole" in gone.stderr


def test_an_image_for_one_platform_is_refused_for_others(pushed: Places, envbuild: Any, environment: Any) -> None:
    place = environment(f"{pushed.host}/team/other:1")
    done = envbuild("lock", place)
    assert done.returncode == 1
    assert f"`{pushed.host}/team/other:1` is not there for linux/arm64" in done.stderr
    assert "it is there for linux/amd64" in done.stderr
    assert not (place / "lock").exists()


def test_what_is_found_does_not_depend_on_the_format_of_the_manifest(
    pushed: Places, bases: dict[str, Base], resolver: Any
) -> None:
    bases["arm64"].push(pushed.plain, "team/docker:1", docker=True)
    one, one_python = resolver()(f"{pushed.host}/team/base:1", ARM64, None, True)
    other, other_python = resolver()(f"{pushed.host}/team/docker:1", ARM64, None, True)
    assert other.manifest.media_type == DOCKER_MANIFEST
    assert (other.diff_ids, other.glibc, other_python) == (one.diff_ids, one.glibc, one_python)


def test_an_image_may_be_named_by_its_digest(pushed: Places, resolver: Any) -> None:
    digest = Digest.of(pushed.raw("team/base:1"))
    named, _ = resolver()(f"{pushed.host}/team/base@{digest}", AMD64, "3.11", True)
    assert named.manifest == resolver()(f"{pushed.host}/team/base:1", AMD64, "3.11", True)[0].manifest
    with pytest.raises(EnvbuildError, match="there is no image"):
        resolver()(f"{pushed.host}/team/base@{Digest.of(b'other')}", AMD64, None, True)


def test_a_wrong_login_is_told_and_nothing_is_written(
    pushed: Places, envbuild: Any, environment: Any, variables: dict[str, str]
) -> None:
    wrong = base64.b64encode(f"{USER}:wr0ng-s3cret".encode()).decode()
    Path(variables["DOCKER_CONFIG"], "config.json").write_text(json.dumps({"auths": {pushed.host: {"auth": wrong}}}))
    place = environment(f"{pushed.host}/team/base:1")
    done = envbuild("-v", "lock", place)
    assert done.returncode == 1
    assert "not for this login" in done.stderr
    assert f"docker login {pushed.host}" in done.stderr
    assert "wr0ng-s3cret" not in done.stderr
    assert wrong not in done.stderr
    assert not (place / "lock").exists()


def test_a_registry_with_a_certificate_of_its_own_is_trusted_where_that_is_said(
    pushed: Places, resolver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urllib3.Retry.sleep", lambda *_: None)
    name = f"{pushed.tls_host}/team/base:1"
    with pytest.raises(EnvbuildError, match="cannot be reached") as caught:
        resolver()(name, AMD64, None, True)
    assert "SSL_CERT_FILE" in str(caught.value.hint)
    monkeypatch.setenv("SSL_CERT_FILE", str(pushed.authority))
    assert resolver()(name, AMD64, None, True)[1].path == "/usr/bin/python3.11"
