"""A conda channel of real contents, for linux-64, linux-aarch64 and noarch, and a server of channels on loopback.

`build_channel` makes the whole, `write_channel` one of small packages that a test describes. Equal contents give
equal packages; only the index has times in it.
"""

from __future__ import annotations

import asyncio
import base64
import bz2
import fcntl
import hashlib
import http.server
import io
import json
import os
import shutil
import stat
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

SUBDIRS = {"linux/amd64": "linux-64", "linux/arm64": "linux-aarch64"}
PLACEHOLDER = "/home/conda/placeholder" + "_placehold" * 23
"""What stands in files for the prefix until they are installed: 255 characters at most, as conda-build has it."""
_MTIME = 1_700_000_000
_LEVEL = 1


@dataclass(frozen=True, slots=True)
class File:
    """One file of a package."""

    data: bytes = b""
    mode: int = 0o644
    link: str | None = None
    """The target of a symbolic link."""
    prefix: str | None = None
    """`text` or `binary`, where `PLACEHOLDER` stands in it."""
    same: str | None = None
    """A path of the package before it, which this is a hard link to."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package to be written."""

    name: str
    version: str
    subdir: str = "noarch"
    build: str = "0"
    build_number: int = 0
    depends: tuple[str, ...] = ()
    constrains: tuple[str, ...] = ()
    python: bool = False
    """Whether it is `noarch: python`; its modules stand below `site-packages/`."""
    entry_points: tuple[str, ...] = ()
    license: str = "MIT"
    files: dict[str, File] = field(default_factory=dict)
    """By path; an empty folder's ends with a slash, and is in no list, as conda-build has it."""
    old: bool = False
    """Whether it is a `.tar.bz2`."""

    @property
    def stem(self) -> str:
        return f"{self.name}-{self.version}-{self.build}"

    @property
    def file_name(self) -> str:
        return self.stem + (".tar.bz2" if self.old else ".conda")


def build_channel(folder: Path, store: Path | None = None) -> Path:
    """Make the channel in `folder`, if it is not there; debs and wheels are kept in `store`.

    With ENVBUILD_TEST_CACHE it is made once for many runs.
    """
    from conda_contents import contents

    cache = os.environ.get("ENVBUILD_TEST_CACHE")
    store = store or Path(cache or folder.parent / "store")
    place = store / "conda-channel" if cache else folder
    with _locked(place):
        if not (place / "recipe").is_file() or (place / "recipe").read_text() != _recipe():
            shutil.rmtree(place, ignore_errors=True)
            write_channel(place, contents(store))
            (place / "recipe").write_text(_recipe())
    if place != folder and not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.symlink_to(place)
    return folder


def write_channel(folder: Path, packages: Iterable[Package]) -> Path:
    """A channel of these packages, indexed."""
    from rattler.index import index_fs

    for subdir in (*SUBDIRS.values(), "noarch"):
        (folder / subdir).mkdir(parents=True, exist_ok=True)
    for package in packages:
        write_package(folder / package.subdir, package)
    asyncio.run(index_fs(folder, write_zst=True, write_shards=False, force=True))
    return folder


def write_package(folder: Path, package: Package) -> Path:
    """Write one package into a subdir of a channel, which must be indexed afterwards."""
    path = folder / package.file_name
    path.unlink(missing_ok=True)
    members = [*package.files.items(), *((name, File(data)) for name, data in _info(package).items())]
    if package.old:
        target = io.BytesIO()
        with tarfile.TarFile(fileobj=target, mode="w") as archive:
            _add(archive, members)
        path.write_bytes(bz2.compress(target.getvalue(), 1))
        return path
    from conda_package_streaming.create import conda_builder

    # the zip entry of metadata.json gets the time of writing
    with (
        mock.patch.object(zipfile.time, "localtime", return_value=time.gmtime(_MTIME)),  # type: ignore[attr-defined]
        conda_builder(package.stem, folder, compression_level=_LEVEL) as archive,
    ):
        _add(archive, members)
    return path


def _add(archive: tarfile.TarFile, members: Iterable[tuple[str, File]]) -> None:
    for name, file in members:
        info = tarfile.TarInfo(name)
        info.mtime, info.mode = _MTIME, file.mode
        if file.link is not None:
            info.type, info.linkname = tarfile.SYMTYPE, file.link
        if file.same is not None:
            info.type, info.linkname = tarfile.LNKTYPE, file.same
        if name.endswith("/"):
            info.type = tarfile.DIRTYPE
        info.size = 0 if file.same else len(file.data)
        archive.addfile(info, io.BytesIO(file.data))


