"""`/etc/passwd`, `/etc/group` and their kin, and the user that images run as."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builder.layers.files import FileEntry
from builder.layers.system.image import Image

NONROOT = 65532
"""The numeric user and group that an image runs as unless it says otherwise (the same as in distroless images)."""
HOME = "home/nonroot"

_USERS = "usr/share/base-passwd/passwd.master"
_GROUPS = "usr/share/base-passwd/group.master"
_FIRST_SYSTEM_ID = 999
_SHADOW_GROUP = 42

_MINIMAL_PASSWD = (
    "root:*:0:0:root:/root:/bin/bash",
    "nobody:*:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
)
_MINIMAL_GROUP = ("root:*:0:", "nogroup:*:65534:")


def account_files(image: Image) -> Iterable[FileEntry]:
    """The accounts of base-passwd's masters, those of `sysusers.d`, and `nonroot` with its home."""
    users = _lines(image, _USERS, _MINIMAL_PASSWD)
    groups = _lines(image, _GROUPS, _MINIMAL_GROUP)
    _add_system_accounts(image, users, groups)
    users.append(f"nonroot:*:{NONROOT}:{NONROOT}:nonroot:/{HOME}:/usr/sbin/nologin")
    groups.append(f"nonroot:*:{NONROOT}:")
    yield FileEntry.directory(HOME, 0o700, NONROOT, NONROOT)
    if "passwd" in image.packages:
        yield FileEntry("etc/shadow", _shadow(users), mode=0o640, gid=_SHADOW_GROUP)
        yield FileEntry("etc/gshadow", _group_shadow(groups), mode=0o640, gid=_SHADOW_GROUP)
        users = [line.replace(":*:", ":x:", 1) for line in users]
        groups = [line.replace(":*:", ":x:", 1) for line in groups]
    yield FileEntry("etc/passwd", _text(users))
    yield FileEntry("etc/group", _text(groups))
    if any(f'touch "$DPKG_ROOT/etc/{name}"' in image.script(package) for name, package in _SUBORDINATE):
        yield FileEntry("etc/subuid")
        yield FileEntry("etc/subgid")


_SUBORDINATE = (("subuid", "base-passwd"), ("subuid", "login"))


def _lines(image: Image, path: str, otherwise: tuple[str, ...]) -> list[str]:
    data = image.files.get(path)
    return list(otherwise) if data is None else data.decode().splitlines()


def _add_system_accounts(image: Image, users: list[str], groups: list[str]) -> None:
    """The lines of `sysusers.d` of the packages that register them (sysusers.d(5)), from 999 downwards."""
    for facts in image.packages.values():
        if "dh_installsysusers" not in image.script(facts.name):
            continue
        for path, data in facts.files:
            if path.startswith("usr/lib/sysusers.d/"):
                for line in data.decode("utf-8", "replace").splitlines():
                    _add_system_account(_words(line), users, groups)


def _words(line: str) -> list[str]:
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', line)] if not line.startswith("#") else []


def _add_system_account(words: list[str], users: list[str], groups: list[str]) -> None:
    if len(words) < 2 or words[0] not in ("g", "u", "u!"):
        return
    name, identity = words[1], words[2] if len(words) > 2 else "-"
    group = next((line.split(":")[2] for line in groups if line.startswith(f"{name}:")), None)
    if group is None:
        group = identity if identity.isdigit() else str(_free(users, groups))
        groups.append(f"{name}:*:{group}:")
    if words[0] != "g" and not any(line.startswith(f"{name}:") for line in users):
        comment, home, shell = (word if word != "-" else "" for word in [*words[3:6], "-", "-", "-"][:3])
        users.append(f"{name}:*:{group}:{group}:{comment}:{home or '/'}:{shell or '/usr/sbin/nologin'}")


def _free(users: list[str], groups: list[str]) -> int:
    used = {int(line.split(":")[2]) for line in (*users, *groups)}
    return next(number for number in range(_FIRST_SYSTEM_ID, 0, -1) if number not in used)


def _shadow(users: list[str]) -> bytes:
    """No password, never changed, no limits (shadow(5)); the day of the last change is left open, not today's."""
    return _text([f"{line.split(':')[0]}:*::0:99999:7:::" for line in users])


def _group_shadow(groups: list[str]) -> bytes:
    return _text([f"{line.split(':')[0]}:*::{line.split(':')[3]}" for line in groups])


def _text(lines: list[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
