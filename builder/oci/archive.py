"""One tar file that is an OCI layout (image-spec, image-layout.md) and an archive for `docker load` at once.

Writing streams and verifies each blob; reading takes only the names that such an archive may have, and trusts no
blob before its digest is checked.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.attachments import list_annotations
from builder.oci.canonical import canonical_json, parse_json
from builder.oci.digest import Digest
from builder.oci.documents import DOCUMENT_LIMIT, MEDIA_TYPE_INDEX, Descriptor, Index, Manifest
from builder.oci.layout import CHUNK, Layout, copy_blob, open_regular, replacing, write_atomically
from builder.oci.tar_entries import Entry, SeekingTarReader, TarError, refusal
from builder.progress import Progress, Silent

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

_MTIME = 315619200
_COPIES = 2
"""Blobs of a layout folder that are copied at once: more would wait for the disk."""
_MEMBER_LIMIT = 100_000
_BLOB = re.compile(r"(?:\./)?blobs/sha256/([0-9a-f]{64})")
_DOCUMENTS = frozenset({"index.json", "oci-layout", "manifest.json", "repositories"})
_LAYOUT = canonical_json({"imageLayoutVersion": "1.0.0"})


@dataclass(frozen=True, slots=True)
class DockerEntry:
    """What `docker load` is told of one image."""

    manifest: Manifest
    names: tuple[str, ...]
    """`name:tag`."""


def write_archive(
    path: Path,
    layout: Layout,
    top: Descriptor,
    docker: DockerEntry | None,
    progress: Progress | None = None,
    left_out: Collection[Digest] = (),
    attached: Descriptor | None = None,
) -> None:
    """Write everything below `top` but what is `left_out` to the file `path`, atomically and durably.

    `top` is the one entry of `index.json`; `docker` says which image the classic engine loads, if any; `attached` is
    the list of what is attached to the bundle.

    Raises: EnvbuildError, DigestMismatchError, if a blob is missing or damaged.
    """
    with replacing(path) as file:
        blobs = [blob for blob in bundle_blobs(layout, top, attached) if blob.digest not in left_out]
        stream_archive(file, layout, blobs, archive_documents(top, docker, attached), progress)


def write_partial_archive(
    file: IO[bytes], layout: Layout, top: Descriptor, docker: DockerEntry, left_out: Collection[Digest]
) -> None:
    """Stream what `write_archive` writes to an open file, without blobs that the engine has which is to load it."""
    blobs = [blob for blob in reachable(layout, top) if blob.digest not in left_out]
    stream_archive(file, layout, blobs, archive_documents(top, docker))


def write_layout(
    folder: Path,
    source: Layout,
    top: Descriptor,
    left_out: Collection[Digest] = (),
    attached: Descriptor | None = None,
) -> None:
    """Write what `write_archive` writes, but for what `docker load` is told, as a layout folder, `index.json` last.

    A layout that is there is replaced: what only it had is deleted at the end.

    Raises: EnvbuildError, DigestMismatchError.
    """
    from concurrent.futures import ThreadPoolExecutor

    layout = Layout(folder)
    layout.create()
    wanted = [blob for blob in bundle_blobs(source, top, attached) if blob.digest not in left_out]
    with ThreadPoolExecutor(_COPIES) as pool:
        list(pool.map(lambda blob: copy_blob(source, layout, blob), wanted))
    write_atomically(folder / "index.json", index_document(top, attached))
    for digest in set(layout.blobs()) - {blob.digest for blob in wanted}:
        layout.discard(digest)
    shutil.rmtree(layout.temporary)


def bundle_blobs(layout: Layout, top: Descriptor, attached: Descriptor | None = None) -> tuple[Descriptor, ...]:
    """The blobs of a bundle in their order: what is below `top`, then what is below the list of what is attached."""
    below = [blob for root in (top, attached) if root for blob in reachable(layout, root)]
    return tuple({blob.digest: blob for blob in below}.values())


def index_document(top: Descriptor, attached: Descriptor | None = None) -> bytes:
    """The `index.json` of a bundle: it has one entry, as engines want it, and names the list of what is attached."""
    return Index((top,), list_annotations(attached)).to_bytes()


def reachable(layout: Layout, top: Descriptor) -> tuple[Descriptor, ...]:
    """`top` and every blob below it, each once, documents before what they name."""
    found: dict[Digest, Descriptor] = {}
    waiting = [top]
    while waiting:
        descriptor = waiting.pop()
        if descriptor.digest in found:
            continue
        found[descriptor.digest] = descriptor
        if descriptor.media_type == MEDIA_TYPE_INDEX:
            waiting += reversed(layout.index(descriptor).manifests)
        elif "manifest" in descriptor.media_type:
            manifest = layout.manifest(descriptor)
            waiting += reversed((manifest.config, *manifest.layers))
    return tuple(found.values())


def stream_archive(
    file: IO[bytes],
    layout: Layout,
    blobs: Iterable[Descriptor],
    documents: dict[str, bytes],
    progress: Progress | None = None,
) -> None:
    """Stream a tar of `documents` and `blobs`, in this order: equal input gives equal bytes."""
    from concurrent.futures import ThreadPoolExecutor

    for name in sorted(documents):
        data = documents[name]
        file.write(archive_header(name, len(data)) + data + bytes(-len(data) % 512))
    blobs = list(blobs)
    (progress or Silent()).start("bundle", sum(blob.size for blob in blobs))
    with ThreadPoolExecutor(1) as hasher:
        for blob in blobs:
            file.write(archive_header(f"blobs/sha256/{blob.digest.hex}", blob.size))
            _copy_blob(file, layout, blob, progress or Silent(), hasher)
            file.write(bytes(-blob.size % 512))
    file.write(bytes(2 * 512))
    (progress or Silent()).finish("bundle")


_FILE, _FOLDER = b"0", b"5"
"""Kinds of entries."""


class ArchiveReader(Layout):
    """The blobs of an archive file, read where they are."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.file_path = path
        self._offsets = _offsets(path)

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there with this size in bytes."""
        return self._offsets.get(f"blobs/sha256/{digest.hex}", (0, -1))[1] == size

    def open(self, digest: Digest) -> IO[bytes]:
        """The blob as a file.

        Raises: EnvbuildError, if it is missing.
        """
        return self._open(f"blobs/sha256/{digest.hex}")

    def discard(self, digest: Digest) -> None:
        """Change nothing: the archive belongs to its user."""

    def index_json(self) -> bytes:
        """The bytes of `index.json`. Raises: EnvbuildError, if there is none."""
        with self._open("index.json") as file:
            return file.read(DOCUMENT_LIMIT)

    def docker_manifest(self) -> Any | None:
        """What `docker load` is told (`manifest.json`), None if there is nothing.

        Raises: EnvbuildError, if it is not JSON.
        """
        if "manifest.json" not in self._offsets:
            return None
        with self._open("manifest.json") as file:
            return parse_json(file.read(DOCUMENT_LIMIT), "`manifest.json`")

    def documents(self) -> dict[str, bytes]:
        """What is there besides blobs, by name. Raises: EnvbuildError, if it is larger than a document may be."""
        found = {}
        for name in sorted(_DOCUMENTS & set(self._offsets)):
            if self._offsets[name][1] > DOCUMENT_LIMIT:
                raise EnvbuildError(f"`{name}` of `{self.file_path}` is larger than {DOCUMENT_LIMIT} bytes")
            with self._open(name) as file:
                found[name] = file.read()
        return found

    def _open(self, name: str) -> IO[bytes]:
        if name not in self._offsets:
            raise EnvbuildError(f"`{self.file_path}` has no `{name}`", hint="It may be cut short, or be no bundle")
        offset, size = self._offsets[name]
        return cast("IO[bytes]", FileWindow(self.file_path, offset, size))


def only_image(entries: Sequence[Descriptor], place: str) -> Descriptor:
    """The one entry of an `index.json` that is an image or an index of some; what else it has is attached to that.

    Raises: EnvbuildError, if there is none or there are several.
    """
    images = [entry for entry in entries if not entry.is_artifact]
    if len(images) != 1:
        raise EnvbuildError(f"`{place}` holds {len(images)} images, where a bundle holds one")
    return images[0]


def read_index(index: bytes, place: str) -> Index:
    """The bytes of an `index.json`. Raises: EnvbuildError, which names the place it is in."""
    try:
        return Index.from_bytes(index)
    except EnvbuildError as error:
        what = f"the `index.json` of `{place}` cannot be read"
        raise EnvbuildError(
            what, (error.what, *error.why), "It was damaged, or is no OCI layout: get it again"
        ) from error


class FileWindow(io.RawIOBase):
    """A part of a file."""

    def __init__(self, path: Path, offset: int, size: int) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - closed by close()
        self._file.seek(offset)
        self._offset, self._size, self._left = offset, size, size

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Read into `buffer`."""
        count = self._file.readinto(memoryview(buffer)[: self._left]) or 0
        self._left -= count
        return count

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place of the part."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._size - self._left, io.SEEK_END: self._size}[whence]
        place = min(max(start + offset, 0), self._size)
        self._file.seek(self._offset + place)
        self._left = self._size - place
        return place

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()