def _info(package: Package) -> dict[str, bytes]:
    noarch: dict[str, Any] = {}
    if package.subdir == "noarch":
        noarch = {"noarch": "python" if package.python else "generic"}
    index = {
        "name": package.name,
        "version": package.version,
        "build": package.build,
        "build_number": package.build_number,
        "depends": list(package.depends),
        "constrains": list(package.constrains),
        "license": package.license,
        "subdir": package.subdir,
        "arch": None if noarch else {"linux-64": "x86_64", "linux-aarch64": "aarch64"}[package.subdir],
        "platform": None if noarch else "linux",
        "timestamp": _MTIME * 1000,
        **noarch,
    }
    files = {name: file for name, file in package.files.items() if not name.endswith("/")}
    documents: dict[str, Any] = {
        "info/index.json": index,
        "info/paths.json": {"paths": [_path(*item) for item in files.items()], "paths_version": 1},
        "info/about.json": {"license": package.license, "summary": f"{package.name} for tests"},
    }
    if package.python:
        points = {"type": "python", "entry_points": list(package.entry_points)}
        documents["info/link.json"] = {"noarch": points, "package_metadata_version": 1}
    written = {name: (json.dumps(document, indent=2) + "\n").encode() for name, document in documents.items()}
    written["info/files"] = "".join(f"{name}\n" for name in files).encode()
    prefixed = [f"{PLACEHOLDER} {file.prefix} {name}\n" for name, file in package.files.items() if file.prefix]
    if prefixed:
        written["info/has_prefix"] = "".join(prefixed).encode()
    return written


def _path(name: str, file: File) -> dict[str, Any]:
    prefix = {"prefix_placeholder": PLACEHOLDER, "file_mode": file.prefix} if file.prefix else {}
    return {
        "_path": name,
        "path_type": "hardlink" if file.link is None else "softlink",
        "sha256": hashlib.sha256(file.data).hexdigest(),
        "size_in_bytes": len(file.data),
        **prefix,
    }


def _recipe() -> str:
    """What the channel is made by."""
    sources = (Path(__file__), Path(__file__).with_name("conda_contents.py"))
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(folder.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@dataclass
class ChannelServer:
    """Channels on loopback: each is a folder below the one that is served."""

    port: int
    folder: Path
    user: str | None = None
    password: str | None = None
    token: str | None = None
    """It must stand in the path then, as in `/t/TOKEN/channel/…`."""
    requests: list[str] = field(default_factory=list)
    """The paths that were asked for, in order, with the status of the answer behind a space."""

    @property
    def url(self) -> str:
        """Without credentials and slash at its end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def secret_url(self) -> str:
        """With all credentials."""
        login = f"{self.user}:{self.password}@" if self.user else ""
        return f"http://{login}127.0.0.1:{self.port}" + (f"/t/{self.token}" if self.token else "")


class _Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    tag: str | None = None
    """Of the index that is asked for."""

    def __init__(self, request: Any, client: Any, server: Any) -> None:
        self.state: ChannelServer = server.state
        super().__init__(request, client, server, directory=str(self.state.folder))

    def send_head(self) -> Any:
        if self.state.user is not None:
            wanted = "Basic " + base64.b64encode(f"{self.state.user}:{self.state.password}".encode()).decode()
            if self.headers.get("Authorization") != wanted:
                return self._refuse(401)
        if self.state.token is not None:
            prefix = f"/t/{self.state.token}/"
            if not self.path.startswith(prefix):
                return self._refuse(403)
            self.path = "/" + self.path.removeprefix(prefix)
        path = Path(self.translate_path(self.path))
        if not path.is_file() or not stat.S_ISREG(path.stat().st_mode):
            return self._refuse(404)
        del self.headers["If-Modified-Since"]  # an index may be written twice in a second
        self.tag = f'"{hashlib.sha256(path.read_bytes()).hexdigest()}"' if path.name.startswith("repodata") else None
        if self.tag and self.headers.get("If-None-Match") == self.tag:
            return self._refuse(304)
        return super().send_head()

    def end_headers(self) -> None:
        if self.tag:
            self.send_header("ETag", self.tag)
        super().end_headers()

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_request(self, code: Any = "-", _: Any = "-") -> None:
        self.state.requests.append(f"{self.path} {int(code)}")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serve(
    folder: Path, *, user: str | None = None, password: str | None = None, token: str | None = None
) -> Iterator[ChannelServer]:
    """Serve the channels below `folder`, as long as the context is open."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = True
        state = ChannelServer(server.server_port, folder, user, password, token)
        server.state = state  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield state
        finally:
            server.shutdown()
            thread.join()
