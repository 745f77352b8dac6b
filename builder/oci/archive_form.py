"""Whether an archive has nothing in it but what envbuild writes: each byte is a document's, a blob's, or known.

Digests cover documents and blobs. The headers and the padding between them, and names that stand in `index.json`
alone, are covered by nothing; a file that must be as it was signed has them as they are always written.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO

from builder.errors import DigestMismatchError
from builder.oci.archive import ArchiveReader, DockerEntry, archive_documents, archive_header, bundle_blobs
from builder.oci.documents import REF_NAME, Descriptor, name_annotations, pinned_name

_FIRST = "index.json"
_TIME_FIELD = slice(136, 147)
"""Of a header (POSIX.1-2017, pax, "ustar Interchange Format")."""


def check_form(archive: ArchiveReader, top: Descriptor, attached: Descriptor | None) -> None:
    """Whether an archive of envbuild is what is written for what is in it; those of other tools are let be.

    Raises: DigestMismatchError, if it differs; EnvbuildError, if it cannot be read.
    """
    documents, path = archive.documents(), archive.file_path
    with open(path, "rb") as file:
        if not _is_own(file.read(512)):
            return
        if documents not in _written(archive, top, attached):
            raise _changed(path, "`index.json`, `manifest.json` or `oci-layout` is not as it is written")
        file.seek(0)
        for name in sorted(documents):
            data = documents[name]
            _expect(file, path, archive_header(name, len(data)) + data + bytes(-len(data) % 512))
        for blob in bundle_blobs(archive, top, attached):
            if archive.has(blob.digest, blob.size):  # a thin bundle is without some
                _expect(file, path, archive_header(f"blobs/sha256/{blob.digest.hex}", blob.size))
                file.seek(blob.size, 1)
                _expect(file, path, bytes(-blob.size % 512))
        _expect(file, path, bytes(2 * 512))
        if file.read(1):
            raise _changed(path, "something is behind its end")


def _is_own(header: bytes) -> bool:
    wanted = archive_header(_FIRST, 0)
    return header.startswith(_FIRST.encode()) and header[_TIME_FIELD] == wanted[_TIME_FIELD]


def _written(archive: ArchiveReader, top: Descriptor, attached: Descriptor | None) -> Iterator[dict[str, bytes]]:
    """The documents that may be there; every place that has the bundle's name has the same, as no digest covers it."""
    name = top.annotations.get(REF_NAME, "")
    if dict(top.annotations) == name_annotations(name):
        yield archive_documents(top, None, attached)
        for entry in archive.index(top).manifests:
            if not entry.is_artifact:
                docker = DockerEntry(archive.manifest(entry), (name, pinned_name(name, entry.digest)))
                yield archive_documents(top, docker, attached)


def _expect(file: IO[bytes], path: Path, wanted: bytes) -> None:
    place = file.tell()
    found = file.read(len(wanted))
    if found != wanted:
        pairs = enumerate(zip(found, wanted, strict=False))
        differing = next((number for number, (one, other) in pairs if one != other), len(found))
        raise _changed(path, f"byte {place + differing} is not what is written there")


def _changed(path: Path, why: str) -> DigestMismatchError:
    return DigestMismatchError(f"`{path}` was changed since it was written", why, "Get it again")
