from __future__ import annotations

import base64
import http.server
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, Descriptor
from builder.oci.registry.client import DOCKER_MANIFEST
from builder.oci.registry.credentials import Login
from builder.oci.registry.reference import Reference

USER, SECRET, TOKEN = "scientist", "hunter2", "t0ken"
BASIC = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
MANIFEST = b'{"schemaVersion":2,"layers":[]}'
BLOB = bytes(range(256)) * 4096


def text(error: BaseException) -> str:
    """All that could be shown of an error."""
    parts = []
    while error:
        parts += [str(error), repr(error), str(getattr(error, "hint", ""))]
        error = error.__cause__
    return "\n".join(parts)


def needing(value: str, challenge: str, handle: Any, answering: Any) -> Any:
    """A handler that wants an Authorization header."""

    def check(handler: http.server.BaseHTTPRequestHandler) -> None:
        allowed = handler.headers.get("Authorization") == value
        (handle if allowed else answering(401, b'{"errors":[{"code":"UNAUTHORIZED"}]}', WWW_Authenticate=challenge))(
            handler
        )

    return check


def test_a_manifest_comes_with_its_descriptor(server: Any, registries: Any) -> None:
    server.serve_manifest(MANIFEST, Docker_Content_Digest=str(Digest.of(MANIFEST)))
    document = registries().manifest(server.reference)
    assert document.data == MANIFEST
    assert document.descriptor == Descriptor(MEDIA_TYPE_MANIFEST, Digest.of(MANIFEST), len(MANIFEST))
    assert MEDIA_TYPE_INDEX in server.requests[0][2]["accept"]


def test_a_manifest_is_asked_for_by_its_digest_where_that_is_known(server: Any, registries: Any) -> None:
    digest = Digest.of(MANIFEST)
    server.serve(f"/v2/team/base/manifests/{digest}", MANIFEST)
    reference = Reference.parse(f"{server.host}/team/base:1@{digest}")
    assert registries().manifest(reference).descriptor.digest == digest
    server.serve(f"/v2/team/base/manifests/{digest}", MANIFEST + b" ")
    with pytest.raises(DigestMismatchError):
        registries().manifest(reference)


def test_a_manifest_that_is_not_what_the_registry_announces_is_refused(server: Any, registries: Any) -> None:
    server.serve_manifest(MANIFEST, Docker_Content_Digest=str(Digest.of(b"other")))
    with pytest.raises(DigestMismatchError, match="promised"):
        registries().manifest(server.reference)


@pytest.mark.parametrize(
    ("data", "kind", "expected"),
    [
        (MANIFEST, DOCKER_MANIFEST, DOCKER_MANIFEST),
        (MANIFEST, "text/plain", MEDIA_TYPE_MANIFEST),
        (b'{"schemaVersion":2,"manifests":[]}', "application/json; charset=utf-8", MEDIA_TYPE_INDEX),
        (b'{"schemaVersion":2,"mediaType":"%s"}' % DOCKER_MANIFEST.encode(), MEDIA_TYPE_INDEX, DOCKER_MANIFEST),
    ],
)
def test_the_type_of_a_manifest_is_what_it_says_itself(
    server: Any, registries: Any, data: bytes, kind: str, expected: str
) -> None:
    server.serve_manifest(data, kind)
    assert registries().manifest(server.reference).descriptor.media_type == expected


@pytest.mark.parametrize(
    ("data", "kind", "message"),
    [
        (b'{"schemaVersion":1,"fsLayers":[]}', "application/vnd.docker.distribution.manifest.v1+prettyjws", "first"),
        (b'{"schemaVersion":2,"mediaType":"application/x-helm"}', "", "is not an image"),
        (b"{", MEDIA_TYPE_MANIFEST, "not valid JSON"),
        (b"[" * 100000, MEDIA_TYPE_MANIFEST, "not valid JSON"),
        (b"[]", MEDIA_TYPE_MANIFEST, "not a JSON object"),
        (b"<html>", "text/html", "not valid JSON"),
        (bytes(5 << 20), MEDIA_TYPE_MANIFEST, "more than"),
    ],
)
def test_what_is_no_manifest_gives_a_clear_error(
    server: Any, registries: Any, data: bytes, kind: str, message: str
) -> None:
    server.serve_manifest(data, kind)
    with pytest.raises(EnvbuildError, match=message):
        registries().manifest(server.reference)


