"""What a layer holds and where in its tar each file lies, so that files are read without unpacking anything.

Owns the refusals: a layer that two readers could take for two things has no index. What it does to the layers below
is for who puts them together.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, NamedTuple

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.compression import compression, damage_errors, decompressed, largest_content
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor
from builder.oci.layer_rules import DIRECTORY, FILE, HARD_LINK, OPAQUE, SYMBOLIC_LINK, WHITEOUT, described, plain, shown
from builder.oci.layout import CHUNK, Layout
from builder.oci.streams import ObservedStream
from builder.oci.tar_entries import Entry, SeekingTarReader, TarError, TarReader

DEVICES = frozenset({b"3", b"4", b"6"})
_KINDS = DEVICES | {FILE, HARD_LINK, SYMBOLIC_LINK, DIRECTORY}
MOST_ENTRIES = 500_000
"""Paths of one layer at most, directories above others among them."""
_DEEPEST = 256
"""Names of one path at most, as for what is run."""
_MOST_TEXT = 96 << 20
"""Bytes of these paths at most."""


class Item(NamedTuple):
    """What a layer puts at a path."""

    kind: bytes
    """A type flag of USTAR; a hard link has that of its file."""
    mode: int
    uid: int
    gid: int
    size: int
    """In bytes."""
    mtime: int
    link: bytes
    """Of a symbolic link."""
    offset: int
    """Where its content begins, in the layer's tar."""


IMPLIED = Item(DIRECTORY, 0o755, 0, 0, 0, 0, b"", 0)
"""A directory that nothing declares."""


@dataclass(frozen=True, slots=True)
class LayerIndex:
    """The entries of one layer."""

    items: dict[bytes, Item] = field(default_factory=dict)
    """By plain path: no leading or trailing slash, no `.`."""
    children: dict[bytes, dict[bytes, None]] = field(default_factory=dict)
    """The names in each directory that something lies in, in the layer's order."""
    whiteouts: dict[bytes, set[bytes]] = field(default_factory=dict)
    """By directory: names that lower layers are to lose."""
    opaque: set[bytes] = field(default_factory=set)
    """Directories that are to lose what lower layers have in them."""
    verified: bool = False
    """Whether the whole layer was read, and has its digests."""

    def at(self, path: bytes) -> Item | None:
        """What the layer has at a path; a directory that it only implies too."""
        return self.items.get(path) or (IMPLIED if path in self.children else None)

    def hides(self, path: bytes) -> bool:
        """Whether lower layers lose what they have at a path, because of what is here above it or in its place."""
        while path:
            parent, _, name = path.rpartition(b"/")
            item = self.items.get(path)
            replaced = item is not None and item.kind != DIRECTORY
            if replaced or name in self.whiteouts.get(parent, ()) or parent in self.opaque:
                return True
            path = parent
        return False

    def hides_below(self, path: bytes) -> bool:
        """Whether lower layers lose what they have in a directory."""
        return path in self.opaque or self.hides(path)


def read_index(layout: Layout, layer: Descriptor, diff_id: Digest, *, whole: bool = True) -> LayerIndex:
    """The index of a layer, both of whose digests are checked.

    Without `whole`, of a layer that is not compressed and lies in a file, the headers alone are read and nothing is
    checked, which the result tells.

    Raises: EnvbuildError, if it cannot be read or is not in order; DigestMismatchError.
    """
    if not whole and (found := _by_seeking(layout, layer)):
        return found
    with layer_stream(layout, layer, diff_id) as stream:
        found = _indexed(TarReader(stream))
    return LayerIndex(found.items, found.children, found.whiteouts, found.opaque, verified=True)


@contextmanager
def layer_stream(layout: Layout, layer: Descriptor, diff_id: Digest) -> Iterator[io.BufferedReader[Any]]:
    """The tar of a layer, whichever way it is compressed. At the end the rest is read, and both digests are checked.

    Raises: EnvbuildError, if it is damaged; DigestMismatchError, if it is not what was promised.
    """
    what = f"layer {layer.digest}"
    with layout.open(layer.digest) as blob, _told(what):
        compressed = ObservedStream(blob, layer.size, what)
        received = io.BufferedReader(compressed, CHUNK)
        tar = ObservedStream(decompressed(received), largest_content(layer.size), f"{what}, inflated,")
        stream = io.BufferedReader(tar, CHUNK)
        yield stream
        for rest in (stream, received):
            while rest.read(CHUNK):
                pass
    if compressed.size != layer.size or compressed.digest != layer.digest or tar.digest != diff_id:
        raise DigestMismatchError(
            f"{what} does not have the bytes that its digests promise",
            f"compressed it is {compressed.digest}, uncompressed {tar.digest} instead of {diff_id}",
            "It was damaged or changed: get it again",
        )


def pieces(stream: IO[bytes], wanted: Sequence[Item]) -> Iterator[tuple[Item, bytes]]:
    """The content of files of a layer in pieces, in the order in which they lie in it; each is in `wanted` once.

    Raises: TarError, if the stream ends first.
    """
    position = 0
    for item in wanted:
        for _ in _exactly(stream, item.offset - position):
            pass
        for data in _exactly(stream, item.size):
            yield item, data
        position = item.offset + item.size


def _exactly(stream: IO[bytes], size: int) -> Iterator[bytes]:
    while size > 0:
        data = stream.read(min(size, CHUNK))
        if not data:
            raise TarError("the archive ends inside a file")
        size -= len(data)
        yield data


