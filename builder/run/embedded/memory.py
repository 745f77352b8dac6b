"""A limit of memory, by a control group (cgroups(7)): version 2 where it is delegated, else version 1.

There is no other honest way: RLIMIT_AS counts address space, which numerical libraries reserve by the gigabyte.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from builder.errors import EnvbuildError

_V2: dict[str, int | None] = {"memory.max": None, "memory.swap.max": 0}
_V1: dict[str, int | None] = {"memory.limit_in_bytes": None, "memory.memsw.limit_in_bytes": None}


@contextmanager
def memory_limit(limit: int | None, process: Path = Path("/proc/self")) -> Iterator[Callable[[int], None]]:
    """A call that puts a process, and with it all its future children, under a common limit of `limit` bytes.

    Raises: EnvbuildError, if this user cannot limit memory here.
    """
    if limit is None:
        yield lambda _: None
        return
    group = _make_group(limit, process)
    try:
        yield lambda number: _write(group / "cgroup.procs", number)
    finally:
        with suppress(OSError):
            group.rmdir()


def _make_group(limit: int, process: Path) -> Path:
    reasons = []
    for parent, settings in _candidates(process):
        group = parent / f"envbuild-{os.getpid()}"
        try:
            group.mkdir()
            for name, value in settings.items():
                if (group / name).exists():
                    _write(group / name, limit if value is None else value)
        except OSError as error:
            reasons.append(str(error))
            with suppress(OSError):
                group.rmdir()
            continue
        return group
    raise EnvbuildError(
        "memory cannot be limited here",
        reasons[-1:] or "no control group with a memory controller may be written by this user",
        "Use the docker engine, or start with `systemd-run --user --scope -p Delegate=yes envbuild run …`",
    )


def _candidates(process: Path) -> Iterator[tuple[Path, dict[str, int | None]]]:
    """Groups in which a new one can have a limit: the nearest to this process first."""
    for line in (process / "cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        version_2 = number == "0" and not controllers
        if not version_2 and "memory" not in controllers.split(","):
            continue
        for mount in _mounts(process, "cgroup2" if version_2 else "memory"):
            own = mount / path.lstrip("/")
            for folder in (own, *own.parents):
                if folder == mount.parent:
                    break
                if not version_2:
                    yield folder, _V1
                elif "memory" in _read(folder / "cgroup.subtree_control").split():
                    yield folder, _V2


def _mounts(process: Path, wanted: str) -> Iterator[Path]:
    """Where the hierarchy is mounted (proc_pid_mountinfo(5)): by its type, or by the controller among its options."""
    for line in (process / "mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(" ", 2)
        if wanted == kind or (kind == "cgroup" and wanted in options.split(",")):
            yield Path(before.split()[4])


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _write(path: Path, value: int) -> None:
    path.write_text(f"{value}\n")
