"""A package index on loopback (PEP 503, 691) that tells what a test wants it to, and remembers what was asked of it."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from wheels import make_wheel

UPLOADED = "2026-01-01T00:00:00Z"


@dataclass
class File:
    data: bytes
    uploaded: str | None = UPLOADED
    yanked: bool = False
    requires_python: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass
class SimpleIndex:
    """The state of an index; change it while it is served."""

    port: int
    projects: dict[str, dict[str, File]] = field(default_factory=dict)
    html: bool = False
    login: str | None = None
    """`user:password`, without which nothing is answered."""
    before: Callable[[str], int | None] = lambda _: None
    """Is called with each path; a status that it gives is answered instead."""
    asked: list[str] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/simple/"

    def add(self, name: str, version: str, *requires: str, tag: str = "py3-none-any", **told: object) -> str:
        file_name = f"{name.replace('-', '_')}-{version}-{tag}.whl"
        data = make_wheel(name.replace("-", "_"), version, tag, requires)
        self.projects.setdefault(name, {})[file_name] = File(data, **told)  # type: ignore[arg-type]
        return file_name

    def add_sdist(self, name: str, version: str, *requires: str, **told: object) -> str:
        file_name = f"{name.replace('-', '_')}-{version}.tar.gz"
        data = make_sdist(name.replace("-", "_"), version, requires)
        self.projects.setdefault(name, {})[file_name] = File(data, **told)  # type: ignore[arg-type]
        return file_name

    def file_url(self, project: str, file_name: str) -> str:
        return f"http://{self.host}/files/{project}/{file_name}"

    def sha256(self, project: str, file_name: str) -> str:
        return self.projects[project][file_name].sha256

    def page(self, project: str) -> tuple[str, bytes]:
        files = self.projects[project]
        if self.html:
            return "text/html", "".join(["<!DOCTYPE html>", *map(self._anchor, files, files.values())]).encode()
        entries = [
            {
                "filename": name,
                "url": f"../../files/{project}/{name}",
                "hashes": {"sha256": file.sha256},
                "size": len(file.data),
                "yanked": file.yanked,
                **({"requires-python": file.requires_python} if file.requires_python else {}),
                **({"upload-time": file.uploaded} if file.uploaded else {}),
            }
            for name, file in files.items()
        ]
        document = {"meta": {"api-version": "1.1"}, "name": project, "files": entries}
        return "application/vnd.pypi.simple.v1+json", json.dumps(document).encode()

    def _anchor(self, name: str, file: File) -> str:
        project = next(project for project, files in self.projects.items() if name in files)
        needs = f' data-requires-python="{html.escape(file.requires_python)}"' if file.requires_python else ""
        yanked = ' data-yanked=""' if file.yanked else ""
        return f'<a href="../../files/{project}/{name}#sha256={file.sha256}"{needs}{yanked}>{name}</a>\n'

    def answer(self, path: str) -> tuple[str, bytes] | None:
        match path.strip("/").split("/"):
            case ["simple", project] if project in self.projects:
                return self.page(project)
            case ["files", project, name] if name in self.projects.get(project, {}):
                return "application/octet-stream", self.projects[project][name].data
        return None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        index: SimpleIndex = self.server.index  # type: ignore[attr-defined]
        index.asked.append(self.path)
        expected = "Basic " + base64.b64encode((index.login or "").encode()).decode()
        status = index.before(self.path)
        if index.login and self.headers.get("Authorization") != expected:
            status = 401
        answer = index.answer(self.path) if status is None else None
        kind, body = answer or ("text/plain", b"")
        try:
            self.send_response(status or (200 if answer else 404))
            if status == 401:
                self.send_header("WWW-Authenticate", 'Basic realm="packages"')
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True  # whoever asked is gone

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve_index(kind: Callable[[int], SimpleIndex] = SimpleIndex) -> Iterator[SimpleIndex]:
    """A new index, served while the body runs; `kind` makes it for a port."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        state = kind(server.server_port)
        server.index = state  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()


BACKEND = """
import os

def get_requires_for_build_wheel(config_settings=None):
    return []

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    os.makedirs(f"{folder}/{INFO}")
    with open(f"{folder}/{INFO}/METADATA", "w") as file:
        file.write(METADATA)
    return INFO

def build_wheel(folder, config_settings=None, metadata_directory=None):
    raise SystemExit("it is not to be built to learn what it asks for")
"""


def make_sdist(name: str, version: str, requires: tuple[str, ...] = (), backend: str = BACKEND) -> bytes:
    """A source distribution whose build backend is in it, so that nothing is installed to ask it."""
    metadata = f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n"
    metadata += "".join(f"Requires-Dist: {text}\n" for text in requires)
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": f"INFO, METADATA = {f'{name}-{version}.dist-info'!r}, {metadata!r}\n{backend}",
        "PKG-INFO": metadata,
    }
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()
