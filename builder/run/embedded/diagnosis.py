"""Why this machine does not let the embedded engine work, and what would change that."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from pathlib import Path

from builder.errors import EnvbuildError
from builder.oci.documents import Platform, architecture_of

_SETTINGS = (
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("user/max_user_namespaces", "0", "15000"),
    ("user/max_mnt_namespaces", "0", "15000"),
    ("user/max_pid_namespaces", "0", "15000"),
)
_ALSO = {"amd64": "386"}
_ELF_MACHINES = {"386": 3, "arm": 40, "amd64": 62, "arm64": 183, "ppc64le": 21, "s390x": 22, "riscv64": 243}
_ELF_MACHINE_AT = 18
"""Bytes from the start of an ELF file to `e_machine` (elf(5))."""


def obstacles(proc: Path = Path("/proc")) -> tuple[str, ...]:
    """What is known to forbid namespaces or overlays here, each with the command that allows them."""
    return tuple(_obstacles(proc))


def check_platform(wanted: Platform, proc: Path = Path("/proc"), machine: str | None = None) -> None:
    """Make sure that programs of `wanted` run here.

    Raises: EnvbuildError, if they do not.
    """
    own = architecture_of(machine or platform.machine())
    if wanted.os == "linux" and wanted.architecture in (own, _ALSO.get(own)):
        return
    if wanted.os == "linux" and _is_emulated(wanted.architecture, proc / "sys/fs/binfmt_misc"):
        return
    raise EnvbuildError(
        f"an image for {wanted} cannot run on this machine",
        f"it is linux/{own}, and no emulator for {wanted.architecture} is registered with binfmt_misc (flag F)",
        f"Run the image for linux/{own}, or register one: `docker run --privileged --rm tonistiigi/binfmt "
        f"--install {wanted.architecture}`, or Debian's package `qemu-user-static`",
    )


def _obstacles(proc: Path) -> Iterator[str]:
    for name, forbidding, allowing in _SETTINGS:
        if _read(proc / "sys" / name).strip() == forbidding:
            setting = name.replace("/", ".")
            yield f"`{setting}` is {forbidding}: `sudo sysctl -w {setting}={allowing}`"
    if "\toverlay\n" not in _read(proc / "filesystems"):
        yield "the kernel has not loaded overlayfs: `sudo modprobe overlay`"
    if _version(_read(proc / "sys/kernel/osrelease")) < (5, 11):
        yield "the kernel is older than 5.11, where only root may mount an overlay"
    if "\nSeccomp:\t2\n" in _read(proc / "self/status"):
        yield "a seccomp filter is in force, as in a container: start that with `--security-opt seccomp=unconfined`"
    mounts = [line.split() for line in _read(proc / "self/mountinfo").splitlines()]
    if mounts and not any(fields[4:5] == ["/"] for fields in mounts):
        yield "this is a chroot, whose root is not a mount: bind it onto itself and enter it with pivot_root"


def _version(release: str) -> tuple[int, ...]:
    numbers = release.split("-")[0].strip().split(".")[:2]
    return tuple(int(number) for number in numbers if number.isdigit())


def _is_emulated(architecture: str, registry: Path) -> bool:
    """Whether an interpreter for such ELF files is registered, opened already (flag F), so that it is found inside."""
    machine = _ELF_MACHINES.get(architecture)
    if machine is None or not registry.is_dir():
        return False
    code = machine.to_bytes(2, "little").hex()
    for file in registry.iterdir():
        fields = dict(line.partition(" ")[::2] for line in _read(file).splitlines())
        magic = fields.get("magic", "")
        flags = fields.get("flags:", "")
        if "enabled" in fields and "F" in flags and magic[_ELF_MACHINE_AT * 2 :][:4] == code:
            return True
    return False


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