def test_an_image_that_is_not_there_is_named(server: Any, registries: Any, answering: Any) -> None:
    server.handlers["/v2/team/base/manifests/1"] = answering(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')
    with pytest.raises(EnvbuildError) as caught:
        registries().manifest(server.reference)
    assert caught.value.what == f"there is no image `{server.host}/team/base:1`"
    assert caught.value.why == ("the registry answered 404 MANIFEST_UNKNOWN",)


def test_basic_authentication_is_answered(server: Any, registries: Any, answering: Any) -> None:
    handle = needing(BASIC, 'Basic realm="x"', answering(200, MANIFEST), answering)
    server.handlers["/v2/team/base/manifests/1"] = handle
    assert registries({server.host: Login(USER, SECRET)}).manifest(server.reference).data == MANIFEST
    assert "authorization" not in server.requests[0][2]
    for logins in ({}, {server.host: Login(USER, "wrong")}, {"other.example": Login(USER, SECRET)}):
        with pytest.raises(EnvbuildError, match="not for this login") as caught:
            registries(logins).manifest(server.reference)
        assert caught.value.hint == f"Check the name, or log in with `docker login {server.host}`"


def bearer(server: Any, answering: Any, realm: str, handle: Any = None) -> None:
    challenge = f'Bearer realm="{realm}",service="x",scope="repository:team/base:pull"'
    server.handlers["/v2/team/base/manifests/1"] = needing(
        f"Bearer {TOKEN}", challenge, handle or answering(200, MANIFEST), answering
    )


@pytest.mark.parametrize("login", [None, Login(USER, SECRET)])
def test_a_token_is_fetched_from_the_service_that_the_registry_names(
    serving: Any, registries: Any, answering: Any, login: Login | None
) -> None:
    server, service = serving(), serving()
    bearer(server, answering, f"http://{service.host}/token")
    service.serve("/token", json.dumps({"access_token": TOKEN}).encode())
    found = registries({server.host: login} if login else {})
    for _ in range(2):
        found.manifest(server.reference)
    ((_, path, headers),) = service.requests
    assert parse_qs(urlsplit(path).query) == {"service": ["x"], "scope": ["repository:team/base:pull"]}
    assert headers.get("authorization") == (login.basic if login else None)
    assert [headers.get("authorization") for _, _, headers in server.requests] == [None, *2 * [f"Bearer {TOKEN}"]]


def test_an_identity_token_is_exchanged(server: Any, registries: Any, answering: Any) -> None:
    bodies = []

    def exchange(handler: http.server.BaseHTTPRequestHandler) -> None:
        bodies.append(handler.rfile.read(int(handler.headers["Content-Length"])).decode())
        answering(200, json.dumps({"access_token": TOKEN}).encode())(handler)

    bearer(server, answering, f"http://{server.host}/token")
    server.handlers["/token"] = exchange
    assert registries({server.host: Login(identity_token=SECRET)}).manifest(server.reference).data == MANIFEST
    assert parse_qs(bodies[0])["refresh_token"] == [SECRET]
    assert SECRET not in "".join(server.paths())


def test_a_token_that_has_expired_is_fetched_anew(server: Any, registries: Any, answering: Any) -> None:
    bearer(server, answering, f"http://{server.host}/token")
    server.serve("/token", json.dumps({"token": TOKEN}).encode())
    found = registries()
    found.manifest(server.reference)
    challenge = f'Bearer realm="http://{server.host}/token"'
    server.handlers["/v2/team/base/manifests/1"] = needing("Bearer new", challenge, answering(200, MANIFEST), answering)
    server.serve("/token", json.dumps({"token": "new"}).encode())
    assert found.manifest(server.reference).data == MANIFEST


def test_a_registry_that_refuses_every_token_is_given_up(server: Any, registries: Any, answering: Any) -> None:
    count = iter(range(1000))
    challenge = f'Bearer realm="http://{server.host}/token"'
    server.handlers["/v2/team/base/manifests/1"] = answering(401, WWW_Authenticate=challenge)
    server.handlers["/token"] = lambda handler: answering(200, b'{"token":"t%d"}' % next(count))(handler)
    with pytest.raises(EnvbuildError, match="not for this login"):
        registries().manifest(server.reference)
    assert len(server.requests) < 10


@pytest.mark.parametrize("realm", ["ftp://x/", "", "http://", "http://u:p@127.0.0.1/", "http://[", "/token"])
def test_a_token_service_that_cannot_be_trusted_is_not_asked(
    server: Any, registries: Any, answering: Any, realm: str
) -> None:
    bearer(server, answering, realm)
    with pytest.raises(EnvbuildError, match="cannot be trusted"):
        registries({server.host: Login(USER, SECRET)}).manifest(server.reference)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        *((body, 200) for body in (b"{}", b"[]", b"{", b'{"token":"a\\nb"}', b'{"token":1}', bytes(2 << 20))),
        (b"", 403),
        (b"", 404),
    ],
)
def test_a_token_service_without_a_token_gives_a_clear_error(
    server: Any, registries: Any, answering: Any, body: bytes, status: int
) -> None:
    bearer(server, answering, f"http://{server.host}/token")
    server.handlers["/token"] = answering(status, body)
    with pytest.raises(EnvbuildError) as caught:
        registries({server.host: Login(USER, SECRET)}).manifest(server.reference)
    assert SECRET not in text(caught.value)


