"""The files of an image, read where its layers are: nothing is unpacked, and only the layers that are needed are read.

Follows image-spec, layer.md ("Applying Changesets"): upper layers win, whiteouts hide. Links are followed inside the
image alone.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from builder.bundle.thin import missing_layers
from builder.errors import EnvbuildError
from builder.image.kept import Image
from builder.layers.join import Layer
from builder.oci.documents import MOST_LAYERS
from builder.oci.layer_index import IMPLIED, Item, LayerIndex, layer_stream, names_of, pieces, read_index
from builder.oci.layer_rules import DIRECTORY, FILE, SYMBOLIC_LINK, described, shown
from builder.oci.layout import CHUNK, Layout

_MOST_ENTRIES = 1_000_000
"""Paths of all layers of an image at most that are kept in memory."""
_MOST_LINKS = 40
"""Links that are followed for one path, as the kernel has it."""
_MOST_PARTS = 4096


class Placed(NamedTuple):
    """What is at a path of an image."""

    path: bytes
    """From the root, without a leading slash; empty for the root."""
    item: Item
    layer: int
    """The number of the layer that it is from, from 0."""


class Files:
    """The files of one image. Layers are read when something needs them, from the highest down.

    With `whole`, each layer that is read is read to its end and checked; without, of one that is not compressed and
    lies in a file the headers alone are read. What comes from a registry is always checked.
    """

    def __init__(self, layout: Layout, image: Image, *, whole: bool) -> None:
        """Raises: EnvbuildError, if the image is inconsistent."""
        counts = len(image.manifest.layers), len(image.config.diff_ids)
        if counts[0] != counts[1] or counts[0] > MOST_LAYERS:
            told = f"its manifest has {counts[0]} layers and its config {counts[1]}"
            raise EnvbuildError("the image is inconsistent, or has more layers than are read", told)
        self._layout = layout
        self._whole = whole or layout.is_remote
        self._indexes: dict[int, LayerIndex] = {}
        self._room = _MOST_ENTRIES
        self._missing_layers = {layer.digest for layer in missing_layers(layout, image)}
        self.layers: tuple[Layer, ...] = image.layers
        self.absent: set[int] = set()
        """Layers that were looked for and are not there, as in a thin bundle."""

    @property
    def unverified(self) -> list[int]:
        """Layers of which something was read, and not yet all."""
        return [number for number, index in sorted(self._indexes.items()) if not index.verified]

    def find(self, path: str, *, follow: bool = True) -> Placed:
        """What is at a path of the image, symbolic links followed; with `follow`, the last one too.

        Raises: EnvbuildError, if there is nothing, or a layer cannot be read; DigestMismatchError.
        """
        place, links = b"", 0
        waiting = _parts(path.encode(errors="surrogateescape"))
        while waiting:
            part = waiting.pop()
            if part == b"..":
                place = place.rpartition(b"/")[0]
                continue
            here = place + b"/" + part if place else part
            found = self._at(here)
            if found is None:
                raise self._missing(path)
            if found.item.kind == SYMBOLIC_LINK and (waiting or follow):
                links += 1
                waiting += _parts(found.item.link)
                if links > _MOST_LINKS or len(waiting) > _MOST_PARTS:
                    raise EnvbuildError(f"`{path}` leads through too many links")
                place = b"" if found.item.link.startswith(b"/") else place
                continue
            if waiting and found.item.kind != DIRECTORY:
                raise EnvbuildError(f"`{path}` is not in the image", f"`{shown(here)}` is {described(found.item.kind)}")
            place = here
        return self._at(place) or Placed(b"", IMPLIED, 0)

    def present(self, name: bytes) -> Placed | None:
        """What is at a name in the root, if anything. Raises: EnvbuildError, DigestMismatchError."""
        return self._at(name)

    def children(self, path: bytes) -> list[Placed]:
        """What is in a directory, in the order of the names' bytes. Reads every layer down to one that hides the rest.

        Raises: EnvbuildError, DigestMismatchError.
        """
        highest = len(self.layers) - 1
        names = names_of((self._index(highest - number) for number in range(highest + 1)), path)
        found = []
        for name, number in sorted(names.items()):
            full = path + b"/" + name if path else name
            item = self._index(highest - number).at(full)
            if item is not None:
                found.append(Placed(full, item, highest - number))
        return found

    def below(self, path: bytes) -> Iterator[Placed]:
        """Everything below a directory, each directory before what is in it. Raises: EnvbuildError."""
        waiting = list(reversed(self.children(path)))
        while waiting:
            placed = waiting.pop()
            yield placed
            if placed.item.kind == DIRECTORY:
                waiting += reversed(self.children(placed.path))

    def content(self, placed: Placed) -> Iterator[bytes]:
        """A file in pieces. What was not checked before is checked when the last piece has been taken.

        Raises: EnvbuildError, if it is no file, or its layer is damaged; DigestMismatchError.
        """
        if placed.item.kind != FILE:
            raise EnvbuildError(f"`{shown(placed.path)}` is {described(placed.item.kind)}")
        layer = self.layers[placed.layer]
        # What was read to its end and lies in a file is not read to its end again for one file.
        if self._indexes[placed.layer].verified:
            with self._layout.open(layer.descriptor.digest) as blob:
                if _can_seek(blob) and layer.descriptor.digest == layer.diff_id:  # not compressed
                    blob.seek(placed.item.offset)
                    file = io.BufferedReader(cast("io.RawIOBase", blob), CHUNK)
                    yield from (data for _, data in pieces(file, [placed.item._replace(offset=0)]))
                    return
        yield from (data for _, data in self.contents(placed.layer, [placed.item]))

    def contents(self, number: int, wanted: Sequence[Item]) -> Iterator[tuple[Item, bytes]]:
        """Files of one layer in pieces, in the order in which they lie in it; the layer is read whole and checked.

        Raises: EnvbuildError, if the layer is damaged; DigestMismatchError.
        """
        layer = self.layers[number]
        with layer_stream(self._layout, layer.descriptor, layer.diff_id) as stream:
            yield from pieces(stream, wanted)

    def has_layer(self, number: int) -> bool:
        """Whether a layer is there."""
        return self.layers[number].descriptor.digest not in self._missing_layers

    def _at(self, path: bytes) -> Placed | None:
        """What is at a path all of whose parents are directories."""
        for number in reversed(range(len(self.layers))):
            index = self._index(number)
            item = index.at(path)
            if item is not None:
                return Placed(path, item, number)
            if index.hides(path):
                return None
        return None

    def _index(self, number: int) -> LayerIndex:
        if number not in self._indexes:
            index = LayerIndex(verified=True)
            if self.has_layer(number):
                layer = self.layers[number]
                index = read_index(self._layout, layer.descriptor, layer.diff_id, whole=self._whole)
            else:
                self.absent.add(number)
            self._room -= len(index.items) + len(index.children)
            if self._room < 0:
                raise EnvbuildError(f"the image has more than {_MOST_ENTRIES} files", "which is more than can be read")
            self._indexes[number] = index
        return self._indexes[number]

    def _missing(self, path: str) -> EnvbuildError:
        why = f"{len(self.absent)} of its layers are not inside, where it may be" if self.absent else ()
        return EnvbuildError(f"`{path}` is not in the image", why, "`envbuild ls BUNDLE` lists what is there")


def _parts(path: bytes) -> list[bytes]:
    """The names of a path, the first one last."""
    return [part for part in reversed(path.split(b"/")) if part not in (b"", b".")]


def _can_seek(blob: object) -> bool:
    return isinstance(blob, io.RawIOBase) and blob.seekable()
