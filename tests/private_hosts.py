"""What stands between a machine and a private index: certificates of its own authority, proxies, and a keyring."""

from __future__ import annotations

import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

HOST = "packages.example"
"""A host that is reached through a proxy alone."""


@dataclass(frozen=True)
class Authority:
    """A certificate authority, and what it signed for `HOST` and loopback."""

    certificate: Path
    chain: Path
    key: Path

    @property
    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


def make_authority(folder: Path) -> Authority:
    """A new authority, made by openssl."""
    folder.mkdir()
    names = f"subjectAltName=DNS:{HOST},IP:127.0.0.1"
    (folder / "names").write_text(f"{names}\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    commands = [
        ["req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=test authority",
         "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign"],
        ["req", *key, "-keyout", "host.key", "-out", "host.csr", "-subj", f"/CN={HOST}"],
        ["x509", "-req", "-in", "host.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
         "-extfile", "names", "-out", "host.pem"],
    ]  # fmt: skip
    for command in commands:
        subprocess.run(["openssl", *command], cwd=folder, check=True, capture_output=True)
    return Authority(folder / "ca.pem", folder / "host.pem", folder / "host.key")


@dataclass
class Proxy:
    """A proxy that knows where hosts really are."""

    url: str
    routes: dict[str, int] = field(default_factory=dict)
    """Ports on loopback by `host:port`."""
    asked: list[str] = field(default_factory=list)
    """Method and target of each request."""
    headers: list[Mapping[str, str]] = field(default_factory=list)


class _ProxyHandler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        port = self._route(self.path)
        if port is None:
            return
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            self.send_response(200)
            self.end_headers()
            self._pump(upstream)
        self.close_connection = True

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        port = self._route(f"{parts.hostname}:{parts.port or 80}")
        if port is None:
            return
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        head = [f"{self.command} {path} HTTP/1.0", f"Host: {parts.netloc}"]
        head += [
            f"{name}: {value}" for name, value in self.headers.items() if name.lower() in ("authorization", "accept")
        ]
        with socket.create_connection(("127.0.0.1", port)) as upstream:
            upstream.sendall("\r\n".join([*head, "", ""]).encode())
            while data := upstream.recv(1 << 16):
                self.wfile.write(data)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _route(self, target: str) -> int | None:
        proxy: Proxy = self.server.proxy  # type: ignore[attr-defined]
        proxy.asked.append(f"{self.command} {target}")
        proxy.headers.append(dict(self.headers.items()))
        port = proxy.routes.get(target)
        if port is None:
            self.send_error(502)
        return port

    def _pump(self, upstream: socket.socket) -> None:
        while True:
            ready, _, _ = select.select([self.connection, upstream], [], [], 10)
            for one, other in ((self.connection, upstream), (upstream, self.connection)):
                if one in ready:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    other.sendall(data)
            if not ready:
                return

    def log_message(self, *_: object) -> None:
        pass


class _QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def serve_proxy() -> Iterator[Proxy]:
    """A proxy on loopback, while the body runs."""
    with _QuietServer(("127.0.0.1", 0), _ProxyHandler) as server, _running(server):
        proxy = Proxy(f"http://127.0.0.1:{server.server_port}")
        server.proxy = proxy  # type: ignore[attr-defined]
        yield proxy


@contextmanager
def serve_tls(port: int, context: ssl.SSLContext) -> Iterator[int]:
    """What a port on loopback answers, over TLS on the port that is given."""

    class Tunnel(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            head = f"{self.command} {self.path} HTTP/1.0\r\n"
            head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
            with socket.create_connection(("127.0.0.1", port)) as upstream:
                upstream.sendall(f"{head}\r\n".encode())
                while data := upstream.recv(1 << 16):
                    self.wfile.write(data)

        def do_HEAD(self) -> None:
            self.do_GET()

        def log_message(self, *_: object) -> None:
            pass

    with _QuietServer(("127.0.0.1", 0), Tunnel) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        with _running(server):
            yield server.server_port


@contextmanager
def _running(server: ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


def write_keyring(folder: Path, known: Mapping[tuple[str, str], str]) -> Path:
    """A program `keyring` that knows passwords by service and user; its log is the file that is given."""
    folder.mkdir(exist_ok=True)
    cases = "\n".join(
        f"""  "get {service} {user}") echo '{password}'; exit 0;;""" for (service, user), password in known.items()
    )
    pairs = "\n".join(
        f"""  "get {service} --mode creds") printf '%s\\n%s\\n' '{user}' '{password}'; exit 0;;"""
        for (service, user), password in known.items()
    )
    program = folder / "keyring"
    program.write_text(f'#!/bin/sh\necho "$*" >> "{folder}/log"\ncase "$*" in\n{cases}\n{pairs}\nesac\nexit 1\n')
    program.chmod(0o755)
    return folder / "log"