def _by_seeking(layout: Layout, layer: Descriptor) -> LayerIndex | None:
    """The index by the headers alone; None where that cannot be, since it is compressed or comes over the network."""
    with layout.open(layer.digest) as blob, _told(f"layer {layer.digest}"):
        if not isinstance(blob, io.RawIOBase) or not blob.seekable():
            return None
        file = io.BufferedReader(blob, 1 << 13)
        if compression(file) or file.seek(0, io.SEEK_END) != layer.size:
            return None
        file.seek(0)
        return _indexed(SeekingTarReader(file, layer.size))


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except damage_errors() as error:
        raise EnvbuildError(
            f"{what} cannot be read", str(error), "`envbuild verify` tells all that is wrong"
        ) from error


def _indexed(reader: TarReader) -> LayerIndex:
    index = _Indexing()
    for entry in reader:
        index.add(entry, reader)
    index.finish()
    return index.result


class _Indexing:
    """An index while its layer is read."""

    def __init__(self) -> None:
        self.result = LayerIndex()
        self._text = 0
        self._paths = 0

    def add(self, entry: Entry, reader: TarReader) -> None:
        """Raises: TarError, if the layer is not in order."""
        path, why = plain(entry.path)
        if path is None or why:
            raise TarError(f"`{shown(entry.path)}` {why}")
        if reader.contradictions:
            raise TarError(f"`{shown(path)}` has headers that contradict each other: {reader.contradictions[0]}")
        if not path:
            return
        if path.count(b"/") >= _DEEPEST:
            raise TarError(f"`{shown(path)}` is more than {_DEEPEST} folders deep")
        parent, _, name = path.rpartition(b"/")
        if name.startswith(WHITEOUT):
            self._white_out(parent, name)
            return
        self._enter(parent, name)
        self._place(path, entry, reader.position)

    def finish(self) -> None:
        """Raises: TarError, if the layer as a whole is not in order."""
        for parent, names in self.result.whiteouts.items():
            for name in names & self.result.children.get(parent, {}).keys():
                raise TarError(f"`{shown(name)}` is both hidden by a whiteout and held by the same layer")

    def _place(self, path: bytes, entry: Entry, offset: int) -> None:
        before = self.result.items.get(path)
        if before is not None and (before.kind, entry.kind) != (DIRECTORY, DIRECTORY):
            raise TarError(f"`{shown(path)}` is there twice")
        if entry.kind not in _KINDS:
            raise TarError(f"`{shown(path)}` is of the kind {entry.kind.decode('latin-1')!r}, which no layer may have")
        if entry.kind != DIRECTORY and path in self.result.children:
            raise TarError(f"`{shown(path)}` is {described(entry.kind)}, and the layer has entries below it")
        self._count(len(path) + len(entry.link))
        made = Item(entry.kind, entry.mode, entry.uid, entry.gid, entry.size, entry.mtime, entry.link, offset)
        self.result.items[path] = self._linked(path, entry) if entry.kind == HARD_LINK else made

    def _linked(self, path: bytes, entry: Entry) -> Item:
        target, why = plain(entry.link)
        found = self.result.items.get(target) if target and not why else None
        if found is None or found.kind == DIRECTORY:
            what = "is a hard link to what no entry before it holds"
            raise TarError(f"`{shown(path)}` {what}: `{shown(entry.link)}`")
        return found

    def _enter(self, parent: bytes, name: bytes) -> None:
        """Note a name in its directory, and each directory above it in its own."""
        while True:
            names = self.result.children.get(parent)
            if names is not None:
                names[name] = None
                return
            item = self.result.items.get(parent)
            if item is not None and item.kind != DIRECTORY:
                raise TarError(f"`{shown(parent)}` is {described(item.kind)}, and the layer has entries below it")
            self.result.children[parent] = {name: None}
            self._count(len(parent))
            if not parent:
                return
            parent, _, name = parent.rpartition(b"/")

    def _white_out(self, parent: bytes, name: bytes) -> None:
        hidden = name[len(WHITEOUT) :]
        self._count(len(parent) + len(name))
        if name == OPAQUE:
            self.result.opaque.add(parent)
        elif hidden in (b"", b".", b".."):
            raise TarError(f"`{shown(name)}` is no whiteout of a form that the specification knows")
        elif not hidden.startswith(WHITEOUT):
            self.result.whiteouts.setdefault(parent, set()).add(hidden)

    def _count(self, text: int) -> None:
        self._paths += 1
        self._text += text
        if self._paths > MOST_ENTRIES or self._text > _MOST_TEXT:
            raise TarError(f"it holds more than {MOST_ENTRIES} paths, or paths too long to be kept")


def in_order(items: Iterable[Item]) -> list[Item]:
    """Files of one layer in the order in which they lie in it, each once."""
    return sorted({item.offset: item for item in items}.values(), key=lambda item: item.offset)


def names_of(indexes: Iterable[LayerIndex], path: bytes) -> Mapping[bytes, int]:
    """The names in a directory, and the number of the layer of each, of indexes from the highest to the lowest."""
    found: dict[bytes, int] = {}
    hidden: set[bytes] = set()
    for number, index in enumerate(indexes):
        for name in index.children.get(path, ()):
            if name not in found and name not in hidden:
                found[name] = number
        hidden |= index.whiteouts.get(path, set())
        if index.hides_below(path):
            break
    return found
