"""Who is sent which credentials, over real connections."""

from __future__ import annotations

import base64
import os
import threading
from pathlib import Path
from typing import Any

import pytest
from private_hosts import write_keyring

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors, connections
from builder.oci.store import Store

SECRET = {"UV_INDEX_CORP_USERNAME": "me", "UV_INDEX_CORP_PASSWORD": "hunter2"}


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def sent(server: Any) -> list[str | None]:
    return [headers.get("authorization") for _, headers in server.requests]


def fetcher(store: Store, server: Any, **variables: str) -> Fetcher:
    mirrors = Mirrors.from_environment(variables or SECRET)
    return Fetcher(store, mirrors).with_indexes({"corp": f"{server.url}/team/simple/"})


def redirect(faults: Any, url: str, status: int = 302) -> Any:
    return lambda handler: faults.answer(handler, status, Location=url)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_takes_no_credentials_along(
    server: Any, other_server: Any, store: Store, faults: Any, status: int
) -> None:
    other_server.files["/there"] = b"data"
    server.handlers["/team/files/x"] = redirect(faults, f"{other_server.url}/there", status)
    assert fetcher(store, server).read([f"{server.url}/team/files/x"], 100) == b"data"
    assert sent(server) == [basic("me:hunter2")]
    assert sent(other_server) == [None]


def test_a_redirect_back_gives_each_host_its_own(server: Any, other_server: Any, store: Store, faults: Any) -> None:
    server.handlers["/team/files/x"] = redirect(faults, f"{other_server.url}/there")
    other_server.handlers["/there"] = redirect(faults, f"{server.url}/team/files/y")
    server.files["/team/files/y"] = b"data"
    assert fetcher(store, server).read([f"{server.url}/team/files/x"], 100) == b"data"
    assert sent(server) == [basic("me:hunter2")] * 2
    assert sent(other_server) == [None]


def test_a_relative_redirect_is_followed(server: Any, store: Store, faults: Any) -> None:
    server.handlers["/team/files/x"] = redirect(faults, "../other/y")
    server.files["/team/other/y"] = b"data"
    assert fetcher(store, server).read([f"{server.url}/team/files/x"], 100) == b"data"


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/y", "http://[x/"])
def test_a_redirect_to_what_is_no_web_server_is_refused(server: Any, store: Store, faults: Any, location: str) -> None:
    server.handlers["/team/files/x"] = redirect(faults, location)
    with pytest.raises(EnvbuildError):
        fetcher(store, server).read([f"{server.url}/team/files/x"], 100)


def test_redirects_without_end_are_given_up(server: Any, store: Store, faults: Any) -> None:
    server.handlers["/team/files/x"] = redirect(faults, f"{server.url}/team/files/x")
    with pytest.raises(EnvbuildError, match="more than 5 times"):
        fetcher(store, server).read([f"{server.url}/team/files/x"], 100)
    assert len(server.requests) == 6


def locked(handler: Any, faults: Any, login: str, data: bytes) -> None:
    faults.answer(handler, 200 if handler.headers.get("Authorization") == basic(login) else 401, data)


def test_a_second_login_for_the_same_place_is_tried_where_the_first_is_refused(
    server: Any, store: Store, faults: Any
) -> None:
    server.handlers["/files/x"] = lambda handler: locked(handler, faults, "b:2", b"data")
    variables = {"UV_INDEX_A_USERNAME": "a", "UV_INDEX_A_PASSWORD": "1", "UV_INDEX_B_USERNAME": "b"}
    mirrors = Mirrors.from_environment({**variables, "UV_INDEX_B_PASSWORD": "2"})
    indexes = {"a": f"{server.url}/simple-a/", "b": f"{server.url}/simple-b/"}
    assert Fetcher(store, mirrors).with_indexes(indexes).read([f"{server.url}/files/x"], 100) == b"data"
    assert sent(server) == [basic("a:1"), basic("b:2")]


@pytest.mark.parametrize("user", [None, "me"])
def test_a_keyring_is_asked_once_and_after_a_refusal_alone(
    server: Any, store: Store, faults: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str | None
) -> None:
    service = f"{server.url}/team/simple/"
    log = write_keyring(tmp_path / "keyring", {(service, "me"): "hunter2"})
    monkeypatch.setenv("PATH", f"{tmp_path / 'keyring'}{os.pathsep}{os.environ['PATH']}")
    server.files["/team/open"] = b"open"
    for name in ("x", "y"):
        server.handlers[f"/team/files/{name}"] = lambda handler: locked(handler, faults, "me:hunter2", b"data")
    named = {"UV_INDEX_CORP_USERNAME": user} if user else {}
    known = fetcher(store, server, UV_KEYRING_PROVIDER="subprocess", **named)
    assert known.read([f"{server.url}/team/open"], 100) == b"open"
    assert not log.exists()
    for name in ("x", "y"):
        assert known.read([f"{server.url}/team/files/{name}"], 100) == b"data"
    asked = log.read_text().splitlines()
    assert asked == [f"get {service} {user or '--mode creds'}"]


def test_no_keyring_is_asked_unless_that_was_said(
    server: Any, store: Store, faults: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_keyring(tmp_path / "keyring", {(f"{server.url}/team/simple/", "me"): "hunter2"})
    monkeypatch.setenv("PATH", f"{tmp_path / 'keyring'}{os.pathsep}{os.environ['PATH']}")
    server.handlers["/team/x"] = lambda handler: locked(handler, faults, "me:hunter2", b"data")
    with pytest.raises(EnvbuildError, match="401"):
        fetcher(store, server, UV_INDEX_CORP_USERNAME="me").read([f"{server.url}/team/x"], 100)
    assert not log.exists()


def test_a_server_that_falls_silent_is_given_up_when_the_machine_says(
    server: Any, store: Store, faults: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "_ATTEMPTS", 0)
    over = threading.Event()
    server.handlers["/team/x"] = lambda _: over.wait(30)
    with pytest.raises(EnvbuildError, match="ReadTimeoutError") as caught:
        fetcher(store, server, UV_HTTP_TIMEOUT="1").read([f"{server.url}/team/x"], 100)
    over.set()
    assert f"{server.url}/team/x" in str(caught.value)


def test_a_document_that_trickles_is_given_up(
    server: Any, store: Store, faults: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.fetch.fetcher._LONGEST_DOCUMENT", -1.0)
    server.files["/team/x"] = b"data"
    with pytest.raises(EnvbuildError, match="not sent within"):
        fetcher(store, server).read([f"{server.url}/team/x"], 100)


def test_a_keyring_that_is_not_there_or_knows_nothing_is_no_error(
    server: Any, store: Store, faults: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.handlers["/team/x"] = lambda handler: locked(handler, faults, "me:hunter2", b"data")
    for path in (tmp_path / "nowhere", write_keyring(tmp_path / "keyring", {("x", "y"): "z"}).parent):
        monkeypatch.setenv("PATH", str(path))
        with pytest.raises(EnvbuildError, match="401") as caught:
            fetcher(store, server, UV_KEYRING_PROVIDER="subprocess").read([f"{server.url}/team/x"], 100)
        assert "UV_INDEX_<NAME>_USERNAME" in str(caught.value.hint)