@pytest.mark.parametrize("scheme", ["bearer", "basic"])
def test_what_proves_who_one_is_stays_with_the_registry(
    serving: Any, registries: Any, answering: Any, scheme: str
) -> None:
    server, storage = serving(), serving()
    there = answering(307, Location=f"http://{storage.host}/blob?signature={SECRET}")
    if scheme == "bearer":
        bearer(server, answering, f"http://{server.host}/token", there)
        server.serve("/token", json.dumps({"token": TOKEN}).encode())
    else:
        server.handlers["/v2/team/base/manifests/1"] = needing(BASIC, "Basic", there, answering)
    storage.serve("/blob", MANIFEST)
    found = registries({server.host: Login(USER, SECRET)})
    assert found.manifest(server.reference).data == MANIFEST
    assert ["authorization" in headers for _, _, headers in storage.requests] == [False]
    storage.handlers["/blob"] = answering(401, WWW_Authenticate=f'Bearer realm="http://{storage.host}/token"')
    with pytest.raises(EnvbuildError, match="refuses to answer") as caught:
        found.manifest(server.reference)
    assert SECRET not in text(caught.value)
    assert {path.partition("?")[0] for path in storage.paths()} == {"/blob"}


@pytest.mark.parametrize("location", ["", "ftp://x/y", "file:///etc/passwd", "http://[x", "http://x:0/"])
def test_a_redirect_to_nowhere_is_refused(server: Any, registries: Any, answering: Any, location: str) -> None:
    server.handlers["/v2/team/base/manifests/1"] = answering(302, Location=location)
    with pytest.raises(EnvbuildError, match="redirects to where it should not"):
        registries().manifest(server.reference)


def test_redirects_come_to_an_end(server: Any, registries: Any, answering: Any) -> None:
    server.handlers["/v2/team/base/manifests/1"] = answering(302, Location="/v2/team/base/manifests/1")
    with pytest.raises(EnvbuildError, match="without an end"):
        registries().manifest(server.reference)
    assert len(server.requests) == 6


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 503, 504])
def test_a_registry_that_is_busy_is_asked_again(server: Any, registries: Any, answering: Any, status: int) -> None:
    answers = iter([answering(status, Retry_After="0"), answering(200, MANIFEST)])
    server.handlers["/v2/team/base/manifests/1"] = lambda handler: next(answers)(handler)
    assert registries().manifest(server.reference).data == MANIFEST


