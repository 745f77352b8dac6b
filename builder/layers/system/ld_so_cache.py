"""`/etc/ld.so.cache` and the links that ldconfig makes, byte for byte as glibc's ldconfig would.

Owns the search of ldconfig (`elf/ldconfig.c`) over known libraries and the file format `glibc-ld.so.cache1.1`
(`sysdeps/generic/dl-cache.h`, `elf/cache.c`, `elf/stringtable.c`). Subfolders for hardware that glibc 2.36 still
knew beside `glibc-hwcaps` (`haswell` and the like) are not searched: ld.so does not need them.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from builder.errors import EnvbuildError
from builder.layers.system.elf import AARCH64, I386, X86_64, SharedObject
from builder.layers.system.tree import Tree

_LIBC6 = 3
_FLAGS = {
    "amd64": {(64, X86_64): 0x300 | _LIBC6, (32, X86_64): 0x800 | _LIBC6, (32, I386): _LIBC6},
    "arm64": {(64, AARCH64): 0xA00 | _LIBC6},
}
_TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_MAGIC = b"glibc-ld.so.cache1.1"
_LITTLE_ENDIAN = 2
_EXTENSION_MAGIC = 0xEAA42174
_HWCAP_EXTENSION = 1 << 62
_IS_LIBRARY = re.compile(r"(lib|ld-).*\.so.*|ld\.so\..*|ld64\.so\..*", re.DOTALL)
_TEMPORARY = (".dpkg-new", ".dpkg-tmp")


@dataclass(frozen=True, slots=True)
class _Found:
    """A file of a searched directory that is a library."""

    name: str
    soname: str
    flags: int
    is_link: bool
    isa_level: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """One line of the cache."""

    soname: str
    path: str
    flags: int
    isa_level: int
    hwcaps: str | None


@dataclass(frozen=True, slots=True)
class LibraryCache:
    """What a run of ldconfig leaves behind."""

    data: bytes
    """Of `/etc/ld.so.cache`."""
    links: tuple[tuple[str, str], ...]
    """Links from a SONAME to its file that no package ships: path and target."""


def triplet(architecture: str) -> str:
    """Debian's multiarch folder of `architecture`.

    Raises: EnvbuildError, if the architecture is not known.
    """
    try:
        return _TRIPLETS[architecture]
    except KeyError as error:
        raise EnvbuildError(
            f"The architecture `{architecture}` is not known", f"known: {', '.join(_TRIPLETS)}"
        ) from error


def make_cache(
    tree: Tree,
    libraries: Mapping[str, SharedObject],
    configuration: Mapping[str, bytes],
    architecture: str,
    version: str,
) -> LibraryCache:
    """Run ldconfig over the paths of `tree`.

    `libraries` are by real path; `configuration` holds `etc/ld.so.conf` and what it includes; `version` is that of the
    package of ldconfig, `2.36-9+deb12u14`.
    """
    flags = _FLAGS[_known(architecture)]
    entries: list[_Entry] = []
    links: list[tuple[str, str]] = []
    hwcaps: set[str] = set()
    for directory, real, hwcap in _directories(tree, configuration, architecture):
        hwcaps |= {hwcap} if hwcap else set()
        for found in _search(tree, real, libraries, flags):
            name = found.name if hwcap else found.soname
            entries.append(_Entry(found.soname, f"{directory}/{name}", found.flags, found.isa_level, hwcap))
            if not (hwcap or found.is_link or tree.resolve(f"{real}/{found.soname}") == f"{real}/{found.name}"):
                links.append((f"{real}/{found.soname}", found.name))
    return LibraryCache(_cache_file(_sorted(entries), hwcaps, version), tuple(sorted(links)))


def _known(architecture: str) -> str:
    triplet(architecture)
    return architecture


def _directories(
    tree: Tree, configuration: Mapping[str, bytes], architecture: str
) -> Iterable[tuple[str, str, str | None]]:
    """The folders to search, in ldconfig's order: as written, really, and the name of the hwcaps subfolder."""
    system = (f"/lib/{triplet(architecture)}", f"/usr/lib/{triplet(architecture)}", "/lib", "/usr/lib")
    seen = set()
    for directory in (*_configured("etc/ld.so.conf", configuration), *system):
        real = tree.resolve(directory.strip("/"))
        if real is None or real in seen or not tree.is_directory(real):
            continue
        seen.add(real)
        yield directory, real, None
        for name in tree.children(f"{real}/glibc-hwcaps"):
            below = tree.resolve(f"{real}/glibc-hwcaps/{name}")
            if below is not None and tree.is_directory(below) and ":" not in name and not name.startswith("."):
                seen.add(below)
                yield f"{directory}/glibc-hwcaps/{name}", below, name


