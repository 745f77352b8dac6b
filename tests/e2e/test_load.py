"""Loading into Docker Engine sends what it lacks: all once, then a changed line of code, then nothing.

The engine keeps images in its classic store, or in containerd.
"""

from __future__ import annotations

import gzip
import shutil
import socket
import tarfile
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builder.cli.machine import host_platform
from builder.image.kept import read_image
from builder.oci.archive import DockerEntry, write_archive
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor, name_annotations
from builder.oci.store import Store

PROJECT = """
name: NAME
version: "1.0"
environment: ../../environments/plain
code: [hello.py]
commands:
  hello: {run: python hello.py}
"""


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


@pytest.fixture(params=["classic", "containerd"])
def engine(request, docker):
    """An engine with each kind of image store."""
    if request.param == "containerd":
        return request.getfixturevalue("containerd_docker")
    if "io.containerd" in docker("info", "--format", "{{.DriverStatus}}").stdout:
        pytest.skip("the engine here has a containerd store")
    return docker


@pytest.fixture
def proxy(engine) -> Iterator[CountingProxy]:
    if not engine.host.startswith("unix://"):
        pytest.skip("the engine is not reached by a unix socket")
    folder = Path(tempfile.mkdtemp(prefix="envbuild-proxy-"))
    made = CountingProxy(folder / "docker.sock", engine.host.removeprefix("unix://"))
    yield made
    made.close()
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Project:
    """A small project, and the command that loads it."""

    envbuild: object
    folder: Path
    name: str

    def load(self, *options: str) -> str:
        """Build it for this machine and load it; the hexadecimal digits of the image's digest."""
        line = ["build", self.folder, "--load", "--engine", "docker", "--platform", str(host_platform()), *options]
        return self.envbuild(*line).stdout.strip().rpartition(":")[2]

    def edit(self, text: str) -> None:
        (self.folder / "hello.py").write_text(f"print({text!r})\n")


@pytest.fixture
def project(engine, envbuild, copies, request) -> Project:
    """A project of a name of its own."""
    return make_project(replace(envbuild, environment=engine.environment), copies, f"load-{request.node.name}")


def make_project(envbuild: object, copies: Path, text: str) -> Project:
    name = "".join(letter if letter.isalnum() else "-" for letter in text.lower()).strip("-").replace("--", "-")
    folder = copies / "examples" / name
    folder.mkdir()
    (folder / "envbuild.yaml").write_text(PROJECT.replace("NAME", name))
    made = Project(envbuild, folder, name)
    made.edit("first")
    return made


@pytest.fixture
def run(engine) -> Callable[[str], str]:
    """What an image's command prints, by plain docker."""
    return lambda name: engine("run", "--rm", "--network", "none", name, "hello").stdout.strip()


def tags(engine, name: str) -> set[str]:
    listed = engine("image", "ls", "--format", "{{.Tag}}", name).stdout.split()
    return set(listed)


def test_only_the_missing_layers_are_sent(proxy, project, run):
    through = replace(project, envbuild=replace(project.envbuild, environment={"DOCKER_HOST": proxy.host}))
    through.load()
    project.edit("second")
    before = proxy.sent
    second = through.load()
    assert 1000 < proxy.sent - before < 300_000
    assert run(f"{project.name}:1.0") == "second"
    before = proxy.sent
    assert through.load() == second
    assert proxy.sent - before < 4000, "questions only"


def test_an_image_has_its_version_and_the_start_of_its_digest_as_tags(engine, project, run):
    digest = project.load()
    assert tags(engine, project.name) == {"1.0", digest[:12]}
    assert run(f"{project.name}:{digest[:12]}") == "first"


def test_a_tag_that_is_missing_is_set_without_sending_anything(engine, proxy, project):
    digest = project.load()
    engine("image", "rm", f"{project.name}:1.0")
    before = proxy.sent
    replace(project, envbuild=replace(project.envbuild, environment={"DOCKER_HOST": proxy.host})).load()
    assert tags(engine, project.name) == {"1.0", digest[:12]}
    assert proxy.sent - before < 4000


@pytest.mark.slow
def test_pruning_removes_nothing_that_was_loaded(engine, project, run):
    first = project.load()
    project.edit("second")
    project.load()
    engine("image", "prune", "--force")
    assert run(f"{project.name}:1.0") == "second"
    assert run(f"{project.name}:{first[:12]}") == "first"


def test_what_was_loaded_is_removed_by_its_labels(engine, project):
    project.load()
    label = ["--filter", f"label=org.opencontainers.image.title={project.name}", "--filter", "label=dev.envbuild.lock"]
    assert tags(engine, project.name) != set()
    engine("image", "prune", "--all", "--force", *label)
    assert tags(engine, project.name) == set()


@pytest.mark.slow
def test_an_image_that_was_deleted_is_sent_again(engine, project, run):
    for _ in range(2):
        digest = project.load()
        assert run(f"{project.name}:1.0") == "first"
        engine("image", "rm", f"{project.name}:1.0", f"{project.name}:{digest[:12]}")


def test_an_image_is_whole_where_containerd_had_its_contents_in_other_blobs(
    containerd_docker, envbuild, copies, tmp_path
):
    """The same files came first, compressed otherwise."""
    engine = containerd_docker
    project = make_project(replace(envbuild, environment=engine.environment), copies, "load-other-blobs")
    store, line = Store(envbuild.store), ["build", project.folder, "--platform", str(host_platform())]
    digest = Digest.parse(envbuild(*line).stdout.strip().rpartition("@")[2])
    size = store.path(digest).stat().st_size
    image = read_image(store, Descriptor(MEDIA_TYPE_MANIFEST, digest, size))
    top = image.manifest.layers[-1]
    data = gzip.compress(gzip.decompress(store.path(top.digest).read_bytes()), 1, mtime=1)
    other = Descriptor(top.media_type, store.write(data), len(data))
    assert other.digest != top.digest
    manifest = replace(image.manifest, layers=(*image.manifest.layers[:-1], other))
    data = manifest.to_bytes()
    name = f"{project.name}:other"
    entry = Descriptor(MEDIA_TYPE_MANIFEST, store.write(data), len(data), name_annotations(name))
    write_archive(tmp_path / "other.tar", store, entry, DockerEntry(manifest, (name,)))
    engine("load", "-i", tmp_path / "other.tar")
    project.load()
    engine("save", "-o", tmp_path / "saved.tar", f"{project.name}:1.0")
    with tarfile.open(tmp_path / "saved.tar") as saved:
        names = set(saved.getnames())
    assert {f"blobs/sha256/{layer.digest.hex}" for layer in image.manifest.layers} <= names
