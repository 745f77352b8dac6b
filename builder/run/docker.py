"""Docker Engine as an engine: loads only the layers that it lacks, then runs a container and removes it."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.oci.archive import DockerEntry, write_archive_to, write_docker_archive
from builder.oci.documents import Descriptor, name_annotations
from builder.run.interface import LocalImage, RunRequest
from builder.run.killed import say_if_killed

if TYPE_CHECKING:
    import docker

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_PING_SECONDS = 3
_SECONDS = 600
_LITTLE = 1 << 20
"""Bytes that are sent faster than the engine is asked whether it has them."""
_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class DockerEngine:
    """Runs images in Docker Engine, found as the `docker` program finds it (DOCKER_HOST)."""

    name = "docker"
    has_own_network = True

    def __init__(self) -> None:
        self._client: docker.DockerClient | None = None

    def unavailable(self) -> str | None:
        """Why no engine answers, or None if one does."""
        import docker

        try:
            docker.from_env(timeout=_PING_SECONDS).ping()
        except (docker.errors.DockerException, OSError, ValueError) as error:
            address = os.environ.get("DOCKER_HOST") or _DEFAULT_ADDRESS
            return f"no Docker Engine answers at {address}: {root_cause(error)}"
        return None

    def run(self, image: LocalImage, request: RunRequest) -> int:
        """Run a command in a container, which is removed afterwards.

        Raises: EnvbuildError, if the engine refuses.
        """
        import docker

        if request.tty and not os.isatty(0):
            raise EnvbuildError("the command cannot get a terminal", "standard input is none", "Leave `--tty` out")
        try:
            identity = self.load(image)
            container = self._engine().containers.create(identity, **_options(request))
        except docker.errors.DockerException as error:
            raise EnvbuildError("Docker Engine cannot run this", _first_line(error)) from error
        try:
            code = _attend_terminal(container) if request.tty else _attend(container, request)
            container.reload()
            say_if_killed(code, request.memory, bool(container.attrs["State"].get("OOMKilled")))
            return code
        except docker.errors.DockerException as error:
            text = _first_line(error)
            raise EnvbuildError("Docker Engine cannot run this", text, port_hint(text, request)) from error
        finally:
            container.remove(force=True, v=True)

    def load(self, image: LocalImage) -> str:
        """Put an image into the engine, where it is not there; returns what the engine calls it.

        A classic image store is sent only the layers above those that it has; a containerd store gets all.
        """
        engine = self._engine()
        whole = _has_containerd_store(engine)
        identity = str(image.descriptor.digest if whole else image.manifest.config.digest)
        if not _has_image(engine, identity, image.name):
            if whole:
                self._send(lambda file: write_archive_to(file, image.store, _named(image), _entry(image)))
            else:
                self._send_missing(engine, image)
        return identity

    def _send_missing(self, engine: docker.DockerClient, image: LocalImage) -> None:
        present = _present_layers(engine, image)
        left_out = {layer.digest for layer in image.manifest.layers[:present]}
        try:
            self._send(lambda file: write_docker_archive(file, image.store, _entry(image), left_out))
        except EnvbuildError:
            if not left_out:
                raise
            self._send(lambda file: write_docker_archive(file, image.store, _entry(image), ()))

    def _send(self, write: Callable[[Any], None]) -> None:
        import docker

        with _piped(write) as stream:
            try:
                for event in self._engine().api.load_image(stream):  # type: ignore[no-untyped-call]
                    if "error" in event:
                        raise EnvbuildError("Docker Engine did not take the image", str(event["error"]))
            except docker.errors.DockerException as error:
                raise EnvbuildError("Docker Engine did not take the image", _first_line(error)) from error

    def _engine(self) -> docker.DockerClient:
        import docker

        if self._client is None:
            self._client = docker.from_env(timeout=_SECONDS)
        return self._client


def _options(request: RunRequest) -> dict[str, Any]:
    from docker.types import Mount

    options: dict[str, Any] = {
        "command": list(request.arguments),
        "environment": dict(request.environment),
        "mounts": [
            Mount(mount.target, str(mount.source.resolve()), type="bind", read_only=mount.read_only)
            for mount in request.mounts
        ],
        "user": request.user,
        "network_mode": None if request.network == "default" else request.network,
        "read_only": request.read_only,
        "tmpfs": {"/tmp": "exec"} if request.read_only else None,  # noqa: S108 - a folder of the container
        "mem_limit": request.memory,
        "memswap_limit": request.memory,
        "shm_size": request.shared_memory,
        "ports": {f"{port.container_port}/tcp": (port.host_address, port.host_port) for port in request.ports},
        "working_dir": request.working_directory,
        "entrypoint": list(request.entrypoint) if request.entrypoint else None,
        "stdin_open": request.tty or _passes_input(request),
        "tty": request.tty,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
    }
    return {name: value for name, value in options.items() if value not in (None, {}, [], False)}


def _attend(container: Any, request: RunRequest) -> int:
    """Start the container, pass on its output, the caller's input and signals, and wait for its end."""
    output = container.client.api.attach(container.id, stream=True, demux=True, stdout=True, stderr=True)
    with _forwarded_signals(container):
        if _passes_input(request):
            socket = container.attach_socket(params={"stdin": 1, "stream": 1})
            threading.Thread(target=_pass_input, args=(socket,), daemon=True).start()
        container.start()
        for standard, error in output:
            _write(sys.stdout, standard)
            _write(sys.stderr, error)
        return int(container.wait()["StatusCode"])


