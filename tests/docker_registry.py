"""Debian's docker-registry on loopback, for who knows the password; what is asked of it is written down."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urljoin

import pytest

from builder.oci.digest import Digest
from builder.oci.documents import Descriptor

USER, SECRET = "scientist", "hunter2"
LOGIN = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
_HTPASSWD = f"{USER}:$2y$05$abcdefghijklmnopqrstuuoXuKqgZXLiJqzfmMXDDhSFPIvxV7t8.\n"


def unavailable(reason: str) -> NoReturn:
    """Skip on a developer's machine; in CI every part has to be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def run(*line: str | Path, **options: Any) -> str:
    """What a program prints; it must succeed."""
    if shutil.which(str(line[0])) is None:
        unavailable(f"{line[0]} is not installed")
    done = subprocess.run([*map(str, line)], capture_output=True, text=True, timeout=120, check=False, **options)
    assert done.returncode == 0, f"{line} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@dataclass(frozen=True)
class Registry:
    """A registry that is served."""

    host: str
    log: Path
    data: Path

    def push(self, source: str, name: str, *options: str) -> None:
        """Copy what skopeo reads at `source`."""
        line = ["skopeo", "copy", "--quiet", "--dest-tls-verify=false", "--dest-creds", f"{USER}:{SECRET}"]
        run(*line, *(options or ("--all",)), source, f"docker://{self.host}/{name}")

    def raw(self, name: str) -> bytes:
        """The manifest or index of a name."""
        line = ["skopeo", "inspect", "--raw", "--tls-verify=false", "--creds", f"{USER}:{SECRET}"]
        return run(*line, f"docker://{self.host}/{name}").encode()

    def put(self, name: str, blobs: list[bytes], documents: list[tuple[str, bytes]]) -> None:
        """Write blobs, then documents with their media types, the last one under the tag of `name`: as they are."""
        repository, _, tag = name.rpartition(":")
        for blob in blobs:
            place = self._send("POST", f"{repository}/blobs/uploads/", b"")
            joint = "&" if "?" in place else "?"
            self._send("PUT", f"{place}{joint}digest={Digest.of(blob)}", blob)
        for number, (media_type, data) in enumerate(documents, 1):
            reference = tag if number == len(documents) else str(Digest.of(data))
            self._send("PUT", f"{repository}/manifests/{reference}", data, media_type)

    def asked(self) -> list[str]:
        """All requests so far and what was answered, as `GET team/base/blobs/sha256:… 200`."""
        found = re.findall(r'"([A-Z]+) /v2/(\S+) HTTP/1.1" (\d+)', self.log.read_text())
        return [" ".join(parts) for parts in found]

    def fetched(self, blobs: list[Descriptor]) -> list[Digest]:
        """Those of the blobs that were sent to somebody, as often as they were."""
        sent = [match[1] for line in self.asked() if (match := re.match(r"GET \S+/blobs/(\S+) 20[06]", line))]
        return [blob.digest for digest in sent for blob in blobs if str(blob.digest) == digest]

    def _send(self, method: str, path: str, data: bytes, media_type: str = "application/octet-stream") -> str:
        url = urljoin(f"http://{self.host}/v2/", path)
        headers = {"Authorization": f"Basic {LOGIN}", "Content-Type": media_type}
        with urllib.request.urlopen(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
            return str(answer.headers.get("Location", ""))


@contextmanager
def serving(folder: Path, address: str = "127.0.0.1", **http: Any) -> Iterator[Registry]:
    """A registry over the data in `folder`."""
    (folder / "htpasswd").write_text(_HTPASSWD)
    with closing(socket.socket()) as probe:
        probe.bind((address, 0))
        host = f"{address}:{probe.getsockname()[1]}"
    config, log, data = folder / f"{address}.json", folder / f"{address}.log", folder / "data"
    document = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(data)}, "delete": {"enabled": True}},
        "auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}},
        "http": {"addr": host, **http},
    }
    config.write_text(json.dumps(document))
    program = shutil.which("docker-registry")
    if program is None:
        unavailable("docker-registry is not installed")
    with open(log, "wb") as file:
        process = subprocess.Popen([program, "serve", config], stdout=file, stderr=file)
    try:
        _wait_for(host, process)
        yield Registry(host, log, data)
    finally:
        process.terminate()
        process.wait(30)


def certificates(folder: Path) -> tuple[Path, dict[str, str]]:
    """An authority of its own, and how a registry is given a certificate for 127.0.0.2 that it has signed."""
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    authority = ("-keyout", folder / "ca.key", "-out", folder / "ca.pem", "-subj", "/CN=Test authority")
    run("openssl", "req", "-x509", *curve, *authority, "-addext", "keyUsage=critical,keyCertSign")
    signed = ("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-addext", "subjectAltName=IP:127.0.0.2")
    own = ("-keyout", folder / "server.key", "-out", folder / "server.pem", "-subj", "/CN=Test registry")
    run("openssl", "req", "-x509", *curve, *own, *signed, "-addext", "basicConstraints=critical,CA:FALSE")
    return folder / "ca.pem", {"certificate": str(folder / "server.pem"), "key": str(folder / "server.key")}


def login_at(*hosts: str) -> str:
    """The content of a `config.json` of docker that is logged in there."""
    return json.dumps({"auths": {host: {"auth": LOGIN} for host in hosts}})


def _wait_for(host: str, process: subprocess.Popen[bytes]) -> None:
    """Return when something listens there."""
    address, _, port = host.partition(":")
    while process.poll() is None:
        try:
            with socket.create_connection((address, int(port)), timeout=10):
                return
        except ConnectionRefusedError:
            continue
    unavailable(f"docker-registry ended with {process.returncode}")
