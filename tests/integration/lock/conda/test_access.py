from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conda_channel import ChannelServer, serve
from private_hosts import HOST, make_authority, serve_proxy, serve_tls

from builder.errors import EnvbuildError
from builder.lock.artifact import CondaPackage
from builder.oci.documents import Platform

AMD = Platform("amd64")
USER, PASSWORD, TOKEN = "scientist", "hunter2-conda", "tk-00000000-secret"
SECRETS = (PASSWORD, TOKEN)
NAMED = {"channels": ["conda-forge"], "dependencies": ["python 3.11.*", "greeter"]}
CANONICAL = "https://conda.anaconda.org/conda-forge"


@pytest.fixture
def private(channels: Path, tmp_path: Path) -> Iterator[ChannelServer]:
    """A server that asks for a user with a password and for a token; it has `conda-forge`."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "conda-forge").symlink_to(channels / "channel")
    with serve(folder, user=USER, password=PASSWORD, token=TOKEN) as state:
        yield state


@pytest.fixture
def mirror(channels: Path, tmp_path: Path) -> Iterator[ChannelServer]:
    folder = tmp_path / "mirrored"
    (folder / "deep").mkdir(parents=True)
    (folder / "conda-forge").symlink_to(channels / "channel")
    (folder / "deep" / "main").symlink_to(channels / "channel")
    with serve(folder) as state:
        yield state


def check_fetched(place: Any, package: CondaPackage) -> None:
    """What is locked can be had with the settings of this machine."""
    assert place.fetcher().blob(package.source).stat().st_size == package.size


def check_secrecy(place: Any, *texts: str) -> None:
    """No secret is in the lock, in what the store keeps of channels, or in a text."""
    kept = [path for path in (*place.folder.rglob("*"), *(place.store / "conda").rglob("*")) if path.is_file()]
    assert kept
    for secret in SECRETS:
        assert not any(secret in text for text in texts)
        assert not [path for path in kept if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("how", ["variable", "condarc"])
def test_the_alias_is_asked_and_the_lock_names_the_channel(
    place: Any, mirror: Any, condarc: Any, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    if how == "variable":
        monkeypatch.setenv("CONDA_CHANNEL_ALIAS", mirror.url)
    else:
        condarc(channel_alias=f"{mirror.url}/")
    place.write(NAMED)
    package = place.lock()[AMD]["greeter"]
    assert package.url == f"{CANONICAL}/noarch/greeter-1.0-0.conda"
    assert package.channel == CANONICAL
    assert mirror.requests
    assert mirror.url.encode() not in b"".join(place.files.values())
    check_fetched(place, package)


def test_a_mirror_of_one_channel_goes_before_the_alias_and_the_next_one_steps_in(
    place: Any, mirror: Any, condarc: Any
) -> None:
    condarc(
        channel_alias="http://127.0.0.1:1",
        mirrored_channels={"conda-forge": ["http://127.0.0.1:1/down", f"{mirror.url}/conda-forge"]},
    )
    place.write(NAMED)
    assert place.lock()[AMD]["greeter"].url.startswith(CANONICAL)
    assert mirror.requests


def test_packages_are_fetched_from_the_next_mirror_where_one_does_not_have_them(
    place: Any, channels: Path, condarc: Any
) -> None:
    folders = [f"file://{channels}/nothing", f"file://{channels}/channel"]
    place.write({"channels": [folders[1]], "dependencies": ["python 3.11.*", "greeter"]})
    package = place.lock()[AMD]["greeter"]
    condarc(mirrored_channels={"conda-forge": folders})
    check_fetched(place, replace(package, url=f"{CANONICAL}/noarch/{package.file_name}"))


def test_custom_and_default_channels_stand_for_those_of_the_same_name(place: Any, mirror: Any, condarc: Any) -> None:
    condarc(custom_channels={"conda-forge": mirror.url}, default_channels=[f"{mirror.url}/deep/main"])
    place.write({"channels": ["main", "conda-forge"], "dependencies": ["python 3.11.*", "greeter"]})
    package = place.lock()[AMD]["greeter"]
    assert package.channel == "https://repo.anaconda.com/pkgs/main"
    check_fetched(place, package)


def test_a_mirror_may_be_a_folder(place: Any, channels: Path, condarc: Any) -> None:
    condarc(mirrored_channels={"conda-forge": f"file://{channels}/channel"})
    place.write({**NAMED, "dependencies": ["python 3.11.*", "conda-forge::greeter"]})
    package = place.lock()[AMD]["greeter"]
    assert package.url == f"{CANONICAL}/noarch/greeter-1.0-0.conda"
    check_fetched(place, package)


def _by_urls(private: ChannelServer, condarc: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    condarc(channel_alias=private.secret_url)


def _by_variables_in_condarc(
    private: ChannelServer, condarc: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TEAM_PASSWORD", PASSWORD)
    monkeypatch.setenv("TEAM_TOKEN", TOKEN)
    condarc(channel_alias=f"http://{USER}:${{TEAM_PASSWORD}}@127.0.0.1:{private.port}/t/$TEAM_TOKEN")


def _by_netrc(private: ChannelServer, condarc: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text(f"machine 127.0.0.1 login {USER} password {PASSWORD}\n")
    condarc(channel_alias=f"{private.url}/t/{TOKEN}/")


def _by_an_auth_file(private: ChannelServer, condarc: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    login = {"BasicHTTP": {"username": USER, "password": PASSWORD}}
    path.write_text(json.dumps({f"127.0.0.1:{private.port}": login, "*.example": {"BearerToken": "x"}}))
    monkeypatch.setenv("RATTLER_AUTH_FILE", str(path))
    condarc(channel_alias=f"{private.url}/t/{TOKEN}/")


@pytest.mark.parametrize("how", [_by_urls, _by_variables_in_condarc, _by_netrc, _by_an_auth_file])
def test_credentials_open_a_channel_and_stay_on_the_machine(
    place: Any, private: Any, condarc: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, how: Any
) -> None:
    how(private, condarc, monkeypatch, tmp_path)
    place.write(NAMED)
    package = place.lock()[AMD]["greeter"]
    assert package.channel == CANONICAL
    check_fetched(place, package)
    assert not any(f"/{TOKEN}" in line and line.endswith(" 200") for line in private.requests)  # the server took it off
    check_secrecy(place, repr(place.read()), repr(place.fetcher().mirrors))


def test_a_token_of_an_auth_file_becomes_part_of_the_path(
    place: Any, channels: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with serve(channels, token=TOKEN) as server:
        (tmp_path / "auth.json").write_text(json.dumps({f"127.0.0.1:{server.port}": {"CondaToken": TOKEN}}))
        monkeypatch.setenv("RATTLER_AUTH_FILE", str(tmp_path / "auth.json"))
        place.write({"channels": [f"{server.url}/channel"], "dependencies": ["python 3.11.*", "greeter"]})
        package = place.lock()[AMD]["greeter"]
        assert package.channel == f"{server.url}/channel"
        check_fetched(place, package)
    check_secrecy(place)


def test_a_wrong_password_is_an_error_without_it(
    place: Any, private: Any, condarc: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    condarc(channel_alias=private.secret_url.replace(USER, "nobody"))
    place.write(NAMED)
    with pytest.raises(EnvbuildError) as caught:
        place.lock()
    assert "401" in str(caught.value)
    package = CondaPackage("a", "1", "0", "noarch", _digest(), "", 1, f"{CANONICAL}/noarch/a-1-0.conda")
    with pytest.raises(EnvbuildError) as fetching:
        place.fetcher().blob(package.source)
    for error in (caught.value, fetching.value):
        assert not any(secret in f"{error}{error!r}{error.hint}" for secret in SECRETS)


def test_the_command_prints_no_secret_even_when_it_says_all(
    place: Any, private: Any, condarc: Any, store: Path
) -> None:
    place.store = store
    condarc(channel_alias=private.secret_url)
    place.write({**NAMED, "dependencies": ["python 3.11.*", "nothing-like-it"]})
    line = [sys.executable, "-m", "builder", "-v", "lock", str(place.folder)]
    environment = {**os.environ, "ENVBUILD_CACHE": str(place.store), "PYTHONPATH": str(Path(__file__).parents[4])}
    finished = subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    check_secrecy(place, finished.stdout, finished.stderr)


@pytest.mark.parametrize(
    "channel",
    ["https://u:p@conda.example/team", "https://conda.example/t/tk-1/team", "https://conda.example/x?token=1"],
)
def test_a_spec_holds_no_credentials(place: Any, channel: str) -> None:
    (place.folder / "environment.yml").write_text(
        f"channels:\n  - conda-forge\n  - {channel}\ndependencies: [python]\n"
    )
    place.write({"file": "environment.yml"})
    with pytest.raises(EnvbuildError) as caught:
        place.lock()
    (problem,) = caught.value.why
    assert "environment.yml:3" in problem
    assert "u:p" not in problem
    assert "tk-1" not in problem


def test_settings_that_cannot_be_read_are_told_without_their_values(place: Any, tmp_path: Path, condarc: Any) -> None:
    place.write(NAMED)
    condarc(channel_alias=f"ftp://{USER}:{PASSWORD}@host")
    with pytest.raises(EnvbuildError, match="conda settings") as caught:
        place.lock()
    assert PASSWORD not in str(caught.value)


def _digest() -> Any:
    from builder.oci.digest import Digest

    return Digest("1" * 64)


def test_certificates_of_an_own_authority_are_trusted_where_they_are_named(
    place: Any, server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    authority = make_authority(tmp_path / "authority")
    with serve_tls(server.port, authority.context) as port:
        place.write({"channels": [f"https://127.0.0.1:{port}/channel"], "dependencies": ["python 3.11.*"]})
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
        check_fetched(place, place.lock()[AMD]["python"])


def test_channels_are_asked_through_the_proxy_of_this_machine(
    place: Any, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serve_proxy() as proxy:
        proxy.routes[f"{HOST}:80"] = server.port
        monkeypatch.setenv("http_proxy", proxy.url)
        place.write({"channels": [f"http://{HOST}/channel"], "dependencies": ["python 3.11.*"]})
        assert place.lock()[AMD]["python"].channel == f"http://{HOST}/channel"
    assert proxy.asked


def test_a_solver_that_breaks_off_is_one_clean_error(
    place: Any, server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\necho 'thread panicked' >&2\nkill -ABRT $$\n")
    program.chmod(0o755)
    monkeypatch.setattr("builder.lock.conda.solver.sys.executable", str(program))
    place.write({"channels": [f"{server.url}/channel"], "dependencies": ["python"]})
    with pytest.raises(EnvbuildError, match="the conda solver broke off") as caught:
        place.lock()
    assert caught.value.why == ("thread panicked",)
