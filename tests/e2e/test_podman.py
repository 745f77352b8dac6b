"""Podman: the store is read for what it lacks, names stay, and a user's own Podman runs as that user."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import shutil
import struct
import subprocess
import termios
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builder.cli.machine import host_platform
from builder.image.kept import Image, read_image
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor
from builder.oci.store import Store
from builder.run.interface import LocalImage
from builder.run.podman import PodmanEngine

pytestmark = pytest.mark.slow  # what every engine does is told by Docker and the embedded one

PROJECT = """
name: NAME
version: "1.0"
environment: ../../environments/plain
code: [hello.py]
commands:
  hello: {run: python hello.py}
"""
HELLO = """
import os, sys
print(TEXT, os.getuid())
open("/out/written", "w").close()
"""
UNPRIVILEGED = 47111


@dataclass(frozen=True)
class Project:
    """A small project, and the command with Podman."""

    envbuild: object
    folder: Path
    name: str

    def load(self) -> str:
        """Build it for this machine and load it; the hexadecimal digits of the image's digest."""
        line = ["build", self.folder, "--load", "--engine", "podman", "--platform", str(host_platform())]
        return self.envbuild(*line).stdout.strip().rpartition(":")[2]

    def edit(self, text: str) -> None:
        (self.folder / "hello.py").write_text(HELLO.replace("TEXT", repr(text)))

    def image(self, digest: str) -> Image:
        """What was loaded."""
        store, named = Store(self.envbuild.store), Digest.parse(f"sha256:{digest}")
        return read_image(store, Descriptor(MEDIA_TYPE_MANIFEST, named, store.path(named).stat().st_size))


@pytest.fixture
def project(podman, envbuild, copies, request) -> Project:
    return make_project(replace(envbuild, environment=podman.environment), copies, request.node.name)


def make_project(envbuild: object, copies: Path, text: str) -> Project:
    name = text.replace("_", "-")
    folder = copies / "examples" / name
    folder.mkdir()
    (folder / "envbuild.yaml").write_text(PROJECT.replace("NAME", name))
    made = Project(envbuild, folder, name)
    made.edit("first")
    return made


def tags(podman: object, name: str) -> set[str]:
    listed = json.loads(podman("images", "--format", "json").stdout)
    names = {full for image in listed for full in image.get("Names") or ()}
    return {full for full in names if f"/{name}:" in full}


