"""What process 1 of the new namespaces does: it becomes the command's own user before it starts the command."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.run.embedded import supervise, system_calls, terminal
from builder.run.embedded.namespaces import Standing, become
from builder.run.embedded.root import RootPlan, build_root, enter_root
from builder.run.embedded.users import find_identity

HOST_NAME = "envbuild"
_SEARCHED = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a command is looked for when the image has no `PATH`, as containerd has it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All that process 1 needs to know; made before anything is forked."""

    root: RootPlan
    standing: Standing
    command: tuple[str, ...]
    environment: Mapping[str, str]
    user: str
    """As in an image's config."""
    network: bool
    """The host's; otherwise a loopback interface only."""
    interactive: bool
    tty: bool


def inside(plan: Plan) -> supervise.Init:
    """Build the root file system, enter it, become the wanted user and run the command."""

    def run(channel: socket.socket, tie: Callable[[], None]) -> int:
        os.umask(0o022)
        system_calls.leave_session_keyring()
        system_calls.set_host_name(HOST_NAME)
        if not plan.network:
            system_calls.bring_up_loopback()
        root = build_root(plan.root, plan.standing)
        enter_root(root, plan.root.read_only)
        become(find_identity(plan.user, Path("/")), plan.standing)
        tie()
        _enter_working_directory(plan.root.working_directory)
        return _start_and_wait(plan, channel)

    return run


def _start_and_wait(plan: Plan, channel: socket.socket) -> int:
    own_terminal = terminal.open_inside(channel) if plan.tty else None
    if not plan.interactive and own_terminal is None:
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)

    def replace() -> None:
        if own_terminal is not None:
            terminal.take(own_terminal)
        _execute(plan.command, plan.environment)

    child = supervise.start(replace, channel)
    channel.close()
    if own_terminal is not None:
        for number in (own_terminal, 0, 1, 2):
            os.close(number)
    return supervise.supervise(child)


def _execute(command: tuple[str, ...], environment: Mapping[str, str]) -> None:
    """Replace this process by `command`, looked for in the image's own PATH (execvp(3))."""
    program = command[0]
    folders = environment.get("PATH", _SEARCHED).split(":")
    names = [program] if "/" in program else [os.path.join(folder or ".", program) for folder in folders]
    failure: OSError = FileNotFoundError()
    for name in names:
        try:
            os.execve(name, command, environment)  # noqa: S606
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            failure = error
    if isinstance(failure, FileNotFoundError):
        raise EnvbuildError(f"`{program}` is not in the image", f"looked for: {', '.join(names)}")
    raise EnvbuildError(f"`{program}` cannot be executed", failure.strerror or str(failure)) from failure


def _enter_working_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise EnvbuildError(f"the working directory `{path}` cannot be entered", error.strerror or "") from error


def probe(standing: Standing) -> supervise.Init:
    """Mount what every run mounts, an overlay in memory, and end."""

    def run(_channel: socket.socket, _tie: Callable[[], None]) -> int:
        system_calls.mount(None, "/", None, system_calls.MS_REC | system_calls.MS_PRIVATE)
        place = Path("/tmp")  # noqa: S108  # what is mounted there is seen by nobody else
        system_calls.mount("tmpfs", place, "tmpfs")
        for name in ("lower", "upper", "work", "root"):
            (place / name).mkdir()
        os.chdir(place)
        attributes = ",userxattr" if standing.user_attributes else ""
        options = f"lowerdir=lower,upperdir=upper,workdir=work{attributes}"
        system_calls.mount("overlay", "root", "overlay", options=options)
        system_calls.mount("proc", "root", "proc")
        return 0

    return run
