"""Programs that are run to their end: with nothing to read, in a folder of their own, within a time and a memory."""

from __future__ import annotations

import resource
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.errors import EnvbuildError

_LOOKING = threading.Lock()
_RESOLVER_SECONDS = 3600.0


def uv_program() -> str:
    """The path of the uv that is installed beside this package.

    Raises: EnvbuildError, if there is none.
    """
    from uv import find_uv_bin

    try:
        with _LOOKING:  # sysconfig, which is asked for folders, fills its tables without a lock of its own
            return str(find_uv_bin())
    except FileNotFoundError as error:
        raise EnvbuildError("uv is not there", str(error), "Install envbuild anew; it brings uv with it") from error


def run_program(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    *,
    seconds: float | None = None,
    memory: int | None = None,
    joined: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder; what it prints may be of any bytes. It is ended where the caller is interrupted.

    `memory` is the most that it may take of its address space, in bytes, where the system can hold it to that. What is
    `joined` has the lines of its two outputs in one, `stdout`, as they came.

    Raises: subprocess.TimeoutExpired, if it does not come to its end.
    """
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if joined else subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    )
    with process:
        try:
            if memory is not None:
                _limit_memory(process.pid, memory)
            out, err = process.communicate(timeout=seconds)
        finally:
            if process.poll() is None:
                process.kill()
    return subprocess.CompletedProcess(command, process.returncode, out, err)


def run_resolver(
    command: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    *,
    name: str,
    hint: str,
    memory: int | None = None,
    joined: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a resolver, whose `name` messages tell, as `run_program` does; `hint` says what may hold it up.

    Raises: EnvbuildError, if it does not come to an end within an hour.
    """
    try:
        return run_program(command, folder, variables, seconds=_RESOLVER_SECONDS, memory=memory, joined=joined)
    except subprocess.TimeoutExpired as error:
        raise EnvbuildError(
            "the Python packages could not be resolved in time",
            f"{name} was still at it after {_RESOLVER_SECONDS / 60:.0f} minutes",
            hint,
        ) from error


def _limit_memory(pid: int, size: int) -> None:
    if hasattr(resource, "prlimit"):  # of Linux alone
        try:
            resource.prlimit(pid, resource.RLIMIT_AS, (size, size))
        except (OSError, ValueError):
            return  # it has ended already, or the system allows less anyhow