def archive_documents(
    top: Descriptor, docker: DockerEntry | None, attached: Descriptor | None = None
) -> dict[str, bytes]:
    """What an archive has besides blobs, by name."""
    return {
        "oci-layout": _LAYOUT,
        "index.json": index_document(top, attached),
        **({"manifest.json": _docker_manifest(docker)} if docker else {}),
    }


def _docker_manifest(docker: DockerEntry) -> bytes:
    """`manifest.json` (moby, image/spec v1.2)."""
    layers: Sequence[Descriptor] = docker.manifest.layers
    entry = {
        "Config": f"blobs/sha256/{docker.manifest.config.digest.hex}",
        "RepoTags": list(docker.names),
        "Layers": [f"blobs/sha256/{layer.digest.hex}" for layer in layers],
    }
    return canonical_json([entry])


def archive_header(name: str, size: int) -> bytes:
    """The headers of a file in an archive, the same for everybody."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode, entry.mtime = size, 0o644, _MTIME
    return entry.tobuf(tarfile.PAX_FORMAT)


def _copy_blob(file: IO[bytes], layout: Layout, blob: Descriptor, progress: Progress, hasher: Executor) -> None:
    """Write a blob. Each piece of it is hashed while it is written and the next one is read."""
    checksum, size = hashlib.sha256(), 0
    with layout.open(blob.digest) as source:
        hashed: Future[None] | None = None
        while chunk := source.read(CHUNK):
            if hashed is not None:
                hashed.result()
            hashed = hasher.submit(checksum.update, chunk)
            size += len(chunk)
            file.write(chunk)
            progress.advance("bundle", len(chunk))
        if hashed is not None:
            hashed.result()
    if size != blob.size or checksum.hexdigest() != blob.digest.hex:
        layout.discard(blob.digest)
        raise DigestMismatchError(
            f"blob {blob.digest} in the store was damaged", hint="It was deleted; run the command again to make it anew"
        )


def _offsets(path: Path) -> dict[str, tuple[int, int]]:
    """Where each file of the archive lies: offset and size in bytes."""
    found: dict[str, tuple[int, int]] = {}
    try:
        with io.BufferedReader(cast("io.RawIOBase", open_regular(path))) as file:
            reader = SeekingTarReader(file, os.fstat(file.fileno()).st_size)
            for count, entry in enumerate(reader):
                if count >= _MEMBER_LIMIT:
                    raise EnvbuildError(f"`{path}` has more than {_MEMBER_LIMIT} entries")
                if entry.kind != _FOLDER:
                    name = _member_name(entry, reader.contradictions, path)
                    if name in found:
                        raise EnvbuildError(f"`{path}` has {name[:100]} twice")
                    found[name] = (reader.position, entry.size)
    except TarError as error:
        raise EnvbuildError(f"`{path}` cannot be read as a bundle", *refusal(error, reader)) from error
    except OSError as error:
        raise EnvbuildError(f"`{path}` cannot be read as a bundle", error.strerror or str(error)) from error
    return found


def _member_name(entry: Entry, contradictions: Sequence[str], path: Path) -> str:
    name = entry.path.decode(errors="backslashreplace")
    short = name.removeprefix("./")
    if entry.kind != _FILE or not (_BLOB.fullmatch(short) or short in _DOCUMENTS):
        raise EnvbuildError(f"`{path}` is not a bundle", f"it has an entry {name[:100]!r}")
    if contradictions:
        raise EnvbuildError(f"`{path}` is not a bundle", f"of {short[:100]}, {contradictions[0]}")
    return short
