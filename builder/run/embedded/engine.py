"""The engine itself: from an image and a request to a plan, and from the plan to a running command."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder import __version__
from builder.errors import EnvbuildError
from builder.oci.documents import ImageConfig
from builder.progress import Progress, Silent
from builder.run.embedded import supervise, terminal
from builder.run.embedded.diagnosis import check_platform, obstacles
from builder.run.embedded.inside import HOST_NAME, Plan, inside, probe
from builder.run.embedded.memory import memory_limit
from builder.run.embedded.namespaces import Standing
from builder.run.embedded.root import RootPlan
from builder.run.interface import SHARED_MEMORY, LocalImage, Mount, RunRequest
from builder.run.killed import say_if_killed
from builder.run.terminal import join
from builder.run.unpack import unpack_image

_LOOPBACK = f"127.0.0.1\tlocalhost {HOST_NAME}\n::1\tlocalhost\n"


class EmbeddedEngine:
    """Runs an image in Linux namespaces of its own, as root or as any user.

    Without root, the one user inside is the caller: every file of the image is theirs, and what they write to a
    mount belongs to the caller. The network is the host's, or none; so where a port is to be reached is told to the
    command in ENVBUILD_HOST.
    """

    name = "embedded"
    has_own_network = False

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress or Silent()

    def unavailable(self) -> str | None:
        """Why namespaces do not work here, or None; they are tried for real, which takes some milliseconds."""
        if not sys.platform.startswith("linux"):
            return "the embedded engine needs Linux; use the docker engine"
        try:
            standing = Standing.of_this_process()
            with supervise.contain(standing, True, lambda _: None, probe(standing)) as attempt:
                attempt.await_start()
                supervise.wait(attempt)
        except (EnvbuildError, OSError) as error:
            causes = error.why if isinstance(error, EnvbuildError) else (str(error),)
            return "namespaces do not work here: " + "; ".join((*causes, *obstacles()))
        return None

    def version(self) -> str:
        """That of envbuild, whose part it is."""
        return __version__

    def run(self, image: LocalImage, request: RunRequest) -> int:
        """Run a command and wait for it: its exit code, or 128 and the number of the signal that ended it.

        Raises: EnvbuildError, if the command cannot be started, or a wish of the request cannot be granted.
        """
        _check(image, request)
        layers = unpack_image(image.store, image.manifest, image.config, self._progress, image.bring)
        with image.store.scratch() as scratch, memory_limit(request.memory) as limit:
            plan = _plan(image.config, request, tuple(layers), scratch)
            with _explained(), supervise.contain(plan.standing, plan.network, limit, inside(plan)) as command:
                controlling = command.await_start()
                if controlling is not None:
                    join(terminal.ControllingEnd(controlling))
                    os.close(controlling)
                code = supervise.wait(command)
        say_if_killed(code, request.memory)
        return code


def _check(image: LocalImage, request: RunRequest) -> None:
    if not sys.platform.startswith("linux"):
        raise EnvbuildError("the embedded engine needs Linux", hint="Use the docker engine")
    check_platform(image.config.platform)
    for port in request.ports:
        if port.host_port != port.container_port:
            raise EnvbuildError(
                f"port {port.container_port} of the command cannot be port {port.host_port} of the host",
                "the embedded engine gives the command the host's own network",
                f"Publish {port.container_port}:{port.container_port}, or use the docker engine",
            )
    if request.gpus:
        raise EnvbuildError(
            "the embedded engine cannot give GPUs to a command",
            "devices and the driver's files come from NVIDIA's container toolkit, which it does not use",
            "Use `--engine docker` or `--engine podman`",
        )
    for mount in request.mounts:
        _check_mount(mount)
    if request.tty and not os.isatty(0):
        raise EnvbuildError("the command cannot get a terminal", "standard input is none", "Leave `--tty` out")


def _check_mount(mount: Mount) -> None:
    if not mount.source.exists():
        raise EnvbuildError(f"`{mount.source}` cannot be mounted", "it does not exist")
    if not mount.target.startswith("/") or not mount.target.strip("/") or "\0" in mount.target:
        raise EnvbuildError(
            f"nothing can be mounted at `{mount.target}`", "an absolute path, not the root, is expected"
        )


def _plan(config: ImageConfig, request: RunRequest, layers: tuple[Path, ...], scratch: Path) -> Plan:
    environment = dict(variable.partition("=")[::2] for variable in config.env)
    addresses = [port.host_address for port in request.ports if port.host_address]
    if addresses:
        environment["ENVBUILD_HOST"] = addresses[0]
    environment |= request.environment
    root = RootPlan(
        tuple(layer.resolve() for layer in layers),
        scratch,
        tuple(Mount(mount.source.resolve(), mount.target, mount.read_only) for mount in request.mounts),
        _documents(request.network != "none"),
        SHARED_MEMORY if request.shared_memory is None else request.shared_memory,
        request.read_only,
        request.working_directory or config.working_dir or "/",
    )
    user = config.user if request.user is None else request.user
    network = request.network != "none"
    command = _command(config, request)
    return Plan(root, Standing.of_this_process(), command, environment, user, network, request.interactive, request.tty)


def _command(config: ImageConfig, request: RunRequest) -> tuple[str, ...]:
    if request.entrypoint is not None:
        command = request.entrypoint + request.arguments
    else:
        command = config.entrypoint + (request.arguments or config.cmd)
    if not command:
        raise EnvbuildError("there is no command to run", "the image declares none, and none was given")
    return command


def _documents(network: bool) -> dict[str, str]:
    """The files by which a command finds names in the network."""
    hosts, servers = "", ""
    if network:
        hosts, servers = _host_file("/etc/hosts"), _host_file("/etc/resolv.conf")
    return {"/etc/hosts": _LOOPBACK + hosts, "/etc/resolv.conf": servers, "/etc/hostname": f"{HOST_NAME}\n"}


def _host_file(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise EnvbuildError("the embedded engine cannot start the command", (str(error), *obstacles())) from error
