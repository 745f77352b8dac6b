"""The rules for the entries of one layer (image-spec, layer.md), and those that envbuild's layers keep besides.

Pure. Owns what can be said of a layer alone; what it does to the layers below is `layer_stack`'s.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

from builder.oci.tar_entries import Entry

WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
FILE, HARD_LINK, SYMBOLIC_LINK, DIRECTORY = b"0", b"1", b"2", b"5"
_KINDS = {FILE, HARD_LINK, SYMBOLIC_LINK, DIRECTORY, b"3", b"4", b"6"}
_DEVICES = {b"3": "a character device", b"4": "a block device", b"6": "a named pipe"}
_LONGEST_PATH, _LONGEST_NAME = 4095, 255
_SPECIAL_BITS = 0o6000


class Node(NamedTuple):
    """What a layer puts at a path."""

    kind: bytes
    """A type flag of USTAR; a hard link has that of its file."""
    mode: int
    size: int
    """In bytes."""
    link: bytes
    """Of a symbolic link."""
    checksum: bytes = b""
    """Of a file's content, where it was asked for."""


class Finding(NamedTuple):
    """A rule that does not hold (or, of a note, what is worth knowing), and the path."""

    path: bytes
    message: str
    is_note: bool = False


class LayerRules:
    """Judges the entries of one layer, one after the other, and remembers what the layer holds.

    With `packages`, the number of packages in it, the layer is judged as one that envbuild made.
    """

    def __init__(self, packages: int | None = None) -> None:
        self._packages = packages
        self._file_order: bytes | None = None
        self._directory_order = b""
        self._descents = 0
        self._used: set[bytes] = {b""}
        self.nodes: dict[bytes, Node] = {}
        """By plain path: no leading or trailing slash, no `.`."""
        self.whiteouts: set[bytes] = set()
        """Paths that lower layers are to lose."""
        self.opaque: set[bytes] = set()
        """Directories that are to lose what lower layers have in them."""
        self.outside_links: dict[bytes, bytes] = {}
        """Hard links to what no entry before them holds, with their targets."""
        self.text = 0
        """Bytes of all paths that are remembered: of a deep one, those of every directory above it."""

    @property
    def paths(self) -> int:
        """How many paths are remembered."""
        return len(self.nodes) + len(self.whiteouts) + len(self._used)

    def check(self, entry: Entry) -> Iterator[Finding]:
        """What is wrong with `entry`, which becomes part of the layer; its content has still to come."""
        path, why = plain(entry.path)
        if why:
            yield Finding(entry.path, why)
        if path is None:
            return
        if not path:
            if entry.kind != DIRECTORY:
                yield Finding(b".", "is the root, and no directory")
            return
        self.text += len(path) + len(entry.link)
        parent, _, name = path.rpartition(b"/")
        yield from self._parents(path, parent)
        if name.startswith(WHITEOUT):
            yield from self._whiteout(path, parent, name, entry)
            return
        yield from self._place(path, entry)
        if self._packages is not None:
            yield from self._own(path, entry)

    def checksum(self, entry: Entry, checksum: bytes) -> None:
        """Note the checksum of the content of `entry`, which was checked last."""
        path, _ = plain(entry.path)
        if path in self.nodes:
            self.nodes[path] = self.nodes[path]._replace(checksum=checksum)

    def finish(self) -> Iterator[Finding]:
        """What is wrong with the layer as a whole."""
        for path in sorted(self.whiteouts & (self.nodes.keys() | self._used)):
            yield Finding(path, "is both hidden by a whiteout and held by the same layer, so that engines differ")
        if self._packages is not None and self._descents >= max(1, self._packages):
            runs = f"{self._descents + 1} runs of sorted files, where there are {self._packages} packages"
            yield Finding(self._file_order or b"", f"is the end of {runs}")

    def _parents(self, path: bytes, parent: bytes) -> Iterator[Finding]:
        """Every parent that the layer holds is a directory; one message for each that is not."""
        while parent not in self._used:
            self._used.add(parent)
            self.text += len(parent)
            node = self.nodes.get(parent)
            if node is not None and node.kind != DIRECTORY:
                yield Finding(path, f"lies below `{shown(parent)}`, which is {described(node.kind)} in the same layer")
            elif node is None and self._packages is not None:
                yield Finding(path, f"comes before its parent `{shown(parent)}`, or without it")
            parent = parent.rpartition(b"/")[0]

    def _whiteout(self, path: bytes, parent: bytes, name: bytes, entry: Entry) -> Iterator[Finding]:
        hidden = name[len(WHITEOUT) :]
        if self._packages is not None:
            yield Finding(path, "is a whiteout, which envbuild never writes")
        if entry.kind != FILE or entry.size:
            yield Finding(path, "is a whiteout and not an empty file")
        if name == OPAQUE:
            repeated = parent in self.opaque
            self.opaque.add(parent)
        elif hidden in (b"", b".", b"..") or hidden.startswith(WHITEOUT):
            yield Finding(path, "is no whiteout of a form that the specification knows")
            return
        else:
            place = parent + b"/" + hidden if parent else hidden
            repeated = place in self.whiteouts
            self.whiteouts.add(place)
        if repeated:
            yield Finding(path, "is there twice")

    def _place(self, path: bytes, entry: Entry) -> Iterator[Finding]:
        if path in self.nodes:
            yield Finding(path, "is there twice")
        if entry.kind not in _KINDS:
            yield Finding(path, f"is of the kind {entry.kind.decode('latin-1')!r}, which the specification has not")
        node = Node(entry.kind, entry.mode, entry.size, entry.link)
        if entry.kind == HARD_LINK:
            node = yield from self._linked(path, entry, node)
        if entry.kind != DIRECTORY and path in self._used:
            yield Finding(path, f"is {described(entry.kind)}, and the layer has entries below it")
        if entry.kind in _DEVICES:
            yield Finding(path, f"is {_DEVICES[entry.kind]}", is_note=self._packages is None)
        elif entry.kind == FILE and entry.mode & _SPECIAL_BITS:
            yield Finding(path, f"runs as its owner or group (mode {entry.mode:04o})", is_note=True)
        self.nodes[path] = node

    def _linked(self, path: bytes, entry: Entry, node: Node) -> Generator[Finding, None, Node]:
        """The file that a hard link is of, or `node` itself where there is none."""
        target, why = plain(entry.link)
        found = self.nodes.get(target) if target else None
        if why or not target:
            yield Finding(path, f"is a hard link whose target {why or 'is the root'}")
        elif found is None:
            self.outside_links[path] = target
        elif found.kind == DIRECTORY:
            yield Finding(path, f"is a hard link to the directory `{shown(target)}`")
            return node
        return found or node

    def _own(self, path: bytes, entry: Entry) -> Iterator[Finding]:
        """Directories first, sorted; then the files of each package, sorted; in plain names."""
        if entry.path.removesuffix(b"/") != path:
            yield Finding(path, f"is not written in the plain form, but `{shown(entry.path)}`")
        if entry.kind == DIRECTORY:
            if self._file_order is not None:
                yield Finding(path, "is a directory behind the first file")
            elif path < self._directory_order:
                yield Finding(path, f"is a directory out of order, behind `{shown(self._directory_order)}`")
            self._directory_order = path
            return
        if self._file_order is not None and path < self._file_order:
            self._descents += 1
        self._file_order = path


