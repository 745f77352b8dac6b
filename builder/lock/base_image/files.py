"""The few files of an image that say what it can run, found in its layers without unpacking them.

Owns applying layers (image-spec, layer.md) to a tree of links and of files worth knowing, and following links in it.
Layers are hostile: paths stay below the root, and what is kept is bounded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from builder.errors import EnvbuildError
from builder.lock.base_image.room import LayerRoom, Room
from builder.oci.tar_entries import Entry, TarReader

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_WORTH_READING = re.compile(
    r"python(?:3(?:\.\d{1,2})?)?|libpython3\.\d{1,2}\.so(?:\.1\.0)?|libc\.so\.6|libc-2\.\d+\.so"
)
_WORTH_KNOWING = re.compile(r"ld-musl-[a-z0-9_]+\.so\.1")
_LANDMARK = re.compile(r"(?:.*/)?lib(?:32|64)?/python3\.\d{1,2}/os\.py")
_BORING = re.compile(r"(?:^|.*/)(?:node_modules|site-packages|dist-packages)/|(?:proc|sys|usr/share|usr/src)/")
"""Where no link leads to an interpreter; there can be very many."""

_GLIBC = re.compile(rb"GNU C Library [^\0]{1,120}?release version (\d{1,2}\.\d{1,3})")
_VERSION = re.compile(rb"3\.\d{1,2}\.\d{1,2}(?:(?:a|b|rc)\d{1,2})?(?=\+?\0)")  # begins with a literal, to be fast
_INSIDE_NUMBER = frozenset(b"0123456789.")
_OVERLAP = 256
"""Bytes that are looked at again with the next piece: more than the longest of what is looked for."""

_LONGEST_PATH = 4096
_DEEPEST = 64
_MOST_NODES = 300_000
_MOST_TEXT = 64 << 20
"""Bytes of the names and targets of all that is kept."""
_MOST_VERSIONS = 64
_MOST_LINKS = 40
"""Links that are followed for one path, as the kernel has it."""


@dataclass(frozen=True, slots=True)
class File:
    """A regular file."""

    executable: bool = False
    machine: int = 0
    """`e_machine` of a 64-bit ELF file; 0 of others."""
    versions: frozenset[str] = frozenset()
    """What could be a version of Python in it: texts like `3.11.2` that a zero byte ends."""
    glibc: str = ""
    """The version that glibc tells of itself, as in `2.36`."""


Node: TypeAlias = "dict[str, Node] | File | str"
"""A directory, a file, or the target of a symbolic link."""


class ImageFiles:
    """What layers leave of an image; they are added from the lowest."""

    def __init__(self) -> None:
        self._root: dict[str, Node] = {}
        self._nodes = 0
        self._text = 0
        self.room = Room()
        """What is where an environment goes."""

    def add_layer(self, reader: TarReader) -> None:
        """Apply a layer, reading it to the end of its archive.

        Raises: EnvbuildError, if it cannot be an image's; what `reader` raises.
        """
        own: dict[str, Node] = {}
        gone: set[tuple[str, ...]] = set()
        emptied: set[tuple[str, ...]] = set()
        room = LayerRoom()
        for entry in reader:
            parts = _parts(entry.path)
            if not parts:
                continue
            *folder, name = parts
            if name == _OPAQUE:
                room.empty(tuple(folder))
                if _at(self._root, folder) is not None:
                    emptied.add(tuple(folder))
            elif name.startswith(_WHITEOUT):
                hidden = (*folder, name.removeprefix(_WHITEOUT))
                room.white_out(hidden)
                self._forget(hidden, gone)
            else:
                room.see(parts, entry)
                self._put(own, parts, entry, reader, gone)
        for parts in gone:
            _take(self._root, parts)
        for parts in emptied:
            node = _at(self._root, parts)
            if isinstance(node, dict):
                node.clear()
        _merge(self._root, own)
        self.room.add_layer(room)

    def find(self, path: str) -> tuple[str, Node] | None:
        """What is at an absolute path, and its own path once all links were followed."""
        pending = _split(path)[::-1]
        trail: list[tuple[str, Node]] = []
        links = 0
        while pending:
            name = pending.pop()
            if name == "..":
                del trail[-1:]
                continue
            here = trail[-1][1] if trail else self._root
            node = here.get(name, {} if pending else None) if isinstance(here, dict) else None
            if node is None:
                return None
            if isinstance(node, str):
                links += 1
                if links > _MOST_LINKS:
                    return None
                if node.startswith("/"):
                    trail.clear()
                pending += _split(node)[::-1]
            else:
                trail.append((name, node))
        return "/" + "/".join(name for name, _ in trail), trail[-1][1] if trail else self._root

    def file(self, path: str) -> tuple[str, File] | None:
        """The regular file that a path leads to, with its own path."""
        found = self.find(path)
        return (found[0], found[1]) if found and isinstance(found[1], File) else None

    def names(self, path: str) -> list[str]:
        """The names of what is known in a directory, sorted."""
        found = self.find(path)
        return sorted(found[1]) if found and isinstance(found[1], dict) else []

    def _put(
        self,
        own: dict[str, Node],
        parts: tuple[str, ...],
        entry: Entry,
        reader: TarReader,
        gone: set[tuple[str, ...]],
    ) -> None:
        """Keep what an entry is, or forget what was there before."""
        node = self._node(entry, parts, reader, own)
        if node is not None:
            self._text += len(entry.path) + len(entry.link)
            self._nodes += _set(own, parts, node)
            if self._nodes > _MOST_NODES or self._text > _MOST_TEXT:
                raise EnvbuildError("the image cannot be looked into", f"it has more than {self._nodes - 1} links")
        elif entry.kind != b"5" or not isinstance(_at(self._root, parts), dict):
            self._forget(parts, gone)
            if entry.kind != b"5":
                _take(own, parts)

    def _forget(self, parts: tuple[str, ...], gone: set[tuple[str, ...]]) -> None:
        if _at(self._root, parts) is not None:
            gone.add(parts)

    def _node(self, entry: Entry, parts: tuple[str, ...], reader: TarReader, own: dict[str, Node]) -> Node | None:
        """What to keep of an entry, None if nothing."""
        if len(parts) > _DEEPEST:
            return None
        path = "/".join(parts)
        if entry.kind == b"2":
            return None if _BORING.match(path) else entry.link.decode(errors="replace")[:_LONGEST_PATH]
        if entry.kind == b"1":
            target = _parts(entry.link)
            linked = _at(own, target) or _at(self._root, target)
            return linked if isinstance(linked, File) else None
        if entry.kind != b"0":
            return None
        executable = bool(entry.mode & 0o111)
        if _WORTH_READING.fullmatch(parts[-1]):
            return _read(reader.content(), executable)
        return File(executable) if _WORTH_KNOWING.fullmatch(parts[-1]) or _LANDMARK.fullmatch(path) else None


def _parts(path: bytes) -> tuple[str, ...]:
    """The names of a path from the root. Raises: EnvbuildError, if it leads out of it."""
    if len(path) > _LONGEST_PATH:
        raise EnvbuildError("a layer cannot be applied", f"a path has {len(path)} bytes")
    parts = tuple(_split(path.decode(errors="replace")))
    if ".." in parts:
        raise EnvbuildError("a layer cannot be applied", "a path leads out of the image")
    return parts


def _split(path: str) -> list[str]:
    return [part for part in path.split("/") if part not in ("", ".")]


def _at(tree: dict[str, Node], parts: Iterable[str]) -> Node | None:
    """What is exactly there, following no link."""
    node: Node | None = tree
    for part in parts:
        node = node.get(part) if isinstance(node, dict) else None
    return node


def _set(tree: dict[str, Node], parts: tuple[str, ...], node: Node) -> int:
    """Put `node` there; how many nodes that made."""
    made = 1
    for part in parts[:-1]:
        inner = tree.get(part)
        if not isinstance(inner, dict):
            inner = tree[part] = {}
            made += 1
        tree = inner
    tree[parts[-1]] = node
    return made


def _take(tree: dict[str, Node], parts: tuple[str, ...]) -> None:
    folder = _at(tree, parts[:-1])
    if isinstance(folder, dict):
        folder.pop(parts[-1], None)


def _merge(lower: dict[str, Node], upper: dict[str, Node]) -> None:
    for name, node in upper.items():
        below = lower.get(name)
        if isinstance(node, dict) and isinstance(below, dict):
            _merge(below, node)
        else:
            lower[name] = node


def _read(content: Iterator[bytes], executable: bool) -> File:
    """A file of any size, of which nothing but findings is kept."""
    machine, glibc, versions, before = 0, "", set[str](), b""
    for number, piece in enumerate(content):
        window = before + piece
        if number == 0:
            machine = _machine(window)
        glibc = glibc or next((match[1].decode() for match in _GLIBC.finditer(window)), "")
        versions |= _versions(window, first=number == 0)
        if not machine or len(versions) > _MOST_VERSIONS:
            return File(executable)
        before = window[-_OVERLAP:]
    return File(executable, machine, frozenset(versions), glibc)


def _versions(window: bytes, first: bool) -> set[str]:
    """The whole numbers of versions; what starts where a later window does was seen with the piece before."""
    return {
        match[0].decode()
        for match in _VERSION.finditer(window)
        if (window[match.start() - 1] not in _INSIDE_NUMBER if match.start() else first)
    }


def _machine(header: bytes) -> int:
    """Of a little-endian 64-bit ELF file (System V gABI, chapter 4)."""
    if len(header) < 64 or header[:4] != b"\x7fELF" or header[4:6] != b"\x02\x01":
        return 0
    return int(struct.unpack_from("<H", header, 18)[0])
