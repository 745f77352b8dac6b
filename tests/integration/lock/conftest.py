"""A package index on loopback (PEP 503, 691) with basic authentication, and Debian packages that are made up."""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from wheels import make_wheel

from builder.lock.artifact import DebianPackage
from builder.lock.debian.archive import Resolution
from builder.oci.digest import Digest

USER, PASSWORD = "scientist", "hunter2"
UPLOADED = "2026-01-01T00:00:00Z"


@dataclass
class Index:
    """The state of the index."""

    port: int
    files: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Project to file name to content."""
    html: bool = False
    """Answer in HTML, which tells no sizes and no upload times."""
    pypi_layout: bool = False
    """Keep the files where PyPI keeps them."""
    authentication: bool = True

    @property
    def url(self) -> str:
        """With the credentials."""
        return f"http://{USER}:{PASSWORD}@127.0.0.1:{self.port}/simple/"

    def add(self, name: str, version: str, *requires: str, tag: str = "py3-none-any") -> str:
        file = f"{name.replace('-', '_')}-{version}-{tag}.whl"
        self.files.setdefault(name, {})[file] = make_wheel(name.replace("-", "_"), version, tag, requires)
        return file

    def path(self, project: str, file: str) -> str:
        if not self.pypi_layout:
            return f"/files/{project}/{file}"
        digest = hashlib.blake2b(file.encode(), digest_size=32).hexdigest()
        return f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{file}"

    def page(self, project: str) -> bytes:
        files = self.files[project]
        if self.html:
            links = (
                f'<a href="{self.path(project, file)}#sha256={hashlib.sha256(data).hexdigest()}">{file}</a><br>'
                for file, data in files.items()
            )
            return ("<!DOCTYPE html><html><body>" + "".join(links) + "</body></html>").encode()
        entries = [
            {
                "filename": file,
                "url": self.path(project, file),
                "hashes": {"sha256": hashlib.sha256(data).hexdigest()},
                "size": len(data),
                "upload-time": UPLOADED,
            }
            for file, data in files.items()
        ]
        return json.dumps({"meta": {"api-version": "1.1"}, "name": project, "files": entries}).encode()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        index: Index = self.server.index  # type: ignore[attr-defined]
        wanted = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if index.authentication and self.headers.get("Authorization") != wanted:
            self._answer(401, b"", "text/plain", {"WWW-Authenticate": 'Basic realm="x"'})
            return
        served = {index.path(name, file): data for name, files in index.files.items() for file, data in files.items()}
        project = self.path.removeprefix("/simple/").strip("/")
        if self.path in served:
            self._answer(200, served[self.path], "application/octet-stream")
        elif self.path.startswith("/simple/") and project in index.files:
            kind = "text/html" if index.html else "application/vnd.pypi.simple.v1+json"
            self._answer(200, index.page(project), kind)
        else:
            self._answer(404, b"", "text/plain")

    def _answer(self, status: int, body: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": kind, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def index() -> Iterator[Index]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        state = Index(server.server_port)
        server.index = state  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield state
        server.shutdown()
        thread.join()


class MadeUpDebian:
    """Resolves to the packages that were asked for, as a DebianResolver."""

    def resolve(self, suite: str, architecture: str, names: tuple[str, ...]) -> Resolution:
        versions = {name: "3.11.2-6+deb12u6" if name.startswith("python3.11") else "1.0" for name in names}
        versions["python3.11"] = "3.11.2-6+deb12u6"
        packages = [
            DebianPackage(
                name, version, architecture, Digest.of(f"{name} {version} {architecture}".encode()), 1000,
                (f"http://deb.debian.org/debian/pool/{name}.deb",),
            )
            for name, version in sorted(versions.items())
        ]  # fmt: skip
        return Resolution(suite, architecture, tuple(packages), (), tuple(sorted(versions)))


@pytest.fixture
def debian() -> MadeUpDebian:
    return MadeUpDebian()


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_", "ENVBUILD_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv-cache"))
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
