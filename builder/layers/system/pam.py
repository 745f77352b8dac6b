"""The files of PAM that libpam-modules and libpam-runtime make: the `unix` profile of pam-auth-update(8) alone."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builder.layers.files import FileEntry
from builder.layers.system.image import Image

_TEMPLATES = "usr/share/pam/"
_STACKS = {
    "auth": ("auth\t[success=1 default=ignore]\tpam_unix.so nullok", ""),
    "account": ("account\t[success=1 new_authtok_reqd=done default=ignore]\tpam_unix.so ", ""),
    "session": ("session\t[default=1]\t\t\tpam_permit.so", "session\trequired\tpam_unix.so "),
    "session_nonint": ("session\t[default=1]\t\t\tpam_permit.so", "session\trequired\tpam_unix.so "),
    "password": ("password\t[success=1 default=ignore]\tpam_unix.so obscure yescrypt", ""),
}
_VARIABLE = re.compile(r"^\$(\w+)_(primary|additional)\n", re.MULTILINE)


def pam_files(image: Image) -> Iterable[FileEntry]:
    """`/etc/pam.d/common-*` from libpam-runtime's templates, and the empty files of libpam-modules."""
    if "libpam-modules" in image.packages:
        yield FileEntry("etc/security/opasswd", mode=0o600)
        yield FileEntry("etc/environment")
    if "libpam-runtime" in image.packages:
        for path, data in sorted(image.files.items()):
            if path.startswith(_TEMPLATES) and not path.endswith(".md5sums"):
                text = _VARIABLE.sub(_lines, data.decode())
                yield FileEntry("etc/pam.d/" + path.removeprefix(_TEMPLATES), text.encode())


def _lines(match: re.Match[str]) -> str:
    stack = _STACKS.get(match[1])
    line = stack[0 if match[2] == "primary" else 1] if stack is not None else ""
    return line + "\n" if line else ""