def plain(path: bytes) -> tuple[bytes | None, str]:
    """`path` from the root, without `.`, empty parts and a final slash; and what is wrong with it, if anything.

    None where it leaves the layer or can be no path. Empty is the root.
    """
    why = "is absolute" if path.startswith(b"/") else ""
    if b"\0" in path:
        return None, "has a NUL in its name"
    if not path:
        return None, "is an empty path"
    if path[0] in b"./" or b"//" in path or b"/." in path or path[-1] == 47:
        parts = [part for part in path.split(b"/") if part not in (b"", b".")]
        if b".." in parts:
            return None, "leads out of the layer"
        path = b"/".join(parts)
    if len(path) > _LONGEST_PATH or (len(path) > _LONGEST_NAME and max(map(len, path.split(b"/"))) > _LONGEST_NAME):
        return None, "is longer than Linux allows"
    return path, why


def described(kind: bytes) -> str:
    """A kind of entry, for messages."""
    names = {FILE: "a file", HARD_LINK: "a hard link", SYMBOLIC_LINK: "a symbolic link", DIRECTORY: "a directory"}
    return names.get(kind) or _DEVICES.get(kind, "of no known kind")


def shown(path: bytes, most: int = 200) -> str:
    """A path for messages."""
    text = path if len(path) <= most else path[: most - 20] + b"..." + path[-17:]
    return text.decode(errors="backslashreplace")
