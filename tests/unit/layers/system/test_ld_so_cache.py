"""The cache of libraries. That it equals ldconfig's byte for byte is shown on whole systems by integration tests."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest

from builder.errors import EnvbuildError
from builder.layers.system import DebFacts, system_files
from builder.layers.system.elf import AARCH64, X86_64, SharedObject, read_shared_object
from builder.layers.system.facts import Library
from builder.layers.system.ld_so_cache import make_cache
from builder.layers.system.tree import Tree

LIB = "usr/lib/x86_64-linux-gnu"
CONFIGURATION = {
    "etc/ld.so.conf": b"include /etc/ld.so.conf.d/*.conf\n\n",
    "etc/ld.so.conf.d/b.conf": b"# text\n/lib/x86_64-linux-gnu\n/usr/lib/x86_64-linux-gnu # same\n",
    "etc/ld.so.conf.d/a.conf": b"/opt/vendor/lib/\n",
}
LINKS = {"lib": "usr/lib", "lib64": "usr/lib64"}


def library(soname: str = "", bits: int = 64, machine: int = X86_64, level: int = 0) -> SharedObject:
    return SharedObject(bits, machine, soname, level)


def listed(libraries: dict[str, SharedObject], links: dict[str, str] | None = None) -> list[tuple[str, str, int, int]]:
    """Name, path, flags and hwcap of each entry, and a check of the whole file's structure."""
    links = LINKS | (links or {})
    data = make_cache(Tree(libraries, links), libraries, CONFIGURATION, "amd64", "2.36-9").data
    assert data[:20] == b"glibc-ld.so.cache1.1"
    count, _, endian, extensions = struct.unpack_from("<IIB3xI", data, 20)
    assert (endian, extensions % 4) == (2, 0)
    assert struct.unpack_from("<I", data, extensions)[0] == 0xEAA42174

    def text(offset: int) -> str:
        return data[offset : data.index(b"\0", offset)].decode()

    entries = []
    for index in range(count):
        flags, key, value, _, hwcap = struct.unpack_from("<iIIIQ", data, 48 + 24 * index)
        entries.append((text(key), text(value), flags, hwcap))
    return entries


def test_names_descend_with_numbers_by_value() -> None:
    names = [f"lib{name}.so.{number}" for name in ("b", "a", "a1") for number in (9, 10)]
    found = listed({f"{LIB}/{name}": library(name) for name in names})
    assert [name for name, *_ in found] == [
        "libb.so.10", "libb.so.9", "liba1.so.10", "liba1.so.9", "liba.so.10", "liba.so.9",
    ]  # fmt: skip


def test_paths_are_those_of_the_first_way_to_a_folder() -> None:
    found = listed({f"{LIB}/liba.so.1": library("liba.so.1"), "usr/lib/libb.so": library()})
    assert [path for _, path, *_ in found] == ["/lib/libb.so", "/lib/x86_64-linux-gnu/liba.so.1"]


def test_configured_folders_come_first_in_the_order_of_their_files() -> None:
    found = listed({f"{LIB}/liba.so.1": library("liba.so.1"), "opt/vendor/lib/liba.so.1": library("liba.so.1")})
    assert [path for _, path, *_ in found] == ["/opt/vendor/lib/liba.so.1", "/lib/x86_64-linux-gnu/liba.so.1"]


def test_the_newest_file_of_a_soname_is_linked_to_where_no_package_does() -> None:
    libraries = {f"{LIB}/liba.so.1.{number}": library("liba.so.1") for number in (2, 10)}
    cache = make_cache(Tree(libraries, LINKS), libraries, CONFIGURATION, "amd64", "2.36-9")
    assert cache.links == ((f"{LIB}/liba.so.1", "liba.so.1.10"),)
    links = LINKS | {f"{LIB}/liba.so.1": "liba.so.1.10", f"{LIB}/liba.so": "liba.so.1"}
    cache = make_cache(Tree(libraries, links), libraries, CONFIGURATION, "amd64", "2.36-9")
    assert cache.links == ()
    assert [name for name, *_ in listed(libraries, links)] == ["liba.so.1", "liba.so"]


