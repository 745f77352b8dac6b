from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.errors import EnvbuildError
from builder.oci.registry.credentials import Credentials, Login

REGISTRY = "registry.example:5000"
SECRET = "hunter2"


def auth(user: str, password: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def machine(tmp_path: Path) -> Callable[..., Credentials]:
    """The logins of a machine with these files and credential helpers."""

    def make(helpers: dict[str, str] | None = None, **files: Any) -> Credentials:
        places = {
            "docker": tmp_path / "docker/config.json",
            "named": tmp_path / "named.json",
            "runtime": tmp_path / "run/containers/auth.json",
            "home": tmp_path / ".config/containers/auth.json",
        }
        for name, content in files.items():
            places[name].parent.mkdir(parents=True, exist_ok=True)
            places[name].write_text(content if isinstance(content, str) else json.dumps(content))
        for name, script in (helpers or {}).items():
            program = tmp_path / f"bin/docker-credential-{name}"
            program.parent.mkdir(exist_ok=True)
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        variables = {"HOME": str(tmp_path), "PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
        variables |= {"DOCKER_CONFIG": str(tmp_path / "docker"), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
        if "named" in files:
            variables["REGISTRY_AUTH_FILE"] = str(places["named"])
        return Credentials(variables)

    return make


def test_a_machine_without_logins_has_none(machine: Callable[..., Credentials]) -> None:
    assert machine().login(REGISTRY, "a/b") is None
    assert machine(docker={"auths": {}}, runtime="").login(REGISTRY, "a/b") is None


@pytest.mark.parametrize("key", [REGISTRY, f"https://{REGISTRY}", f"https://{REGISTRY}/v1/", f"http://{REGISTRY}/v2"])
def test_docker_keeps_logins_under_several_keys(machine: Callable[..., Credentials], key: str) -> None:
    found = machine(docker={"auths": {key: auth("scientist", SECRET), "other.example": auth("x", "y")}})
    assert found.login(REGISTRY, "a/b") == Login("scientist", SECRET)
    assert found.login("registry.example", "a/b") is None
    assert found.login("other.example.evil.example", "a/b") is None


def test_docker_hub_has_a_key_of_its_own(machine: Callable[..., Credentials]) -> None:
    found = machine(docker={"auths": {"https://index.docker.io/v1/": auth("scientist", SECRET)}})
    assert found.login("docker.io", "library/python") == Login("scientist", SECRET)
    assert found.login("registry.example", "library/python") is None


def test_podman_keeps_logins_for_parts_of_a_registry(machine: Callable[..., Credentials]) -> None:
    found = machine(runtime={"auths": {f"{REGISTRY}/team": auth("team", "1"), REGISTRY: auth("all", "2")}})
    assert found.login(REGISTRY, "team/base") == Login("team", "1")
    assert found.login(REGISTRY, "teams/base") == Login("all", "2")


def test_the_file_that_was_named_comes_first(machine: Callable[..., Credentials]) -> None:
    files = {name: {"auths": {REGISTRY: auth(name, "1")}} for name in ("named", "docker", "runtime", "home")}
    for name in list(files):
        assert machine(**files).login(REGISTRY, "a") == Login(name, "1")
        files[name] = {}


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"username": "u", "password": "p"}, Login("u", "p")),
        ({"identitytoken": "t"}, Login(identity_token="t")),
        ({"registrytoken": "t"}, Login(registry_token="t")),
        (auth("u", "a:b"), Login("u", "a:b")),
        ({}, None),
        ("text", None),
    ],
)
def test_an_entry_holds_a_password_or_a_token(
    machine: Callable[..., Credentials], entry: Any, expected: Login | None
) -> None:
    assert machine(docker={"auths": {REGISTRY: entry}}).login(REGISTRY, "a") == expected


def test_a_helper_is_asked_before_the_file(machine: Callable[..., Credentials]) -> None:
    script = 'read -r server; echo "{\\"Username\\": \\"$1 $server\\", \\"Secret\\": \\"s\\"}"'
    store = {"credsStore": "all", "auths": {REGISTRY: auth("file", "1")}}
    assert machine({"all": script}, docker=store).login(REGISTRY, "a") == Login(f"get {REGISTRY}", "s")
    hub = machine({"all": script}, docker=store).login("docker.io", "a")
    assert hub == Login("get https://index.docker.io/v1/", "s")
    one = store | {"credHelpers": {REGISTRY: "one"}}
    assert machine({"one": script.replace("get", "one")}, docker=one).login(REGISTRY, "a") is not None


def test_a_helper_that_has_nothing_is_no_error(machine: Callable[..., Credentials]) -> None:
    nothing = {"all": "echo credentials not found in native keychain; exit 1"}
    document = {"credsStore": "all", "auths": {REGISTRY: auth("file", "1")}}
    assert machine(nothing, docker=document).login(REGISTRY, "a") == Login("file", "1")
    assert machine(nothing, docker=document).login("r.example", "a") is None


def test_a_helper_may_keep_an_identity_token(machine: Callable[..., Credentials]) -> None:
    script = """echo '{"Username": "<token>", "Secret": "t"}'"""
    assert machine({"all": script}, docker={"credsStore": "all"}).login(REGISTRY, "a") == Login(identity_token="t")


@pytest.mark.parametrize(
    ("helper", "script", "what"),
    [
        ("missing", None, "cannot be run"),
        ("all", f"echo {SECRET} >&2; exit 3", "failed"),
        ("all", f"echo {SECRET}", "cannot be read"),
        ("all", "echo '{}'", "cannot be read"),
        ("../../bin/sh", None, "cannot be one"),
        (["all"], None, "cannot be one"),
        ("slow", "sleep 30", "does not work"),
    ],
)
def test_a_helper_that_fails_is_told_without_what_it_said(
    machine: Callable[..., Credentials], helper: Any, script: str | None, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if helper == "slow":
        monkeypatch.setattr("builder.oci.registry.credentials._HELPER_SECONDS", 0.1)
    found = machine({helper: script} if script else {}, docker={"credsStore": helper})
    with pytest.raises(EnvbuildError, match=what) as caught:
        found.login(REGISTRY, "a")
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.__cause__!r}"


@pytest.mark.parametrize("content", ["{", "[]", '{"auths": [1]}', json.dumps({"auths": {REGISTRY: {"auth": "?"}}})])
def test_a_damaged_file_is_named(machine: Callable[..., Credentials], content: str) -> None:
    with pytest.raises(EnvbuildError, match=r"config\.json"):
        machine(docker=content).login(REGISTRY, "a")


def test_a_login_does_not_show_its_secret() -> None:
    assert SECRET not in repr(Login("u", SECRET, SECRET, SECRET))
