"""A registry of the benchmarks' own: Debian's docker-registry on loopback, without a password."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 20


class RegistryMissingError(Exception):
    """No registry can be started; the text says why."""


@dataclass(frozen=True, slots=True)
class Registry:
    """A running registry."""

    host: str
    data: Path

    def stored(self) -> int:
        """The bytes of all blobs and manifests that it holds: what pushes have brought."""
        return sum(path.stat().st_size for path in self.data.rglob("data") if path.is_file())


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """A new and empty registry, which is gone at the end. Its port is another one each time.

    So no client remembers what it pushed to the last one. Raises: RegistryMissingError.
    """
    program = shutil.which("docker-registry")
    if program is None:
        raise RegistryMissingError("`docker-registry` is not installed")
    place = folder / "registry"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    storage = {"filesystem": {"rootdirectory": str(place / "data")}}
    log = {"level": "error", "accesslog": {"disabled": True}}
    document = {"version": 0.1, "log": log, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}
    (place / "config.json").write_text(json.dumps(document), "utf-8")
    with (place / "log").open("wb") as file:
        process = subprocess.Popen([program, "serve", str(place / "config.json")], stdout=file, stderr=file)
    try:
        _await_start(process, port, place / "log")
        yield Registry(f"127.0.0.1:{port}", place / "data")
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(place, ignore_errors=True)


def _await_start(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RegistryMissingError(f"docker-registry does not start: {log.read_text('utf-8')[-300:]}")
        time.sleep(0.05)