def test_both_names_are_found_and_pruning_removes_neither(podman, project):
    first = project.load()
    project.edit("second")
    second = project.load()
    podman("image", "prune", "--force")
    full = f"docker.io/library/{project.name}"
    assert tags(podman, project.name) == {f"{full}:1.0", f"{full}:{first[:12]}", f"{full}:{second[:12]}"}
    for tag, text in (("1.0", "second"), (first[:12], "first")):
        line = ["run", "--rm", "--network", "none", "--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]
        shown = podman(*line, "--user", "0", f"{project.name}:{tag}", "hello").stdout
        assert shown.startswith(text)


def test_only_layers_that_podman_lacks_are_read(podman, project, tmp_path, monkeypatch):
    """The second image is loaded from a store that has nothing of what the first one had."""
    first = project.image(project.load())
    project.edit("second")
    line = ["build", project.folder, "--platform", str(host_platform())]
    image = project.image(project.envbuild(*line).stdout.strip().rpartition(":")[2])
    store, whole = Store(tmp_path / "store"), Store(project.envbuild.store)
    store.create()
    new = [layer for layer in image.manifest.layers if layer not in first.manifest.layers]
    assert 0 < len(new) < len(image.manifest.layers)
    for blob in (*new, image.manifest.config, image.descriptor):
        shutil.copyfile(whole.path(blob.digest), store.path(blob.digest))
    for name, value in podman.environment.items():
        monkeypatch.setenv(name, value)
    name = f"{project.name}:1.0"
    PodmanEngine().load(LocalImage(store, image.descriptor, image.manifest, image.config, name), (name,))
    assert podman("image", "inspect", "--format", "{{.Digest}}", name).stdout.strip() == str(image.descriptor.digest)


def test_a_name_that_is_missing_is_set_without_reading_anything(podman, project):
    digest = project.load()
    podman("untag", *2 * [f"docker.io/library/{project.name}:1.0"])
    for layer in project.image(digest).manifest.layers[-1:]:
        Store(project.envbuild.store).discard(layer.digest)
    wanted = json.loads(podman("image", "inspect", f"{project.name}:{digest[:12]}").stdout)[0]
    assert len(wanted["RepoTags"]) == 1
    project.load()
    assert len(tags(podman, project.name)) == 2


def test_a_packed_bundle_has_the_name_that_loading_gives(podman, project, tmp_path):
    digest = project.load()
    podman("untag", *2 * [f"docker.io/library/{project.name}:1.0"])
    project.envbuild("bundle", project.folder, "-o", tmp_path / "bundle.tar", "--platform", str(host_platform()))
    podman("load", "--input", tmp_path / "bundle.tar")
    full = f"docker.io/library/{project.name}"
    assert tags(podman, project.name) == {f"{full}:1.0", f"{full}:{digest[:12]}"}


def test_its_service_can_stand_for_docker_engine(podman, project, tmp_path):
    """By DOCKER_HOST, as where Podman runs in a machine of its own; a part of an archive is refused there."""
    project.load()
    project.edit("second")
    host = f"unix://{tmp_path}/socket"
    with podman.start("system", "service", "--time", "0", host, stdout=subprocess.DEVNULL) as service:
        try:
            wait_for(tmp_path / "socket")
            docker = replace(project.envbuild, environment={**podman.environment, "DOCKER_HOST": host})
            docker("build", project.folder, "--load", "--engine", "docker", "--platform", str(host_platform()))
        finally:
            service.terminate()
    assert len(tags(podman, project.name)) == 3


def wait_for(socket: Path) -> None:
    subprocess.run(["sh", "-c", 'until [ -S "$0" ]; do :; done', socket], timeout=60, check=True)


@pytest.mark.parametrize("engine", ["docker", "podman"])
def test_a_terminal_is_joined_and_a_container_ends_with_it(engine, request, envbuild, projects):
    program = request.getfixturevalue(engine)
    before = program("ps", "--all", "--quiet").stdout
    command = replace(envbuild, environment=program.environment)
    line = [*command.line, "shell", projects / "environments/plain", "--engine", engine, "--network", "none"]
    process, controlling = pty.fork()
    if process == 0:
        os.execvpe(line[0], list(map(str, line)), command.options["env"])
    fcntl.ioctl(controlling, termios.TIOCSWINSZ, struct.pack("4H", 33, 101, 0, 0))
    read_terminal(controlling, ">>> ")
    os.write(controlling, b"import os; print(os.get_terminal_size().columns - 1)\r")
    read_terminal(controlling, "\r\n100\r\n")
    os.close(controlling)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) > 0
    assert program("ps", "--all", "--quiet").stdout == before


def read_terminal(controlling: int, text: str) -> None:
    said = b""
    while text.encode() not in said:
        said += os.read(controlling, 1 << 16)


NAMESPACE = """
for name in passwd group subuid subgid; do mount --bind "$0/$name" "/etc/$name"; done
exec setpriv --reuid {user} --regid {user} --clear-groups "$@"
"""
"""What starts a program as a user of this machine that may have other users below it."""


@pytest.fixture
def rootless(users, podman_settings, workplace):
    """The command as a user who has a Podman of their own."""
    envbuild = users("unprivileged")
    of_user = f"owner:x:{UNPRIVILEGED}:"
    for name, line in (("passwd", f"{of_user}{UNPRIVILEGED}::{workplace}:/bin/sh"), ("group", of_user)):
        (workplace / name).write_text(f"{Path('/etc', name).read_text()}{line}\n")
    for name in ("subuid", "subgid"):
        (workplace / name).write_text("owner:300000:65536\n")
    (workplace / "session").mkdir()
    settings = {"HOME": str(workplace), "XDG_RUNTIME_DIR": f"{workplace}/session", **podman_settings(workplace)}
    for path in (workplace, workplace / "session"):
        os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
    start = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", NAMESPACE.format(user=UNPRIVILEGED)]
    line = (*start, str(workplace), *envbuild.line)
    return replace(envbuild, line=line, environment={**envbuild.environment, **settings}, user=None)


def test_a_users_own_podman_runs_as_that_user(rootless, copies, workplace):
    project = make_project(rootless, copies, "owned")
    for path in (copies, *copies.rglob("*")):
        os.chown(path, UNPRIVILEGED, UNPRIVILEGED)
    options = ["--engine", "podman", "--network", "none", "--out", workplace / "out"]
    assert rootless("run", project.folder, *options, "hello").stdout == f"first {UNPRIVILEGED}\n"
    assert (workplace / "out/written").stat().st_uid == UNPRIVILEGED
    limited = rootless.attempt("run", project.folder, *options, "--memory", "300m", "hello")
    if limited.returncode != 0:  # without control groups of its own
        assert "Podman cannot limit memory here" in limited.stderr
        assert limited.stdout == ""
