"""Podman as an engine: it reads the layers that it lacks from the store, and runs containers by its service.

The service speaks Docker's API. It is started for one command, on a socket of its own, and ends with it.
"""

from __future__ import annotations

import functools
import json
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.oci.canonical import canonical_json
from builder.oci.documents import Index
from builder.run.docker.container import Host, check_terminal, run_container
from builder.run.gpu import Gpus
from builder.run.interface import LocalImage, RunRequest
from builder.spec.cuda import version_of

if TYPE_CHECKING:
    import docker

_OLDEST = 4
_GPUS_SINCE = (5, 4)
_REGISTRY = "docker.io/library/"
"""What Podman puts before the plain names of an archive, so that a name is the same however the image came."""
_SECONDS = 600
_START_SECONDS = 30.0
_IDLE_SECONDS = 60
"""After them the service ends by itself, should nobody have ended it."""
_MOST_FILES = 1 << 20
"""What Podman itself allows to be open."""


class PodmanEngine:
    """Runs and loads images in the Podman of the caller: root's, or a user's own."""

    name = "podman"
    title = "Podman"
    has_own_network = True

    def unavailable(self) -> str | None:
        """Why Podman cannot be used, or None if it can."""
        if shutil.which("podman") is None:
            return "there is no `podman` on the PATH"
        try:
            facts = self._facts
        except EnvbuildError as error:
            return f"Podman does not work here: {'; '.join(error.why)}"
        version = facts["version"]["Version"]
        if int(version.partition(".")[0]) < _OLDEST:
            return f"Podman {version} is too old; it has to be {_OLDEST}.0 or newer"
        if facts["host"]["serviceIsRemote"]:
            return "`podman` speaks to another machine; set DOCKER_HOST to its socket and use the docker engine"
        return None

    def version(self) -> str:
        """That of Podman here."""
        with suppress(EnvbuildError, KeyError, TypeError):
            return str(self._facts["version"]["Version"])[:100]
        return ""

    def run(self, image: LocalImage, request: RunRequest) -> int:
        """Run a command in a container, which is removed afterwards.

        Raises: EnvbuildError, if Podman refuses.
        """
        check_terminal(request)
        if request.memory and "memory" not in (self._facts["host"].get("cgroupControllers") or ()):
            raise EnvbuildError(
                "Podman cannot limit memory here",
                "it has no control group with `memory`",
                "Leave out `--memory`, or run it as root",
            )
        devices = self._devices(request.gpus)
        identity = self.load(image, (image.name,))
        request = replace(request, user=request.user or image.config.user or "0")
        with _service() as client:
            return run_container(Host(client, self.title, self._settings() | devices, _remove), identity, request)

    def remove_containers(self, label: str) -> None:
        """Remove the containers that have a label, `NAME=VALUE`."""
        with suppress(EnvbuildError):  # what cannot be removed now is found the next time
            for identity in _podman("ps", "--all", "--quiet", "--filter", f"label={label}").split():
                _podman("rm", "--force", "--time", "0", "--volumes", identity)

    def load(self, image: LocalImage, names: Sequence[str]) -> str:
        """Put an image into Podman's storage, where it is not there; returns its id.

        Podman reads the store itself, and of the layers only those that it lacks.
        """
        identity = image.manifest.config.digest.hex
        wanted = {_REGISTRY + name for name in names}
        present = _names(identity)
        if present is None:
            image.bring(image.manifest.layers)
            _pull(image, identity)
        missing = sorted(wanted - (present or set()))
        if missing:
            _podman("tag", identity, *missing)
        return identity

    def _devices(self, gpus: Gpus | None) -> dict[str, Any]:
        """GPUs by their names in the Container Device Interface, which is how Podman takes them."""
        from docker.types import DeviceRequest

        if gpus is None:
            return {}
        version = self._facts["version"]["Version"]
        if version_of(version.partition("-")[0]) < _GPUS_SINCE:
            raise EnvbuildError(
                f"Podman {version} cannot give GPUs to a command",
                "its service hears of them since 5.4",
                "Update Podman, or use `--engine docker`",
            )
        names = [f"nvidia.com/gpu={name}" for name in gpus.numbered]
        return {"DeviceRequests": [DeviceRequest(driver="cdi", device_ids=names)]}

    @functools.cached_property
    def _facts(self) -> dict[str, Any]:
        return dict(json.loads(_podman("info", "--format", "json")))

    def _settings(self) -> dict[str, Any]:
        """What of Podman's defaults is otherwise: whose the mounts are, and limits that the caller may not pass on."""
        from docker.types import Ulimit

        limits = {
            "nofile": _limit(resource.RLIMIT_NOFILE, _MOST_FILES),
            "nproc": _limit(resource.RLIMIT_NPROC, int(Path("/proc/sys/kernel/pid_max").read_text())),
        }
        settings = {
            "Ulimits": [Ulimit(name=name, soft=most, hard=most) for name, most in limits.items()],
            "SecurityOpt": ["no-new-privileges", "label=disable"],  # else SELinux hides what is mounted
        }
        rootless = self._facts["host"]["security"]["rootless"]
        return settings | ({"UsernsMode": "keep-id"} if rootless else {})


