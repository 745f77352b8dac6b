"""The root file system of a command: an overlay of the unpacked layers, devices, kernel file systems and mounts.

Runs as the first process of the new namespaces, before anything of the image does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.run.embedded.namespaces import Standing
from builder.run.embedded.paths import make_mount_point
from builder.run.embedded.system_calls import (
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_RELATIME,
    MS_REMOUNT,
    detach,
    mount,
    pivot_root,
)
from builder.run.interface import Mount

_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_DEVICE_LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
# What Docker and containerd hide, for the same reason: the kernel lets user id 0 write it without any capability.
_HIDDEN = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/firmware",
)  # fmt: skip
_TEMPORARY = "/tmp"  # noqa: S108  # the image's
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
_STATVFS_RELATIME = 4096
_SAME_IN_STATVFS = 0x0C0F  # read-only, nosuid, nodev, noexec, noatime, nodiratime


@dataclass(frozen=True, slots=True)
class RootPlan:
    """What the root file system is made of."""

    layers: tuple[Path, ...]
    """Unpacked, lowest first."""
    scratch: Path
    """A folder for what is written, thrown away afterwards."""
    mounts: tuple[Mount, ...]
    documents: Mapping[str, str]
    """Texts of files that are put over the image's own, by absolute path."""
    shared_memory: int
    """In bytes."""
    read_only: bool
    working_directory: str


def build_root(plan: RootPlan, standing: Standing) -> Path:
    """Mount everything below a folder, which is returned. Nothing of it is seen by the host.

    Raises: OSError, if the kernel refuses; EnvbuildError, if a mount point cannot be made.
    """
    mount(None, "/", None, MS_REC | MS_PRIVATE)
    root = _mount_layers(plan, standing)
    _mount_devices(root, plan.shared_memory)
    mount("proc", make_mount_point(root, "/proc", folder=True), "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
    _mount_sys(root)
    _protect_kernel(root)
    if plan.read_only:
        _mount_memory(make_mount_point(root, _TEMPORARY, folder=True), "mode=1777")
    for path, text in plan.documents.items():
        _bind(Mount(_document(plan.scratch, path, text), path, read_only=True), root)
    for wanted in sorted(plan.mounts, key=lambda item: item.target.rstrip("/").count("/")):
        _bind(wanted, root)
    make_mount_point(root, plan.working_directory, folder=True)
    return root


def enter_root(root: Path, read_only: bool) -> None:
    """Make `root` the root; the host's files are gone from here on (pivot_root(2), "pivot_root(".", ".")")."""
    os.chdir(root)
    pivot_root(".", ".")
    detach(".")
    os.chdir("/")
    if read_only:
        _make_read_only("/")


def _mount_layers(plan: RootPlan, standing: Standing) -> Path:
    """The overlay. Sixty full paths pass the 4096 bytes that mount(2) takes, so layers get short names."""
    names, root = plan.scratch / "layers", plan.scratch / "root"
    names.mkdir()
    root.mkdir()
    for number, layer in enumerate(plan.layers):
        (names / str(number)).symlink_to(layer)
    os.chdir(names)
    lower = ":".join(str(number) for number in reversed(range(len(plan.layers))))
    attributes = ",userxattr" if standing.user_attributes else ""
    try:
        _mount_overlay(root, lower, "..", attributes)
    except OSError:
        # The scratch folder's own file system cannot be written through an overlay (it is one, or a network's).
        _mount_memory(plan.scratch / "layers", "mode=0755")
        for number, layer in enumerate(plan.layers):
            (names / str(number)).symlink_to(layer)
        os.chdir(names)
        _mount_overlay(root, lower, ".", attributes)
    return root


def _mount_overlay(root: Path, lower: str, writable: str, attributes: str) -> None:
    for name in ("upper", "work"):
        Path(writable, name).mkdir(mode=0o755)
    options = f"lowerdir={lower},upperdir={writable}/upper,workdir={writable}/work{attributes}"
    mount("overlay", root, "overlay", options=options)


def _mount_memory(place: Path, options: str) -> None:
    mount("tmpfs", place, "tmpfs", MS_NOSUID | MS_NODEV, options)


def _mount_devices(root: Path, shared_memory: int) -> None:
    folder = make_mount_point(root, "/dev", folder=True)
    mount("tmpfs", folder, "tmpfs", MS_NOSUID, "mode=0755,size=65536k")
    for name in _DEVICES:
        (folder / name).touch()
        mount(f"/dev/{name}", folder / name, None, MS_BIND)
    for name, target in _DEVICE_LINKS.items():
        (folder / name).symlink_to(target)
    for name in ("pts", "shm"):
        (folder / name).mkdir()
    mount("devpts", folder / "pts", "devpts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")
    _mount_memory(folder / "shm", f"mode=1777,size={shared_memory}")


def _mount_sys(root: Path) -> None:
    """Mount `/sys`, read-only. A new one needs a network namespace of one's own; otherwise it is the host's."""
    place = make_mount_point(root, "/sys", folder=True)
    try:
        mount("sysfs", place, "sysfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    except PermissionError:
        mount("/sys", place, None, MS_BIND | MS_REC)
        _make_read_only(str(place))


def _protect_kernel(root: Path) -> None:
    for path in _HIDDEN:
        place = root / path.lstrip("/")
        if place.is_dir():
            mount("tmpfs", place, "tmpfs", MS_RDONLY)
        elif place.exists():
            mount("/dev/null", place, None, MS_BIND)
    for path in _READ_ONLY:
        place = root / path.lstrip("/")
        if place.exists():
            mount(place, place, None, MS_BIND | MS_REC)
            _make_read_only(str(place))


def _bind(wanted: Mount, root: Path) -> None:
    place = make_mount_point(root, wanted.target, folder=wanted.source.is_dir())
    try:
        mount(wanted.source, place, None, MS_BIND | MS_REC)
        if wanted.read_only:
            _make_read_only(str(place))
    except OSError as error:
        raise EnvbuildError(f"`{wanted.source}` cannot be mounted at `{wanted.target}`", str(error)) from error


def _document(scratch: Path, path: str, text: str) -> Path:
    file = scratch / path.strip("/").replace("/", "-")
    file.write_text(text)
    file.chmod(0o644)
    return file


def _make_read_only(top: str) -> None:
    """Make the mount at `top` and all below it read-only, keeping the flags that the kernel locks."""
    for place in _mounts_below(top):
        with suppress(FileNotFoundError):  # hidden beneath another mount
            flags = os.statvfs(place).f_flag
            keep = flags & _SAME_IN_STATVFS | (MS_RELATIME if flags & _STATVFS_RELATIME else 0)
            mount(None, place, None, MS_REMOUNT | MS_BIND | MS_RDONLY | keep)


def _mounts_below(top: str) -> Iterator[str]:
    """The mount points at and below `top` (proc_pid_mountinfo(5): octal escapes for blanks)."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        places = {re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), line.split()[4]) for line in file}
    yield from sorted(place for place in places if place == top or place.startswith(f"{top}/"))