def _attend_terminal(container: Any) -> int:
    """Start the container with its terminal joined to the caller's, and wait for its end."""
    from builder.run.terminal import join

    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    container.start()
    with stream:
        join(_ContainerEnd(container, getattr(stream, "_sock", stream)))
    return int(container.wait()["StatusCode"])


@dataclass(frozen=True, slots=True)
class _ContainerEnd:
    """A container's terminal (a FarEnd)."""

    container: Any
    socket: Any

    def fileno(self) -> int:
        return int(self.socket.fileno())

    def receive(self, amount: int) -> bytes:
        return bytes(self.socket.recv(amount))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def resize(self, rows: int, columns: int) -> None:
        import docker

        with suppress(docker.errors.DockerException):  # it may have ended already
            self.container.resize(rows, columns)


@contextmanager
def _forwarded_signals(container: Any) -> Iterator[None]:
    def forward(number: int, _: object) -> None:
        container.kill(signal.Signals(number).name)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, forward) for number in _FORWARDED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _passes_input(request: RunRequest) -> bool:
    return request.interactive and sys.stdin is not None and not sys.stdin.closed and not sys.stdin.isatty()


def _pass_input(socket: Any) -> None:
    raw = getattr(socket, "_sock", socket)
    try:
        while data := os.read(0, 1 << 16):
            raw.sendall(data)
        raw.shutdown(1)
    except OSError:
        return


def _write(stream: Any, data: bytes | None) -> None:
    if data:
        stream.buffer.write(data)
        stream.buffer.flush()


@contextmanager
def _piped(write: Callable[[Any], None]) -> Iterator[Any]:
    """What `write` writes, as a file to read from; an error of `write` is raised at the end."""
    reading, writing = os.pipe()
    errors: list[Exception] = []

    def work() -> None:
        try:
            with os.fdopen(writing, "wb") as file:
                write(file)
        except BrokenPipeError:
            return
        except (EnvbuildError, OSError) as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with os.fdopen(reading, "rb") as stream:
            yield stream
    finally:
        thread.join()
        if errors:
            raise errors[0]


def _present_layers(engine: docker.DockerClient, image: LocalImage) -> int:
    """How many layers from below the engine has as one chain, by any of its images.

    Asks for images of the same name first, and for no more of them once little is left to send.
    """
    wanted = [str(diff_id) for diff_id in image.config.diff_ids]
    repository = image.name.rpartition(":")[0] + ":"
    most = 0
    for listed in sorted(engine.api.images(), key=lambda listed: not _is_of(listed, repository)):
        layers = engine.images.get(listed["Id"]).attrs.get("RootFS", {}).get("Layers") or []
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(layers, wanted, strict=False))
        most = max(most, sum(1 for _ in same))
        if sum(layer.size for layer in image.manifest.layers[most:]) <= _LITTLE:
            break
    return most


def _is_of(listed: dict[str, Any], repository: str) -> bool:
    return any(str(tag).startswith(repository) for tag in listed.get("RepoTags") or ())


def _has_image(engine: docker.DockerClient, identity: str, name: str) -> bool:
    """Whether the engine has the image, under its name."""
    import docker

    try:
        return name in (engine.images.get(identity).attrs.get("RepoTags") or [])
    except docker.errors.ImageNotFound:
        return False


def _has_containerd_store(engine: docker.DockerClient) -> bool:
    status = engine.info().get("DriverStatus") or []
    return any("io.containerd" in str(value) for _, value in status)


def _entry(image: LocalImage) -> DockerEntry:
    return DockerEntry(image.manifest, (image.name,))


def _named(image: LocalImage) -> Descriptor:
    return replace(image.descriptor, annotations=name_annotations(image.name))


def port_hint(text: str, request: RunRequest) -> str | None:
    """What to do if the engine's words are that a port of the host is taken."""
    if not request.ports or not ("already allocated" in text or "already in use" in text):
        return None
    port = next((port for port in request.ports if f":{port.host_port}" in text), request.ports[0])
    return f"Port {port.host_port} of this machine is taken; take another: `-p OTHER:{port.container_port}`"


def root_cause(error: BaseException) -> str:
    """The operating system's words, which libraries wrap several times; without any, the outermost ones."""
    found, waiting, seen = "", [error], set()
    while waiting:
        current = waiting.pop(0)
        if id(current) in seen:
            continue
        seen.add(id(current))
        if isinstance(current, OSError) and current.strerror:
            found = current.strerror
        inner = (*current.args, getattr(current, "reason", None), current.__cause__, current.__context__)
        waiting += [item for item in inner if isinstance(item, BaseException)]
    return found or _first_line(error)


def _first_line(error: BaseException) -> str:
    explanation = getattr(error, "explanation", None) or str(error)
    return str(explanation).strip().partition("\n")[0][:300]
