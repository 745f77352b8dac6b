"""A real HTTP server on loopback whose faults are set by each test."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.oci.store import Store

Handle = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """What a test sees of the server."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    """By path; served whole or in ranges."""
    handlers: dict[str, Handle] = field(default_factory=dict)
    """By path, before `files`."""
    faults: list[Handle] = field(default_factory=list)
    """Taken one a request, before everything else."""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and headers (names in lower case) of each request."""

    @property
    def ranges(self) -> list[str | None]:
        return [headers.get("range") for _, headers in self.requests]


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: Server

    def do_GET(self) -> None:
        state = self.server.state  # type: ignore[attr-defined]
        state.requests.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        if state.faults:
            state.faults.pop(0)(self)
        elif self.path in state.handlers:
            state.handlers[self.path](self)
        elif self.path in state.files:
            serve(self, state.files[self.path])
        else:
            answer(self, 404)

    def log_message(self, *_: object) -> None:
        pass


def answer(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def serve(handler: http.server.BaseHTTPRequestHandler, data: bytes) -> None:
    wanted = handler.headers.get("Range")
    if not wanted:
        answer(handler, 200, data)
        return
    start = int(wanted.removeprefix("bytes=").rstrip("-"))
    if start >= len(data):
        answer(handler, 416, Content_Range=f"bytes */{len(data)}")
    else:
        answer(handler, 206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")


def broken_after(amount: int, data: bytes) -> Handle:
    """Promises the whole and closes the connection after `amount` bytes of what was asked for."""

    def handle(handler: http.server.BaseHTTPRequestHandler) -> None:
        wanted = handler.headers.get("Range")
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted else 0
        handler.send_response(206 if wanted else 200)
        if wanted:
            handler.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        handler.send_header("Content-Length", str(len(data) - start))
        handler.end_headers()
        handler.wfile.write(data[start : start + amount])
        handler.close_connection = True

    return handle


def status(code: int, **headers: str) -> Handle:
    return lambda handler: answer(handler, code, **headers)


class _QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def running() -> Iterator[Server]:
    with _QuietServer(("127.0.0.1", 0), _Handler) as server:
        state = Server(f"http://127.0.0.1:{server.server_port}")
        server.state = state  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as state:
        yield state


@pytest.fixture
def other_server() -> Iterator[Server]:
    with running() as state:
        yield state


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


@pytest.fixture
def faults() -> type:
    class Faults:
        broken_after = staticmethod(broken_after)
        status = staticmethod(status)
        answer = staticmethod(answer)

    return Faults