def _configured(path: str, configuration: Mapping[str, bytes], depth: int = 0) -> Iterable[str]:
    """The folders that a configuration file names, its `include` lines followed (ldconfig(8))."""
    for line in configuration.get(path, b"").decode("utf-8", "replace").splitlines():
        text = line.partition("#")[0].strip()
        if text.startswith("include") and text[7:8].isspace():
            for pattern in text.split()[1:]:
                absolute = pattern.lstrip("/") if pattern.startswith("/") else f"{posixpath.dirname(path)}/{pattern}"
                for name in sorted(configuration):
                    if depth < 8 and _matches(name, absolute):
                        yield from _configured(name, configuration, depth + 1)
        elif text and not text.startswith("hwcap "):
            yield text.rstrip("/")


def _matches(name: str, pattern: str) -> bool:
    return name.count("/") == pattern.count("/") and fnmatch.fnmatchcase(name, pattern)


def _search(
    tree: Tree, directory: str, libraries: Mapping[str, SharedObject], flags: Mapping[tuple[int, int], int]
) -> list[_Found]:
    best: dict[str, _Found] = {}
    for name in tree.children(directory):
        found = _examine(tree, directory, name, libraries, flags)
        if found is None:
            continue
        known = best.get(found.soname)
        if (
            known is None
            or (not found.is_link and known.is_link)
            or (found.is_link == known.is_link and _order(known.name) < _order(name))
        ):
            best[found.soname] = found
    return list(best.values())


def _examine(
    tree: Tree, directory: str, name: str, libraries: Mapping[str, SharedObject], flags: Mapping[tuple[int, int], int]
) -> _Found | None:
    if not _IS_LIBRARY.fullmatch(name) or ";" in name or name.endswith(_TEMPORARY) or ".#prelink#" in name:
        return None
    path = f"{directory}/{name}"
    real = tree.resolve(path)
    library = libraries.get(real) if real is not None else None
    if library is None or (library.bits, library.machine) not in flags:
        return None
    soname = library.soname or name
    is_link = tree.is_link(path) and (name == soname or (name.endswith(".so") and soname.startswith(name)))
    return _Found(name, name if is_link else soname, flags[library.bits, library.machine], is_link, library.isa_level)


def _order(name: str) -> tuple[tuple[int, int], ...]:
    """A key that sorts as `_dl_cache_libcmp`: numbers by value, and above all other characters."""
    return tuple(
        (1, int(token)) if token.isdigit() else (0, ord(token))
        for token in re.findall(r"[0-9]+|[^0-9]", name, re.DOTALL)
    )


def _sorted(entries: list[_Entry]) -> list[_Entry]:
    """Descending by name and flags; those of hwcaps subfolders first, by the subfolder."""
    ordered = sorted(entries, key=lambda entry: (entry.hwcaps is None, entry.hwcaps or ""))
    return sorted(ordered, key=lambda entry: (_order(entry.soname), entry.flags), reverse=True)


def _cache_file(entries: list[_Entry], hwcaps: set[str], version: str) -> bytes:
    strings, offsets = _string_table({entry.soname for entry in entries} | {entry.path for entry in entries} | hwcaps)
    base = 48 + 24 * len(entries)
    used = sorted({entry.hwcaps for entry in entries if entry.hwcaps is not None})
    extensions_at = -(-(base + len(strings)) // 4) * 4
    header = struct.pack("<20sIIB3xI12x", _MAGIC, len(entries), len(strings), _LITTLE_ENDIAN, extensions_at)
    lines = b"".join(
        struct.pack(
            "<iIIIQ", entry.flags, base + offsets[entry.soname], base + offsets[entry.path], 0,
            _HWCAP_EXTENSION | entry.isa_level << 32 | used.index(entry.hwcaps) if entry.hwcaps is not None else 0,
        )
        for entry in entries
    )  # fmt: skip
    names = [base + offsets[name] for name in used]
    return (header + lines + strings).ljust(extensions_at, b"\0") + _extensions(extensions_at, names, version)


def _string_table(texts: set[str]) -> tuple[bytes, dict[str, int]]:
    """NUL-terminated strings that share tails, in descending order from their ends, and the offset of each."""
    table = bytearray()
    offsets: dict[str, int] = {}
    previous, start = b"", 0
    for text in sorted((text.encode() for text in texts), key=lambda text: text[::-1], reverse=True):
        if previous.endswith(text) and table:
            start += len(previous) - len(text)
        else:
            start = len(table)
            table += text + b"\0"
        offsets[text.decode()] = start
        previous = text
    return bytes(table), offsets


def _extensions(start: int, names: list[int], version: str) -> bytes:
    """The sections after the strings: who wrote the file, and the hwcaps subfolders that are used."""
    generator = f"ldconfig (Debian GLIBC {version}) stable release version {version.partition('-')[0]}".encode()
    count = 2 if names else 1
    names_at = start + 8 + 16 * count
    sections = struct.pack("<II", _EXTENSION_MAGIC, count)
    sections += struct.pack("<IIII", 0, 0, names_at + 4 * len(names), len(generator))
    if names:
        sections += struct.pack("<IIII", 1, 0, names_at, 4 * len(names))
    return sections + struct.pack(f"<{len(names)}I", *names) + generator
