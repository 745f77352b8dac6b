"""Bad indexes and requests that cannot be met: each is one error that says what, where and what to do, in time."""

from __future__ import annotations

import gzip
import http.server
import os
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from simple_index import File, SimpleIndex, make_sdist, serve_index

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.lock.interface import Line, Request, Sources, Target
from builder.lock.programs import uv_program
from builder.lock.pypi import uv_process
from builder.lock.pypi.describe import Describer
from builder.lock.pypi.found import Found
from builder.lock.pypi.from_pylock import Selection, select_files
from builder.lock.pypi.uv import UvResolver
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec.environment import Index

AMD64 = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))
ARM64 = Target(Platform("arm64"), "aarch64", "3.11.2", (2, 36))
X86 = "cp311-cp311-manylinux_2_28_x86_64"
QUICK = {"UV_HTTP_TIMEOUT": "1", "UV_HTTP_RETRIES": "0"}
Refused = Callable[..., EnvbuildError]


@pytest.fixture
def pypi() -> Iterator[SimpleIndex]:
    with serve_index() as index:
        yield index


@pytest.fixture
def refused(tmp_path: Path) -> Refused:
    """The error of a request that cannot be met."""
    store = Store(tmp_path / "store")
    store.create()

    def run(
        url: str,
        *requirements: str,
        target: Target = AMD64,
        variables: Mapping[str, str] | None = None,
        **request: Any,
    ) -> EnvbuildError:
        environment = {**os.environ, "UV_DEFAULT_INDEX": url, **(variables or {})}
        resolver = UvResolver(environment, uv_program(), Fetcher(store, Mirrors.from_environment(environment)))
        sources = Sources(tuple(Line(text, "spec") for text in requirements))
        with pytest.raises(EnvbuildError) as caught:
            resolver(Request(sources, **request), target)
        assert "Traceback" not in str(caught.value)
        return caught.value

    return run


