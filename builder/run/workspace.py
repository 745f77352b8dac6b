"""Working inside an image with the working tree mounted: a shell, or a kernel for notebooks."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.lock.document import PlatformLock
from builder.run.gpu import Gpus
from builder.run.interface import Mount, Network, PortMapping, RunRequest

WORKING_TREE = "/app"
CONNECTION_FILE = "/run/envbuild/kernel.json"
_SHELLS = {"bash": "/bin/bash", "dash": "/bin/sh"}
"""By the Debian package that brings them."""
_HOME = "/tmp"  # noqa: S108 - a folder of the image: the only one that every user may write to


@dataclass(frozen=True, slots=True)
class Workspace:
    """A working tree and what the commands in it may reach."""

    folder: Path | None
    """Mounted writable at `/app`, which is the working folder; None leaves what the image has there."""
    environment: Mapping[str, str] = field(default_factory=dict)
    network: Network = "default"
    ports: tuple[PortMapping, ...] = ()
    user: str | None = None
    """`uid[:gid]`; by default the caller's own, so that files in the tree stay theirs."""
    gpus: Gpus | None = None


def shell_of(locked: PlatformLock) -> str:
    """The program to open in an image: its shell, or Python where it has none."""
    if locked.conda and "bash" in locked.conda.details:
        return "/opt/env/bin/bash"
    names = {package.name for package in locked.debian}
    if not names:  # another base, which brings its own
        return "/bin/sh"
    return next((path for name, path in _SHELLS.items() if name in names), "/opt/env/bin/python")


def shell_request(workspace: Workspace, name: str, arguments: tuple[str, ...], tty: bool) -> RunRequest:
    """The command `arguments` in the working tree; its first is a program's path or name in the image."""
    prompt = {"PS1": f"({name}) $PWD $ "} if tty else {}
    return RunRequest(
        arguments=arguments[1:],
        entrypoint=arguments[:1],
        environment={"HOME": _HOME, "TERM": os.environ.get("TERM", "dumb"), **prompt, **workspace.environment},
        mounts=_tree(workspace),
        user=_user(workspace),
        network=workspace.network,
        ports=workspace.ports,
        working_directory=WORKING_TREE,
        tty=tty,
        gpus=workspace.gpus,
    )


def kernel_request(workspace: Workspace, connection_file: Path) -> RunRequest:
    """A Jupyter kernel that listens where `connection_file` says (jupyter-client's kernel specification)."""
    return RunRequest(
        arguments=("-m", "ipykernel_launcher", "-f", CONNECTION_FILE),
        entrypoint=("/opt/env/bin/python",),
        environment={"HOME": _HOME, **workspace.environment},
        mounts=(*_tree(workspace), Mount(connection_file, CONNECTION_FILE, read_only=True)),
        user=_user(workspace),
        network="host",
        working_directory=WORKING_TREE,
        interactive=False,
    )


def _tree(workspace: Workspace) -> tuple[Mount, ...]:
    return (Mount(workspace.folder.resolve(), WORKING_TREE),) if workspace.folder else ()


def _user(workspace: Workspace) -> str:
    return workspace.user or f"{os.getuid()}:{os.getgid()}"
