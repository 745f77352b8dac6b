"""One container, by Docker's API, which Podman's service speaks too: made, attended to its end, removed."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.image.engine.messages import first_line
from builder.run.gpu import Gpus, gpu_hint
from builder.run.interface import RunRequest
from builder.run.killed import say_if_killed

if TYPE_CHECKING:
    import docker
    from docker.types import DeviceRequest

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def check_terminal(request: RunRequest) -> None:
    """Refuse a wish for a terminal where the caller has none. Raises: EnvbuildError."""
    if request.tty and not os.isatty(0):
        raise EnvbuildError("the command cannot get a terminal", "standard input is none", "Leave `--tty` out")


@dataclass(frozen=True, slots=True)
class Host:
    """The engine that a container is in."""

    client: docker.DockerClient
    title: str
    """What to call it in messages."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What of a container's `HostConfig`, as the API has it, is otherwise in this engine."""
    remove: Callable[[Any], None] = lambda container: container.remove(force=True, v=True)


def run_container(host: Host, identity: str, request: RunRequest) -> int:
    """Run a command in a container of the image `identity`: its exit code.

    Raises: EnvbuildError, if the engine refuses.
    """
    import docker

    try:
        container = _create(host, identity, request)
    except (docker.errors.DockerException, OSError) as error:
        text = first_line(error)
        raise EnvbuildError(f"{host.title} cannot run this", text, gpu_hint(text)) from error
    try:
        code = _attend_terminal(container) if request.tty else _attend(container, request)
        container.reload()
        say_if_killed(code, request.memory, bool(container.attrs["State"].get("OOMKilled")))
        return code
    except (docker.errors.DockerException, OSError) as error:
        text = first_line(error)
        hint = port_hint(text, request) or gpu_hint(text)
        raise EnvbuildError(f"{host.title} cannot run this", text, hint) from error
    finally:
        host.remove(container)


def remove_labelled(client: docker.DockerClient, label: str) -> None:
    """Remove the containers that have a label, `NAME=VALUE`: those of callers that were killed."""
    import docker

    with suppress(docker.errors.DockerException, OSError):  # what cannot be removed now is found the next time
        for container in client.containers.list(all=True, filters={"label": label}):
            container.remove(force=True, v=True)


def _create(host: Host, identity: str, request: RunRequest) -> Any:
    api = host.client.api
    settings = api.create_host_config(**_given(_host_options(request)))
    settings.update(host.settings)
    made = api.create_container(identity, host_config=settings, **_given(_container_options(request)))
    return host.client.containers.get(made["Id"])


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value not in (None, {}, [], False)}


def _container_options(request: RunRequest) -> dict[str, Any]:
    return {
        "command": list(request.arguments),
        "environment": dict(request.environment),
        "user": request.user,
        "ports": [(port.container_port, "tcp") for port in request.ports],
        "working_dir": request.working_directory,
        "entrypoint": list(request.entrypoint) if request.entrypoint else None,
        "stdin_open": request.tty or _passes_input(request),
        "tty": request.tty,
        "labels": dict(request.labels),
    }


def _host_options(request: RunRequest) -> dict[str, Any]:
    from docker.types import Mount

    return {
        "mounts": [
            Mount(mount.target, str(mount.source.resolve()), type="bind", read_only=mount.read_only)
            for mount in request.mounts
        ],
        "network_mode": None if request.network == "default" else request.network,
        "read_only": request.read_only,
        "tmpfs": {"/tmp": "exec"} if request.read_only else None,  # noqa: S108 - a folder of the container
        "mem_limit": request.memory,
        "memswap_limit": request.memory,
        "shm_size": request.shared_memory,
        "port_bindings": {f"{port.container_port}/tcp": (port.host_address, port.host_port) for port in request.ports},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "device_requests": _device_requests(request.gpus),
    }


def _device_requests(gpus: Gpus | None) -> list[DeviceRequest]:
    """As `docker run --gpus` asks for them."""
    from docker.types import DeviceRequest

    if gpus is None:
        return []
    if gpus.devices:
        return [DeviceRequest(device_ids=list(gpus.devices), capabilities=[["gpu"]])]
    return [DeviceRequest(count=-1 if gpus.count is None else gpus.count, capabilities=[["gpu"]])]


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
    """Start the container with its terminal joined to the caller's, and wait for its end, or end it with that one."""
    import docker

    from builder.run.terminal import join

    stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
    container.start()
    with stream, _forwarded_signals(container):
        if not join(_ContainerEnd(container, getattr(stream, "_sock", stream))):
            with suppress(docker.errors.DockerException):  # it may have ended already
                container.kill()
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
    import docker

    def forward(number: int, _: object) -> None:
        with suppress(docker.errors.DockerException):  # it may have ended already
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


def port_hint(text: str, request: RunRequest) -> str | None:
    """What to do if the engine's words are that a port of the host is taken."""
    if not request.ports or not ("already allocated" in text or "already in use" in text):
        return None
    port = next((port for port in request.ports if f":{port.host_port}" in text), request.ports[0])
    return f"Port {port.host_port} of this machine is taken; take another: `-p OTHER:{port.container_port}`"