@contextmanager
def serving(handle: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    """A server that answers every request in one way."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                handle(self)
            except OSError:
                self.close_connection = True

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/simple/"
        finally:
            server.shutdown()
            thread.join()


def test_an_unknown_package_is_named(pypi: SimpleIndex, refused: Refused) -> None:
    error = refused(pypi.url, "nothing-like-it")
    assert "nothing-like-it was not found" in str(error)
    assert "`indexes`" in str(error.hint)


def test_a_conflict_is_explained_in_uvs_words(pypi: SimpleIndex, refused: Refused) -> None:
    pypi.add("one", "1.0", "shared<2")
    pypi.add("two", "1.0", "shared>=2")
    for version in ("1.0", "2.0"):
        pypi.add("shared", version)
    error = refused(pypi.url, "one", "two")
    assert "you require one and two" in str(error)
    assert error.hint


def test_a_version_that_there_is_not_is_named(pypi: SimpleIndex, refused: Refused) -> None:
    pypi.add("app", "1.0")
    error = refused(pypi.url, "app>=9", exclude_newer="2026-06-01T00:00:00Z")
    assert "app" in str(error)
    assert "exclude-newer" in str(error.hint)


def test_a_package_without_a_wheel_for_one_platform_names_platform_and_wheels(
    pypi: SimpleIndex, refused: Refused
) -> None:
    pypi.add("native", "1.0", tag=X86)
    error = refused(pypi.url, "native", target=ARM64)
    assert "linux/arm64" in error.what
    assert "manylinux_2_36_aarch64" in str(error)
    assert "manylinux_2_28_x86_64" in str(error.hint)
    assert "linux/arm64" in str(error.hint)


def test_an_index_that_is_down_is_named(refused: Refused) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:hunter2@127.0.0.1:{free.getsockname()[1]}/simple/"
        error = refused(url, "app", variables={**QUICK, "UV_HTTP_RETRIES": "1"})
    assert "1 retry" in str(error)
    assert url.replace("user:hunter2@", "") + "app/" in str(error)
    assert "hunter2" not in f"{error} {error.hint}"
    assert "HTTPS_PROXY" in str(error.hint)


def test_an_index_that_never_answers_is_given_up_and_named(refused: Refused) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/simple/"
        error = refused(url, "app", variables=QUICK)
    assert f"{url}app/" in str(error)
    assert "HTTPS_PROXY" in str(error.hint)


def test_an_index_that_has_no_files_behind_its_pages_is_named(pypi: SimpleIndex, refused: Refused) -> None:
    name = pypi.add("app", "1.0")
    pypi.before = lambda path: 503 if path.startswith("/files") else None
    error = refused(pypi.url, "app", variables=QUICK)
    assert pypi.file_url("app", name) in str(error)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/vnd.pypi.simple.v1+json", b"{"),
        ("application/vnd.pypi.simple.v1+json", b'{"files": 3}'),
        ("application/vnd.pypi.simple.v1+json", b"[" * 100_000),
        ("application/vnd.pypi.simple.v1+json", b"\xff\xfe"),
        ("text/html", b"<html><a href='app-1.0-py3-none-any.whl#sha256=zz'>app-1.0-py3-none-any.whl</a></html>"),
        ("text/html", b"<html><a href='//[broken/app-1.0-py3-none-any.whl'>app-1.0-py3-none-any.whl</a></html>"),
        ("text/html", b"<html><a href='app-1.0-py3-none-any.whl'>app-1.0-py3-none-any.whl</a></html>"),
        ("image/png", b"\x89PNG"),
    ],
)
def test_a_malformed_page_is_an_error_that_names_its_package(refused: Refused, kind: str, body: bytes) -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200 if handler.path.startswith("/simple/") else 404)
        handler.send_header("Content-Type", kind)
        handler.end_headers()
        handler.wfile.write(body)

    with serving(answer) as url:
        error = refused(url, "app", variables=QUICK)
    assert "app" in str(error)
    assert "PEP 691" in str(error.hint)


def test_a_page_that_does_not_end_takes_bounded_memory(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uv_process, "_MEMORY", 1 << 30)

    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
        handler.end_headers()
        handler.wfile.write(b'{"meta": {"api-version": "1.0"}, "name": "app", "files": [')
        while True:
            handler.wfile.write(b" " * (1 << 20))

    with serving(endless) as url:
        error = refused(url, "app", variables={**QUICK, "UV_CONCURRENT_DOWNLOADS": "1"})
    assert "memory" in str(error)
    assert "backtrace" not in str(error)
    assert "more than uv can hold" in str(error.hint)


def test_an_index_that_lies_about_digests_is_caught(pypi: SimpleIndex, refused: Refused) -> None:
    name = pypi.add("app", "1.0")
    other = type(pypi).page

    def lying(project: str) -> tuple[str, bytes]:
        kind, data = other(pypi, project)
        return kind, data.replace(pypi.sha256("app", name).encode(), b"0" * 64)

    pypi.page = lying  # type: ignore[method-assign]
    error = refused(pypi.url, "app")
    assert isinstance(error, DigestMismatchError)
    assert name in str(error)
    assert "0" * 64 in str(error)


def test_metadata_of_another_digest_than_promised_is_refused(pypi: SimpleIndex, tmp_path: Path) -> None:
    name = pypi.add("app", "1.0")
    pypi.projects["app"][f"{name}.metadata"] = File(b"Metadata-Version: 2.1\nName: app\nVersion: 1.0\n")
    store = Store(tmp_path / "other")
    store.create()
    file = pypi.projects["app"][name]
    found = Found(
        "app", "1.0", name, Digest(file.sha256), len(file.data), pypi.file_url("app", name), metadata=Digest("1" * 64)
    )
    with pytest.raises(DigestMismatchError, match="1" * 64):
        Describer(Fetcher(store, Mirrors()))([found], [], AMD64, [])


def test_a_file_that_is_no_wheel_is_refused_by_name(pypi: SimpleIndex, refused: Refused) -> None:
    pypi.projects["app"] = {"app-1.0-py3-none-any.whl": File(b"PK\x03\x04 but no wheel")}
    assert "app" in str(refused(pypi.url, "app", variables=QUICK))


def test_wrong_credentials_are_told_with_the_ways_to_give_them(pypi: SimpleIndex, refused: Refused) -> None:
    pypi.login = "scientist:right"
    pypi.add("app", "1.0")
    index = Index("Corp.Index", pypi.url)
    variables = {"UV_INDEX_CORP_INDEX_USERNAME": "scientist", "UV_INDEX_CORP_INDEX_PASSWORD": "hunter2"}
    error = refused("http://127.0.0.1:9/simple/", "app", variables={**QUICK, **variables}, indexes=(index,))
    text = f"{error} {error.hint}"
    assert "401" in text
    assert "UV_INDEX_<NAME>_USERNAME" in text
    assert "hunter2" not in text


def test_sources_whose_metadata_cannot_be_built_say_why(pypi: SimpleIndex, refused: Refused) -> None:
    data = make_sdist("app", "1.0", backend="raise SystemExit('this backend is broken')")
    plain = gzip.decompress(data).replace(b"Metadata-Version: 2.2", b"Metadata-Version: 2.1")
    pypi.projects["app"] = {"app-1.0.tar.gz": File(gzip.compress(plain))}
    assert "this backend is broken" in str(refused(pypi.url, "app"))


def test_uv_is_stopped_where_it_does_not_come_to_an_end(refused: Refused, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.lock.programs._RESOLVER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refused(f"http://127.0.0.1:{silent.getsockname()[1]}/simple/", "app")
    assert "in time" in error.what
    assert "UV_HTTP_TIMEOUT" in str(error.hint)


def test_a_lock_made_by_hand_that_has_no_files_is_refused() -> None:
    document = {"lock-version": "1.0", "created-by": "x", "packages": [{"name": "a", "version": "1"}]}
    with pytest.raises(EnvbuildError, match="PEP 751"):
        select_files(document, Selection(AMD64, True), "the lockfile")