def test_a_registry_that_stays_busy_is_given_up(server: Any, registries: Any, answering: Any) -> None:
    pauses: list[float] = []
    server.handlers["/v2/team/base/manifests/1"] = answering(429, Retry_After="2")
    with pytest.raises(EnvbuildError) as caught:
        registries(sleep=pauses.append).manifest(server.reference)
    assert pauses == [2, 2, 2, 2.4]
    assert caught.value.why == ("the registry answered 429",)
    assert "docker login" in str(caught.value.hint)
    assert len(server.requests) == 5


def test_what_a_registry_says_is_not_repeated(server: Any, registries: Any, answering: Any) -> None:
    def echo(handler: http.server.BaseHTTPRequestHandler) -> None:
        sent = handler.headers.get("Authorization", "")
        errors = [{"code": sent, "message": sent}, {"code": "DENIED", "message": sent}, {"code": ["x"]}, "x"]
        answering(403 if sent else 401, json.dumps({"errors": errors[:3]}).encode(), WWW_Authenticate="Basic")(handler)

    server.handlers["/v2/team/base/manifests/1"] = echo
    with pytest.raises(EnvbuildError) as caught:
        registries({server.host: Login(USER, SECRET)}).manifest(server.reference)
    assert caught.value.why == ("the registry answered 403 DENIED",)
    assert BASIC not in text(caught.value)


def test_a_registry_that_is_down_is_named(serving: Any, registries: Any) -> None:
    with pytest.raises(EnvbuildError, match=r"the registry `127\.0\.0\.1:1` cannot be reached"):
        registries().manifest(Reference.parse("127.0.0.1:1/team/base"))


def test_a_registry_without_tls_is_not_spoken_to_unless_it_is_this_machine(server: Any, registries: Any) -> None:
    server.serve_manifest(MANIFEST)
    reference = Reference.parse(f"{server.host.replace('127.0.0.1', '127.0.0.2')}/team/base:1")
    with pytest.raises(EnvbuildError, match="cannot be reached"):
        registries().manifest(reference)
    assert server.requests == []


def test_a_blob_is_read_to_its_end(server: Any, registries: Any) -> None:
    descriptor = server.serve_blob(BLOB)
    seen: list[int] = []
    with registries().open(server.reference, descriptor, seen.append) as blob:
        assert blob.readall() == BLOB
    assert sum(seen) == len(BLOB)
    assert registries().read(server.reference, server.serve_blob(b"")) == b""


def test_a_blob_is_asked_for_without_being_read(serving: Any, registries: Any, answering: Any) -> None:
    server, storage = serving(), serving()
    descriptor = server.serve_blob(BLOB)
    path = f"/v2/team/base/blobs/{descriptor.digest}"
    found = registries({server.host: Login(USER, SECRET)})
    assert found.has(server.reference, descriptor)
    server.handlers[path] = needing(BASIC, "Basic", answering(200), answering)
    assert found.has(server.reference, descriptor)
    server.handlers[path] = answering(307, Location=f"http://{storage.host}/blob")
    assert found.has(server.reference, descriptor)
    server.handlers[path] = answering(404)
    assert not found.has(server.reference, descriptor)
    server.handlers[path] = answering(403)
    with pytest.raises(EnvbuildError, match="not for this login"):
        found.has(server.reference, descriptor)
    assert {method for method, _, _ in server.requests} == {"HEAD"}
    assert storage.requests == []


def test_a_manifest_is_asked_for_as_what_it_is(server: Any, registries: Any) -> None:
    descriptor = Descriptor(MEDIA_TYPE_MANIFEST, Digest.of(MANIFEST), len(MANIFEST))
    assert not registries().has(server.reference, descriptor)
    server.serve(f"/v2/team/base/manifests/{descriptor.digest}", MANIFEST, MEDIA_TYPE_MANIFEST)
    assert registries().has(server.reference, descriptor)
    assert MEDIA_TYPE_MANIFEST in server.requests[0][2]["accept"]


