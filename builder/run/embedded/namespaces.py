"""Which namespaces to enter, the ids in them, and giving up every privilege afterwards.

With the usual capabilities of root no user namespace is needed; root without CAP_SYS_ADMIN gets one in which every
id is itself; anybody else gets one whose root is the caller, and in the end one whose only user is the caller.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from builder.run.embedded import system_calls
from builder.run.privileges import Capability, has_capabilities, id_ranges, in_initial_namespace, keeps_owners


@dataclass(frozen=True, slots=True)
class Standing:
    """What this process may do without being given more."""

    keeps_owners: bool
    """Ids inside are those of the host; otherwise the caller's is the only one."""
    new_user_namespace: bool
    """One is needed in order to mount anything."""
    user_attributes: bool
    """Overlays must keep their notes in `user.` attributes, since `trusted.` ones are out of reach."""

    @classmethod
    def of_this_process(cls) -> Standing:
        """Read it from the kernel."""
        owners = keeps_owners()
        administrator = owners and has_capabilities((Capability.SYS_ADMIN, Capability.SETPCAP))
        return cls(owners, not administrator, not administrator or not in_initial_namespace())


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom the command runs as, inside."""

    uid: int
    gid: int


def enter(standing: Standing, network: bool) -> None:
    """Leave the caller's namespaces; the next child is the first process of the new ones.

    With a user namespace, `write_maps` must follow, from outside.
    """
    flags = system_calls.CLONE_NEWNS | system_calls.CLONE_NEWPID | system_calls.CLONE_NEWIPC | system_calls.CLONE_NEWUTS
    if standing.new_user_namespace:
        flags |= system_calls.CLONE_NEWUSER
    if not network:
        flags |= system_calls.CLONE_NEWNET
    system_calls.unshare(flags)


def write_maps(process: int, standing: Standing) -> None:
    """Say which ids exist in the user namespace that `process` has made (user_namespaces(7))."""
    folder = Path(f"/proc/{process}")
    if standing.keeps_owners:
        for kind in ("uid", "gid"):
            rows = (f"{first} {first} {count}\n" for first, count in id_ranges(kind))
            (folder / f"{kind}_map").write_text("".join(rows))
        return
    (folder / "setgroups").write_text("deny")
    (folder / "uid_map").write_text(f"0 {os.geteuid()} 1\n")
    (folder / "gid_map").write_text(f"0 {os.getegid()} 1\n")


def become(identity: Identity, standing: Standing) -> None:
    """Become `identity`, without any privilege and without a way to get one."""
    if standing.keeps_owners:
        system_calls.drop_bounding_capabilities()
        os.setgroups([])
        os.setresgid(identity.gid, identity.gid, identity.gid)
        os.setresuid(identity.uid, identity.uid, identity.uid)
    else:
        _enter_own_user_namespace(identity)
        system_calls.drop_bounding_capabilities()
    system_calls.drop_capabilities()
    system_calls.forbid_new_privileges()
    system_calls.hide_memory()


def _enter_own_user_namespace(identity: Identity) -> None:
    """The caller's one id, which is root's in the outer namespace, gets the wanted name."""
    system_calls.unshare(system_calls.CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{identity.uid} 0 1\n")
    Path("/proc/self/gid_map").write_text(f"{identity.gid} 0 1\n")
