"""Loading into the engine sends what it lacks: all once, then a changed line of code, then nothing."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest


class CountingProxy:
    """A unix socket before the engine's own that counts what clients send."""

    def __init__(self, path: Path, target: str) -> None:
        self.host = f"unix://{path}"
        self.sent = 0
        self._target = target
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=self._pass_on, args=(self._listener.accept()[0],), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as engine:
            engine.connect(self._target)
            answers = threading.Thread(target=self._pump, args=(engine, client, False), daemon=True)
            answers.start()
            self._pump(client, engine, True)
            answers.join()

    def _pump(self, source: socket.socket, target: socket.socket, counts: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if counts:
                    self.sent += len(data)
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def proxy(docker) -> Iterator[CountingProxy]:
    if not docker.host.startswith("unix://"):
        pytest.skip("the engine is not reached by a unix socket")
    folder = Path(tempfile.mkdtemp(prefix="envbuild-proxy-"))
    made = CountingProxy(folder / "docker.sock", docker.host.removeprefix("unix://"))
    yield made
    made.close()
    shutil.rmtree(folder)


def has_classic_store(docker) -> bool:
    return "io.containerd" not in docker("info", "--format", "{{.DriverStatus}}").stdout


def test_only_the_missing_layers_are_sent(docker, proxy, envbuild, image, copies):
    """The fixture has loaded the example; the copy differs from it by the edited line alone."""
    if not has_classic_store(docker):
        pytest.skip("a containerd store is sent the whole image")
    project = copies / "examples/penguins"
    through = replace(envbuild, environment={"DOCKER_HOST": proxy.host})
    through("build", "--load", project, "--platform", "linux/amd64")
    module = project / "src/penguins/train.py"
    module.write_text(module.read_text() + "\n# edited\n")
    before = proxy.sent
    built = through("build", "--load", project, "--platform", "linux/amd64")
    edited = proxy.sent - before
    assert 1000 < edited < 200_000
    code = "print(open('/app/src/penguins/train.py').read(), end='')"
    shown = docker("run", "--rm", "--entrypoint", "python", "penguins:1.0", "-c", code).stdout
    assert shown == module.read_text()
    before = proxy.sent
    again = through("build", "--load", project, "--platform", "linux/amd64")
    assert again.stdout == built.stdout
    assert proxy.sent - before < 4000, "questions only"


def test_an_image_that_was_loaded_by_its_layers_runs(docker, with_docker, image, copies, data, tmp_path):
    project = copies / "examples/penguins"
    spec = project / "envbuild.yaml"
    spec.write_text(spec.read_text().replace("name: penguins", "name: penguins-by-layers"))
    with_docker("build", "--load", project, "--platform", "linux/amd64")
    mounts = ["-v", f"{tmp_path}:/out", "-v", f"{data}:/data/penguins:ro"]
    docker("run", "--rm", *mounts, "--user", f"{os.getuid()}:{os.getgid()}", "penguins-by-layers:1.0", "train")
    assert (tmp_path / "metrics.json").exists()


def test_an_image_that_was_deleted_is_sent_again(docker, with_docker, copies):
    project = copies / "examples/penguins"
    spec = project / "envbuild.yaml"
    spec.write_text(spec.read_text().replace("name: penguins", "name: penguins-deleted"))
    for _ in range(2):
        with_docker("build", "--load", project, "--platform", "linux/amd64")
        docker("image", "rm", "penguins-deleted:1.0")