def broken(data: bytes, at: int, ranges: bool) -> Any:
    """Closes the connection after `at` bytes of every answer."""

    def handle(handler: http.server.BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and ranges else 0
        handler.send_response(206 if wanted and ranges else 200)
        if wanted and ranges:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start : start + at])
        handler.close_connection = True

    return handle


def test_a_blob_goes_on_where_the_connection_broke(server: Any, registries: Any) -> None:
    descriptor = server.serve_blob(BLOB)
    path = f"/v2/team/base/blobs/{descriptor.digest}"
    server.handlers[path] = broken(BLOB, 400_000, ranges=True)
    assert registries().open(server.reference, descriptor).readall() == BLOB
    assert len(server.requests) == 3


def test_a_blob_is_read_on_from_a_server_without_ranges(server: Any, registries: Any) -> None:
    descriptor = server.serve_blob(BLOB)
    attempts = iter([broken(BLOB, 400_000, ranges=False), broken(BLOB, len(BLOB), ranges=False)])
    server.handlers[f"/v2/team/base/blobs/{descriptor.digest}"] = lambda handler: next(attempts)(handler)
    assert registries().open(server.reference, descriptor).readall() == BLOB


def test_a_blob_that_never_comes_to_its_end_is_given_up(server: Any, registries: Any) -> None:
    descriptor = server.serve_blob(BLOB)
    server.handlers[f"/v2/team/base/blobs/{descriptor.digest}"] = broken(BLOB, 100, ranges=True)
    with pytest.raises(EnvbuildError, match="could not be read to its end"):
        registries().open(server.reference, descriptor).readall()


@pytest.mark.parametrize("content_range", ["bytes 0-9/10", "", "x"])
def test_a_part_that_was_not_asked_for_is_refused(
    server: Any, registries: Any, answering: Any, content_range: str
) -> None:
    descriptor = server.serve_blob(BLOB)
    attempts = iter([broken(BLOB, 400_000, ranges=False), answering(206, BLOB, Content_Range=content_range)])
    server.handlers[f"/v2/team/base/blobs/{descriptor.digest}"] = lambda handler: next(attempts)(handler)
    with pytest.raises(EnvbuildError, match="another part"):
        registries().open(server.reference, descriptor).readall()


@pytest.mark.parametrize("wrong", [BLOB[::-1], BLOB + b"x"], ids=["other bytes", "a byte too many"])
def test_a_blob_of_another_content_is_refused_at_its_end(server: Any, registries: Any, wrong: bytes) -> None:
    descriptor = server.serve_blob(BLOB)
    server.serve(f"/v2/team/base/blobs/{descriptor.digest}", wrong)
    with pytest.raises(DigestMismatchError, match="not what its digest says"):
        registries().open(server.reference, descriptor).readall()


def test_an_endless_blob_is_left_at_its_size(server: Any, registries: Any) -> None:
    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.close_connection = True
        while True:
            handler.wfile.write(bytes(1 << 16))

    descriptor = Descriptor("any", Digest.of(b"x"), 100_000)
    server.handlers[f"/v2/team/base/blobs/{descriptor.digest}"] = endless
    with pytest.raises(DigestMismatchError, match="more than 100000 bytes"):
        registries().read(server.reference, descriptor)


def test_a_document_of_an_absurd_size_is_not_even_asked_for(server: Any, registries: Any) -> None:
    with pytest.raises(EnvbuildError, match="too large"):
        registries().read(server.reference, Descriptor("any", Digest.of(b"x"), 10**18))
    assert server.requests == []


def test_threads_share_a_client(server: Any, registries: Any, answering: Callable[..., Any]) -> None:
    from concurrent.futures import ThreadPoolExecutor

    bearer(server, answering, f"http://{server.host}/token")
    server.serve("/token", json.dumps({"token": TOKEN}).encode())
    found = registries()
    with ThreadPoolExecutor(8) as pool:
        documents = list(pool.map(lambda _: found.manifest(server.reference).data, range(40)))
    assert documents == [MANIFEST] * 40
