"""Writing a layer: one small member with its directories, the segments of its packages, the end of the archive."""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, cast

from builder.errors import DigestMismatchError
from builder.layers.encode import EncodedWriter
from builder.layers.files import FileEntry, FileTree, check_digest
from builder.layers.interface import Directory, Package
from builder.layers.tar_headers import DIRECTORY, END_OF_ARCHIVE, header
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, Descriptor
from builder.oci.layout import CHUNK, BlobWriter
from builder.oci.sourced import Part, Sourced
from builder.oci.store import Store
from builder.oci.streams import ObservedStream, gunzip, inflate_errors

LARGE = 1 << 20
"""Bytes from which on a file of a plain layer is read where it is, and no copy of it kept."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A finished layer in the store."""

    descriptor: Descriptor
    """Of the blob: a gzip stream, or a plain tar."""
    diff_id: Digest
    """Of the tar inside; of a plain one, the same."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A package's part of a layer, kept in the store as a blob."""

    digest: Digest
    size: int
    """In bytes, compressed."""


@dataclass(frozen=True, slots=True)
class Fresh:
    """A package that is written straight into its layer."""

    package: Package
    left_out: Collection[str] = ()


class _BlobSink:
    """A Sink that streams into the store and hashes both sides."""

    def __init__(self, blob: BlobWriter) -> None:
        self._blob = blob
        self._diff_id = hashlib.sha256()

    def compressed(self, data: bytes | memoryview) -> None:
        self._blob.write(data)

    def uncompressed(self, data: bytes | memoryview) -> None:
        self._diff_id.update(data)

    @property
    def diff_id(self) -> Digest:
        return Digest(self._diff_id.hexdigest())


class _SegmentSink(_BlobSink):
    """A Sink that leaves the tar side to the layer that the segment is joined into."""

    def uncompressed(self, data: bytes | memoryview) -> None:
        pass


def write_segment(store: Store, package: Package, left_out: Collection[str] = ()) -> Segment:
    """Keep the segment of `package` in the store."""
    with store.new_blob() as blob:
        package.write(_SegmentSink(blob), left_out)
        return Segment(blob.commit(), blob.size)


def write_layer(store: Store, directories: Iterable[Directory], parts: Iterable[Segment | Fresh]) -> Layer:
    """Keep a layer of `parts`, in their order, in the store; `directories` are sorted and complete.

    Raises: EnvbuildError, if an artifact is not what it promises; DigestMismatchError, if a segment is damaged.
    """
    with store.new_blob() as blob:
        sink = _BlobSink(blob)
        _write_text(sink, b"".join(map(_directory_header, directories)))
        for part in parts:
            if isinstance(part, Segment):
                _copy_segment(store, part, sink)
            else:
                part.package.write(sink, part.left_out)
        _write_text(sink, END_OF_ARCHIVE)
        return Layer(Descriptor(MEDIA_TYPE_LAYER_GZIP, blob.commit(), blob.size), sink.diff_id)


def write_plain_layer(store: Store, directories: Iterable[Directory], tree: FileTree) -> Layer:
    """Have a layer of `tree` in the store that is not compressed: for weights and data, which do not compress.

    Of large files no second copy is written: the store describes the layer, and they are read where they are.

    Raises: EnvbuildError, if a file changes meanwhile; DigestMismatchError, if one has another digest than is known.
    """
    headers = b"".join(map(_directory_header, directories))
    content = Sourced.of([Part(headers), *tree.parts(), Part(END_OF_ARCHIVE)])
    with ThreadPoolExecutor(1) as pool:
        check = pool.submit(_check_sources, tree.sources())
        digest = keep(store, content)
        check.result()
    return Layer(Descriptor(MEDIA_TYPE_LAYER, digest, content.size), digest)


def keep(store: Store, content: Sourced) -> Digest:
    """Have a blob in the store: written where it holds small files, else described.

    Raises: EnvbuildError, if a file changes meanwhile.
    """
    files = [part.size for part in content.parts if part.source]
    described = bool(files) and min(files) >= LARGE
    with content.open() as file:
        if not described:
            with store.new_blob() as blob:
                while chunk := file.read(CHUNK):
                    blob.write(chunk)
                return blob.commit()
        digest = Digest(_sha256(file))
    store.describe(digest, content)
    return digest


def _check_sources(files: Iterable[FileEntry]) -> None:
    """Read files whose digest is known, where they may have changed since it was taken.

    Raises: EnvbuildError, DigestMismatchError, if one is another.
    """
    for entry in files:
        if entry.digest and entry.source:
            part = Part.of_file(entry.source)
            if part.size < LARGE or part.identity != entry.identity:
                with Sourced((part,)).open() as file:
                    check_digest(entry, _sha256(file))


def _sha256(file: IO[bytes]) -> str:
    checksum, buffer = hashlib.sha256(), memoryview(bytearray(CHUNK))
    while count := cast("io.RawIOBase", file).readinto(buffer):
        checksum.update(buffer[:count])
    return checksum.hexdigest()


def _directory_header(directory: Directory) -> bytes:
    return header(directory.path, kind=DIRECTORY, mode=directory.mode, uid=directory.uid, gid=directory.gid)


def _write_text(sink: _BlobSink, data: bytes) -> None:
    writer = EncodedWriter(sink)
    writer.write(data)
    writer.finish()


def read_segment(
    store: Store, segment: Segment, observe: Callable[[memoryview], None] | None = None
) -> Iterator[bytes]:
    """The tar stream of a segment, which has no end-of-archive; `observe` is handed its gzip members.

    Raises: DigestMismatchError, at the end, if it is damaged.
    """
    with store.open(segment.digest) as file:
        stream = ObservedStream(file, segment.size, f"segment {segment.digest}", observe)
        try:
            with gunzip(stream) as inflated:
                while data := inflated.read(CHUNK):
                    yield data
        except (gzip.BadGzipFile, EOFError, DigestMismatchError, inflate_errors()) as error:
            raise _damaged(store, segment) from error
    if stream.digest != segment.digest:
        raise _damaged(store, segment)


def _copy_segment(store: Store, segment: Segment, sink: _BlobSink) -> None:
    for data in read_segment(store, segment, sink.compressed):
        sink.uncompressed(data)


def _damaged(store: Store, segment: Segment) -> DigestMismatchError:
    store.discard(segment.digest)
    return DigestMismatchError(
        f"segment {segment.digest} in the store was damaged", hint="It was deleted; run the command again"
    )