def test_links_are_followed_out_of_the_folder() -> None:
    libraries = {f"{LIB}/openblas/libblas.so.3": library("libblas.so.3")}
    links = {f"{LIB}/libblas.so.3": "/etc/alternatives/blas", "etc/alternatives/blas": f"/{LIB}/openblas/libblas.so.3"}
    assert [path for _, path, *_ in listed(libraries, links)] == ["/lib/x86_64-linux-gnu/libblas.so.3"]


def test_other_machines_names_and_loops_are_not_listed() -> None:
    libraries = {
        f"{LIB}/liba.so.1": library("liba.so.1", machine=AARCH64),
        f"{LIB}/plugin.so": library(),
        f"{LIB}/libb.so.dpkg-new": library(),
        f"{LIB}/sub/libc.so": library(),
        f"{LIB}/libd.so": library(),
    }
    links = {f"{LIB}/libx.so": "liby.so", f"{LIB}/liby.so": "libx.so", f"{LIB}/libz.so": "none"}
    assert [name for name, *_ in listed(libraries, links)] == ["libd.so"]


def test_subfolders_for_hardware_come_before_and_are_indexed() -> None:
    libraries = {f"{LIB}/liba.so.1": library("liba.so.1")}
    for level, name in ((3, "x86-64-v4"), (2, "x86-64-v3")):
        libraries[f"{LIB}/glibc-hwcaps/{name}/liba.so.1.2"] = library("liba.so.1", level=level)
    found = listed(libraries)
    folder = "/lib/x86_64-linux-gnu"
    assert [(path, hwcap) for _, path, _, hwcap in found] == [
        (f"{folder}/glibc-hwcaps/x86-64-v3/liba.so.1.2", 1 << 62 | 2 << 32),
        (f"{folder}/glibc-hwcaps/x86-64-v4/liba.so.1.2", 1 << 62 | 3 << 32 | 1),
        (f"{folder}/liba.so.1", 0),
    ]


def test_arm64_has_flags_of_its_own(make_facts: Callable[..., DebFacts]) -> None:
    found = Library("usr/lib/aarch64-linux-gnu/liba.so.1", library("liba.so.1", machine=AARCH64))
    facts = [make_facts("libc-bin", "2.41-12", libraries=[found])]
    (cache,) = (entry.data for entry in system_files(facts, "arm64") if entry.path == "etc/ld.so.cache")
    assert struct.unpack_from("<i", cache, 48) == (0xA03,)
    assert cache.endswith(b"ldconfig (Debian GLIBC 2.41-12) stable release version 2.41")
    with pytest.raises(EnvbuildError, match="`s390x` is not known"):
        system_files(facts, "s390x")


def elf(soname: bytes = b"liba.so.1\0", *, kind: int = 3, machine: int = X86_64) -> bytes:
    """A 64-bit shared object with a dynamic segment and a property note for level 3."""
    strings = b"\0" + soname
    dynamic = struct.pack("<qQqQqQ", 5, 0x1000, 14, 1, 0, 0)
    note = struct.pack("<III4sIII4x", 4, 16, 5, b"GNU\0", 0xC0008002, 4, 0b111)
    start = 64 + 3 * 56
    places = (start, start + len(strings), start + len(strings) + len(dynamic))
    segments = b"".join(
        struct.pack("<IIQQQQQQ", number, 0, offset, address, 0, size, size, align)
        for number, offset, address, size, align in (
            (1, places[0], 0x1000, len(strings), 4096),
            (2, places[1], 0, len(dynamic), 8),
            (0x6474E553, places[2], 0, len(note), 8),
        )
    )
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\2\1\1", kind, machine, 1, 0, 64, 0, 0, 64, 56, 3, 0, 0, 0)
    return header + segments + strings + dynamic + note


def read(data: bytes) -> SharedObject | None:
    return read_shared_object(lambda offset, size: data[offset : offset + size])


def test_shared_objects_are_read() -> None:
    assert read(elf()) == SharedObject(64, X86_64, "liba.so.1", 2)


@pytest.mark.parametrize(
    "data", [b"", b"\x7fELF", b"text" * 100, elf(kind=2), elf()[:200], elf(b"x" * 600), elf(b"../x\0")]
)
def test_what_is_no_shared_object_is_none(data: bytes) -> None:
    assert read(data) is None


def test_no_cut_and_no_changed_byte_raises() -> None:
    data = elf()
    for place in range(len(data)):
        read(data[:place])
        for value in (0, 0x7F, 0xFF):
            read(data[:place] + bytes((value,)) + data[place + 1 :])
