"""What ldconfig reads of a shared library: class, machine, SONAME and the ISA level that it needs.

Owns the parsing of untrusted ELF files (System V gABI, chapters 4 and 5; x86-64 psABI for the ISA level), as glibc's
`elf/readelflib.c` does it. Anything malformed is no library, never an error.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

I386, X86_64, AARCH64 = 3, 62, 183

_SHARED_OBJECT = 3
_LOAD, _DYNAMIC, _GNU_PROPERTY = 1, 2, 0x6474E553
_NULL, _STRING_TABLE, _SONAME = 0, 5, 14
_NOTE_GNU_PROPERTY = 5
_X86_ISA_NEEDED = 0xC0008002
_MOST_SEGMENTS = 1024
_LARGEST_DYNAMIC = 1 << 20
_LONGEST_NAME = 512

Read = Callable[[int, int], bytes]
"""Reads so many bytes at an offset of the file; fewer where it ends."""


@dataclass(frozen=True, slots=True)
class SharedObject:
    """A file that ldconfig takes for a shared library."""

    bits: int
    """32 or 64."""
    machine: int
    """`e_machine`."""
    soname: str
    """DT_SONAME; empty if there is none."""
    isa_level: int
    """The bits of GNU_PROPERTY_X86_ISA_1_NEEDED as ldconfig counts them: the highest level, 0 for the baseline."""


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    size: int
    align: int


def read_shared_object(read: Read) -> SharedObject | None:
    """The shared library that `read` gives access to, or None if ldconfig would not take it for one."""
    try:
        return _parse(read)
    except (struct.error, ValueError):
        return None


def _parse(read: Read) -> SharedObject | None:
    identity = read(0, 20)
    if len(identity) < 20 or identity[:4] != b"\x7fELF" or identity[5] != 1 or identity[4] not in (1, 2):
        return None
    bits = 64 if identity[4] == 2 else 32
    kind, machine = struct.unpack_from("<HH", identity, 16)
    if kind != _SHARED_OBJECT:
        return None
    segments = _segments(read, bits)
    dynamic = next((segment for segment in segments if segment.kind == _DYNAMIC), None)
    if dynamic is None or not 0 < dynamic.size <= _LARGEST_DYNAMIC:
        return None
    entries = _dynamic_entries(read(dynamic.offset, dynamic.size), bits)
    table = next((value for tag, value in entries if tag == _STRING_TABLE), None)
    if table is None:
        return None
    soname = ""
    name = next((value for tag, value in entries if tag == _SONAME), None)
    if name is not None:
        soname = _string(read(_file_offset(table, segments) + name, _LONGEST_NAME))
    return SharedObject(bits, machine, soname, _isa_level(read, segments, bits))


def _segments(read: Read, bits: int) -> list[_Segment]:
    header = read(0, 64)
    if bits == 64:
        (start,) = struct.unpack_from("<Q", header, 32)
        entry_size, count = struct.unpack_from("<HH", header, 54)
    else:
        (start,) = struct.unpack_from("<I", header, 28)
        entry_size, count = struct.unpack_from("<HH", header, 42)
    layout = struct.Struct("<IIQQQQQQ" if bits == 64 else "<IIIIIIII")
    if entry_size != layout.size or count > _MOST_SEGMENTS:
        raise ValueError
    segments = []
    for fields in layout.iter_unpack(read(start, entry_size * count)):
        if bits == 64:
            kind, _, offset, address, _, size, _, align = fields
        else:
            kind, offset, address, _, size, _, _, align = fields
        segments.append(_Segment(kind, offset, address, size, align))
    return segments


def _dynamic_entries(data: bytes, bits: int) -> list[tuple[int, int]]:
    layout = struct.Struct("<qQ" if bits == 64 else "<iI")
    entries = []
    for tag, value in layout.iter_unpack(data[: len(data) - len(data) % layout.size]):
        if tag == _NULL:
            break
        entries.append((tag, value))
    return entries


def _file_offset(address: int, segments: list[_Segment]) -> int:
    for segment in segments:
        if segment.kind == _LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    return address


def _string(data: bytes) -> str:
    text, terminator, _ = data.partition(b"\0")
    if not terminator or b"/" in text:
        raise ValueError
    return text.decode()


def _isa_level(read: Read, segments: list[_Segment], bits: int) -> int:
    for segment in segments:
        if segment.kind == _GNU_PROPERTY and segment.align == bits // 8 and segment.size <= _LARGEST_DYNAMIC:
            level = _level_of_notes(read(segment.offset, segment.size), segment.align)
            if level:
                return level
    return 0


def _level_of_notes(data: bytes, align: int) -> int:
    start = 0
    while start + 12 <= len(data):
        name_size, size, kind = struct.unpack_from("<III", data, start)
        body = start + 12 + (name_size + 3 & ~3)
        if name_size == 4 and kind == _NOTE_GNU_PROPERTY and data[start + 12 : start + 16] == b"GNU\0":
            return _level_of_properties(data[body : body + size], align)
        start = (body + size + align - 1) & ~(align - 1)
    return 0


def _level_of_properties(data: bytes, align: int) -> int:
    start = 0
    while start + 12 <= len(data):
        kind, size = struct.unpack_from("<II", data, start)
        if kind == _X86_ISA_NEEDED and size == 4:
            (needed,) = struct.unpack_from("<I", data, start + 8)
            return max(0, int(needed).bit_length() - 1)
        start += 8 + (size + align - 1 & ~(align - 1))
    return 0
