"""What this process may do on the host: read from the kernel, never assumed from the user id."""

from __future__ import annotations

import os
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path


class Capability(IntEnum):
    """Those of capabilities(7) that decide something here."""

    CHOWN = 0
    DAC_OVERRIDE = 1
    FOWNER = 3
    SETGID = 6
    SETUID = 7
    SETPCAP = 8
    SYS_ADMIN = 21


_GIVE_AWAY = (
    Capability.CHOWN, Capability.DAC_OVERRIDE, Capability.FOWNER, Capability.SETGID, Capability.SETUID
)  # fmt: skip
_USUAL_RANGE = 1 << 16


def has_capabilities(wanted: Iterable[Capability], process: Path = Path("/proc/self")) -> bool:
    """Whether all of `wanted` are in effect."""
    try:
        status = (process / "status").read_text()
    except OSError:
        return False
    effective = next((int(line.split()[1], 16) for line in status.splitlines() if line.startswith("CapEff:")), 0)
    return all(effective >> capability & 1 for capability in wanted)


def id_ranges(kind: str, process: Path = Path("/proc/self")) -> list[tuple[int, int]]:
    """The ranges (first, count) of ids that exist here; `kind` is `uid` or `gid` (user_namespaces(7))."""
    rows = (process / f"{kind}_map").read_text().splitlines()
    return [(int(first), int(count)) for first, _, count in map(str.split, rows)]


def keeps_owners() -> bool:
    """Whether this process may give files to any of the usual users, and act as them: what root normally may."""
    return (
        os.geteuid() == 0
        and has_capabilities(_GIVE_AWAY)
        and all(
            any(first == 0 and count >= _USUAL_RANGE for first, count in id_ranges(kind)) for kind in ("uid", "gid")
        )
    )


def in_initial_namespace() -> bool:
    """Whether the ids of this process are those of the machine itself."""
    return id_ranges("uid") == [(0, (1 << 32) - 1)]
