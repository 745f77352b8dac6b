"""The links of update-alternatives(1): of several candidates for one path, that of the highest priority."""

from __future__ import annotations

from collections.abc import Iterable

from builder.layers.files import FileEntry
from builder.layers.system.image import Image
from builder.layers.system.paths import merged_path
from builder.layers.system.script_reader import Alternative, read_script

_MANUALS = "/usr/share/man/man1"


def alternative_files(image: Image) -> Iterable[FileEntry]:
    """The links of all alternatives that the packages register."""
    chosen: dict[str, Alternative] = {}
    for candidate in sorted(_candidates(image), key=lambda one: (-one.priority, one.path)):
        if image.exists(candidate.path):
            chosen.setdefault(candidate.name, candidate)
    for _, alternative in sorted(chosen.items()):
        yield from _links(image, alternative.link, alternative.name, alternative.path)
        for link, name, path in alternative.slaves:
            if path.startswith("/usr/share/man/") or image.exists(path):
                yield from _links(image, link, name, path)


def _links(image: Image, link: str, name: str, path: str) -> Iterable[FileEntry]:
    place = merged_path(link.lstrip("/"))
    if image.exists(place):
        return
    yield FileEntry.link(place, f"/etc/alternatives/{name}")
    yield FileEntry.link(f"etc/alternatives/{name}", path)


def _candidates(image: Image) -> Iterable[Alternative]:
    for facts in image.packages.values():
        for name, text in facts.scripts:
            yield from read_script(name, text).alternatives
        yield from _KNOWN.get(facts.name, ())
    yield from _of_procps(image)


def _of_procps(image: Image) -> Iterable[Alternative]:
    """Those that procps registers by a function of its own."""
    if "procps" in image.packages and "check_alternatives" in image.script("procps"):
        for name, section in (("kill", 1), ("ps", 1), ("uptime", 1), ("vmstat", 8), ("w", 1)):
            folder = "/bin" if name == "ps" else "/usr/bin"
            manual = f"/usr/share/man/man{section}/{name}"
            slave = (f"{manual}.{section}.gz", f"{name}.{section}.gz", f"{manual}.procps.{section}.gz")
            yield Alternative(f"{folder}/{name}", name, f"{folder}/{name}.procps", 50, (slave,))


def _xz_slaves() -> Iterable[tuple[str, str, str]]:
    yield f"{_MANUALS}/lzma.1.gz", "lzma.1.gz", f"{_MANUALS}/xz.1.gz"
    yield "/usr/bin/unlzma", "unlzma", "/usr/bin/unxz"
    yield f"{_MANUALS}/unlzma.1.gz", "unlzma.1.gz", f"{_MANUALS}/unxz.1.gz"
    for tool in ("cat", "more", "less", "diff", "cmp", "grep", "egrep", "fgrep"):
        yield f"/usr/bin/lz{tool}", f"lz{tool}", f"/usr/bin/xz{tool}"
        yield f"{_MANUALS}/lz{tool}.1.gz", f"lz{tool}.1.gz", f"{_MANUALS}/xz{tool}.1.gz"


_KNOWN = {
    "mariadb-common": (Alternative("/etc/mysql/my.cnf", "my.cnf", "/etc/mysql/mariadb.cnf", 500),),
    "xz-utils": (Alternative("/usr/bin/lzma", "lzma", "/usr/bin/xz", 20, tuple(_xz_slaves())),),
}
"""What scripts register in loops, which the reader of scripts does not follow."""