def _limit(kind: int, most: int) -> int:
    allowed = resource.getrlimit(kind)[1]
    return most if allowed == resource.RLIM_INFINITY else min(allowed, most)


def _names(identity: str) -> set[str] | None:
    """The names of an image of Podman, or None if it does not have it."""
    try:
        return set(json.loads(_podman("image", "inspect", "--format", "{{json .RepoTags}}", identity)) or ())
    except EnvbuildError:
        return None


def _pull(image: LocalImage, identity: str) -> None:
    """Have Podman read an image from the store, by a layout that has this image alone and the store's blobs."""
    layout = f"envbuild-{identity[:12]}"
    with image.store.scratch() as scratch:
        folder = scratch / layout
        folder.mkdir()
        folder.joinpath("oci-layout").write_bytes(canonical_json({"imageLayoutVersion": "1.0.0"}))
        folder.joinpath("index.json").write_bytes(Index((image.descriptor,)).to_bytes())
        folder.joinpath("blobs").symlink_to(image.store.root.absolute() / "blobs")
        _podman("pull", "--quiet", f"oci:{layout}", cwd=str(scratch))
    with suppress(EnvbuildError):  # versions of Podman before 4.4 name it after the folder
        _podman("untag", identity, f"localhost/{layout}:latest")


@contextmanager
def _service() -> Iterator[docker.DockerClient]:
    """A client of a service that lasts as long as the context."""
    with tempfile.TemporaryDirectory(prefix="envbuild-podman-") as folder:
        address = f"unix://{folder}/socket"
        line = ["podman", "system", "service", "--time", str(_IDLE_SECONDS), address]
        with open(f"{folder}/log", "w+b") as log:
            process = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
            try:
                client = _client(address, process, log)
                yield client
                client.close()
            finally:
                process.terminate()
                process.wait()


def _client(address: str, process: subprocess.Popen[bytes], log: Any) -> docker.DockerClient:
    """A client, as soon as the service answers."""
    import docker

    latest = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < latest:
        try:
            return docker.DockerClient(address, timeout=_SECONDS)
        except docker.errors.DockerException:
            time.sleep(0.01)
    log.seek(0)
    raise EnvbuildError("Podman's service does not start", _last_line(log.read().decode("utf-8", "replace")))


def _remove(container: Any) -> None:
    """Remove a container, also where the service has ended."""
    _podman("rm", "--force", "--time", "0", "--volumes", container.id)


def _podman(*arguments: str, cwd: str | None = None) -> str:
    """What `podman` prints. Raises: EnvbuildError, if it fails."""
    try:
        done = subprocess.run(
            ["podman", *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd, check=False
        )
    except OSError as error:
        raise EnvbuildError("`podman` cannot be started", error.strerror or str(error)) from error
    if done.returncode != 0:
        raise EnvbuildError(f"`podman {arguments[0]}` failed", _last_line(done.stderr))
    return done.stdout


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("Error: ")[:300] if lines else "it said nothing"
