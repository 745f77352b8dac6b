"""The system calls that Python has no name for (before 3.12, or at all), through the C library.

Each raises OSError, whose file name says what was tried.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import socket
import struct
import warnings
from pathlib import Path

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_RELATIME = 1 << 5, 1 << 12, 1 << 14, 1 << 18, 1 << 21
MNT_DETACH = 2

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS, _PR_CAP_AMBIENT = 1, 4, 24, 38, 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_CAPABILITY_VERSION_3 = 0x20080522
_KEYCTL = {"x86_64": 250, "aarch64": 219}
_KEYCTL_JOIN_SESSION_KEYRING = 1
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1

_library = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object, doing: str | None = None) -> None:
    if getattr(_library, name)(*arguments) == -1:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), doing or name)


def unshare(flags: int) -> None:
    """Enter new namespaces (unshare(2))."""
    _call("unshare", ctypes.c_int(flags))


def mount(source: str | Path | None, target: str | Path, kind: str | None, flags: int = 0, options: str = "") -> None:
    """Mount (mount(2))."""
    _call(
        "mount",
        None if source is None else os.fsencode(source),
        os.fsencode(target),
        None if kind is None else kind.encode(),
        ctypes.c_ulong(flags),
        os.fsencode(options) or None,
        doing=f"mount {kind or source or ''} on {target}",
    )


def detach(target: str) -> None:
    """Unmount what is at `target`, with all below it, as soon as nobody uses it."""
    _call("umount2", os.fsencode(target), ctypes.c_int(MNT_DETACH), doing=f"unmount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root, and put the old one on `old` (pivot_root(2))."""
    _call("pivot_root", os.fsencode(new), os.fsencode(old))


def set_host_name(name: str) -> None:
    """Name the machine, as this UTS namespace sees it."""
    _call("sethostname", name.encode(), ctypes.c_size_t(len(name.encode())))


def die_with_parent(signal_number: int) -> None:
    """Get `signal_number` when the parent ends. A later change of credentials forgets it."""
    _prctl(_PR_SET_PDEATHSIG, signal_number)


def hide_memory() -> None:
    """Keep processes of the same user from reading this one's memory, environment and open files."""
    _prctl(_PR_SET_DUMPABLE, 0)


def forbid_new_privileges() -> None:
    """Make setuid bits and file capabilities worth nothing, for good."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_bounding_capabilities() -> None:
    """No program started from here on gets a capability. Needs CAP_SETPCAP."""
    for number in range(_last_capability() + 1):
        _prctl(_PR_CAPBSET_DROP, number)


def drop_capabilities() -> None:
    """Give up every capability of this process."""
    _prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _call("capset", ctypes.create_string_buffer(header), ctypes.create_string_buffer(bytes(24)))


def leave_session_keyring() -> None:
    """Take an empty keyring in place of the caller's, whose secrets every child could read (keyctl(2)).

    Where the call is forbidden or not there, it is so for the children too.
    """
    number = _KEYCTL.get(os.uname().machine)
    if number is None:
        return
    try:
        _call("syscall", ctypes.c_long(number), ctypes.c_int(_KEYCTL_JOIN_SESSION_KEYRING), None, doing="keyctl")
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise


def bring_up_loopback() -> None:
    """Start the interface `lo` of this network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 0)
        flags = struct.unpack("16sh14x", fcntl.ioctl(control, _SIOCGIFFLAGS, request))[1]
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", flags | _IFF_UP))


def fork() -> int:
    """Fork. The child of a process with threads must end in `_exit` and take no lock of theirs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _prctl(option: int, value: int) -> None:
    rest = [ctypes.c_ulong(0)] * 3
    _call("prctl", ctypes.c_int(option), ctypes.c_ulong(value), *rest, doing=f"prctl {option}")


def _last_capability() -> int:
    return int(Path("/proc/sys/kernel/cap_last_cap").read_text())
