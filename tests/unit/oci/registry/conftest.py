"""A registry on loopback that is as hostile as each test wants it."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import registry_simulator
from made_layouts import add_image, add_index, new_layout, noise
from registry_simulator import Simulator

from builder.fetch import Mirrors
from builder.fetch.access import Access
from builder.fetch.transport import Transport
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor
from builder.oci.layout import Layout
from builder.oci.registry import Credentials, Reference, Registries
from builder.oci.registry.credentials import Login
from builder.oci.registry.patience import Patience

Handle = Callable[[http.server.BaseHTTPRequestHandler], None]


@dataclass
class Server:
    """What a test sees of the server."""

    port: int
    handlers: dict[str, Handle] = field(default_factory=dict)
    """By path without query; what is not there is answered with 404."""
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    """Method, path with query, and headers (names in lower case) of each request."""

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def reference(self) -> Reference:
        return Reference.parse(f"{self.host}/team/base:1")

    def paths(self) -> list[str]:
        return [path for _, path, _ in self.requests]

    def serve(self, path: str, data: bytes, kind: str = "application/octet-stream", **headers: str) -> None:
        self.handlers[path] = lambda handler: answer(handler, 200, data, Content_Type=kind, **headers)

    def serve_manifest(self, data: bytes, kind: str = MEDIA_TYPE_MANIFEST, **headers: str) -> None:
        self.serve("/v2/team/base/manifests/1", data, kind, **headers)

    def serve_blob(self, data: bytes) -> Descriptor:
        digest = Digest.of(data)
        self.serve(f"/v2/team/base/blobs/{digest}", data)
        return Descriptor("any", digest, len(data))


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        state: Server = self.server.state  # type: ignore[attr-defined]
        state.requests.append((self.command, self.path, {name.lower(): text for name, text in self.headers.items()}))
        handle = state.handlers.get(self.path.partition("?")[0], lambda handler: answer(handler, 404))
        handle(self)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


class _QuietServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        pass


def answer(handler: http.server.BaseHTTPRequestHandler, status: int, body: bytes = b"", **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    if handler.command != "HEAD":
        handler.wfile.write(body)


@pytest.fixture
def serving() -> Iterator[Callable[[], Server]]:
    """Starts servers."""
    running = []

    def start() -> Server:
        server = _QuietServer(("127.0.0.1", 0), _Handler)
        server.state = Server(server.server_port)  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        running.append((server, thread))
        return server.state  # type: ignore[attr-defined]

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server(serving: Callable[[], Server]) -> Server:
    return serving()


class _Known(Credentials):
    """Logins that are known beforehand."""

    def __init__(self, logins: Mapping[str, Login]) -> None:
        super().__init__({})
        self._logins = logins

    def login(self, registry: str, _: str) -> Login | None:
        return self._logins.get(registry)


@pytest.fixture
def registries(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Registries]:
    """A client with logins by host, which does not wait."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)

    def make(
        logins: Mapping[str, Login] | None = None, sleep: Callable[[float], None] = lambda _: None, timeout: float = 60
    ) -> Registries:
        mirrors = Mirrors(access=Access(timeout=timeout))
        return Registries(Transport(mirrors).pool, _Known(logins or {}), Patience(sleep=sleep))

    return make


@pytest.fixture
def answering() -> Callable[..., Handle]:
    """Makes handlers that give one answer."""
    return lambda status, body=b"", **headers: lambda handler: answer(handler, status, body, **headers)


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """A registry that is true to the specification."""
    with registry_simulator.running() as registry:
        yield registry


@pytest.fixture
def two_platforms(tmp_path: Path) -> tuple[Layout, Descriptor]:
    """An index of two images that share a layer, in a layout."""
    layout = new_layout(tmp_path / "source")
    shared = noise(200_000, 0)
    images = [
        add_image(layout, name, shared, noise(50_000, number)) for number, name in enumerate(("amd64", "arm64"), 1)
    ]
    return layout, add_index(layout, *images)
