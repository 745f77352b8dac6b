"""`/etc/shells` as update-shells of debianutils writes it, and `/bin/sh` where bash is the only shell."""

from __future__ import annotations

from collections.abc import Iterable

from builder.layers.files import FileEntry
from builder.layers.system.image import Image
from builder.layers.system.paths import merged_path

_TEMPLATE = "usr/share/debianutils/shells"


def shell_files(image: Image) -> Iterable[FileEntry]:
    """The template's lines, then the shells of all packages, as written and where they really lie."""
    if "bash" in image.packages and not image.exists("usr/bin/sh"):
        yield FileEntry.link("usr/bin/sh", "bash")
    template = image.files.get(_TEMPLATE)
    if template is None:
        return
    lines = template.decode().splitlines()
    shells = [line for line in lines if line and not line.startswith("#")]
    for path in (_TEMPLATE, *sorted(path for path in image.files if path.startswith(_TEMPLATE + ".d/"))):
        for line in image.files[path].decode().splitlines():
            shell = line.partition("#")[0]
            for one in (shell, "/" + merged_path(shell.lstrip("/"))) if shell else ():
                if one not in shells:
                    shells.append(one)
                    lines.append(one)
    yield FileEntry("etc/shells", "".join(f"{line}\n" for line in lines).encode())
