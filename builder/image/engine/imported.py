"""An engine's image in the store: its config as it is, its layers compressed by the pinned encoder.

So what the engine made can be packed, pushed and checked like what is made here. Equal layers give equal blobs, and
are compressed once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.engine.archive import SavedArchive
from builder.image.kept import Image, kept_layer, write_image
from builder.image.workshop import Workshop
from builder.layers.encode import EncodedWriter
from builder.layers.join import Layer
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER_GZIP, Descriptor, ImageConfig
from builder.oci.layout import CHUNK, BlobWriter
from builder.oci.store import Store
from builder.progress import shown

ARCHIVE_LIMIT = 1 << 37
"""Bytes that an engine may send of one image."""

Saved = Callable[[str], AbstractContextManager[Iterator[bytes]]]
"""Gives the archive of an image that an engine knows by this id."""


def import_image(identity: str, saved: Saved, workshop: Workshop) -> Image:
    """Bring the image that an engine calls `identity` into the store.

    Raises: EnvbuildError, if the engine does not give it or gives what is not understood; DigestMismatchError.
    """
    store = workshop.store
    with store.scratch() as folder:
        path = folder / "image.tar"
        with shown(workshop.progress, "taking the image from the engine"), saved(identity) as pieces:
            _write(path, pieces)
        archive = SavedArchive(path)
        image = archive.image(identity)
        config = ImageConfig.from_bytes(image.config)

        def layer_of(named: tuple[str, Digest]) -> Layer:
            name, diff_id = named
            return kept_layer(store, {"imported": diff_id.hex}, lambda: _encoded(store, archive, name, diff_id))

        named = list(zip(image.layers, config.diff_ids, strict=True))
        layers = workshop.split(layer_of, named, lambda one: archive.size(one[0]), "compressing layers")
    return write_image(store, layers, config, written=image.config)


def _write(path: Path, pieces: Iterator[bytes]) -> None:
    size = 0
    with open(path, "wb") as file:
        for piece in pieces:
            size += file.write(piece)
            if size > ARCHIVE_LIMIT:
                raise EnvbuildError("the engine sends an image without end", f"more than {ARCHIVE_LIMIT} bytes")


class _Sink:
    """Streams into the store, and hashes the tar."""

    def __init__(self, blob: BlobWriter) -> None:
        self._blob = blob
        self._hash = hashlib.sha256()
        self.size = 0

    def compressed(self, data: bytes | memoryview) -> None:
        self._blob.write(data)

    def uncompressed(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self.size += len(data)

    @property
    def diff_id(self) -> Digest:
        return Digest(self._hash.hexdigest())


def _encoded(store: Store, archive: SavedArchive, name: str, diff_id: Digest) -> Layer:
    with archive.layer(name) as tar, store.new_blob() as blob:
        sink = _Sink(blob)
        writer = EncodedWriter(sink)
        while data := tar.read(CHUNK):
            writer.write(data)
            if sink.size > ARCHIVE_LIMIT:
                raise EnvbuildError("a layer of the engine's image has no end", f"more than {ARCHIVE_LIMIT} bytes")
        writer.finish()
        if sink.diff_id != diff_id:
            raise DigestMismatchError(f"a layer of the engine's image is {sink.diff_id}", f"its config says {diff_id}")
        return Layer(Descriptor(MEDIA_TYPE_LAYER_GZIP, blob.commit(), blob.size), diff_id)
