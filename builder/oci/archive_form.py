"""Whether an archive has nothing in it but what envbuild writes: each byte is a document's, a blob's, or known.

Digests cover documents and blobs. The headers and the padding between them, and names that stand in `index.json`
alone, are covered by nothing; a file that must be as it was signed has them as they are always written.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from builder.errors import DigestMismatchError
from builder.oci.archive import ArchiveReader, archive_header, bundle_blobs, index_document
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
        if documents[_FIRST] != index_document(top, attached) or not _has_one_name(archive, top):
            raise _changed(path, "`index.json` or `manifest.json` is not as it is written")
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


def _has_one_name(archive: ArchiveReader, top: Descriptor) -> bool:
    """Whether every place that has the bundle's name has the same: no digest covers it."""
    name = top.annotations.get(REF_NAME, "")
    if dict(top.annotations) != name_annotations(name):
        return False
    docker = archive.docker_manifest()
    if docker is None:
        return True
    tops = archive.index(top).manifests
    return isinstance(docker, list) and [entry.get("RepoTags") for entry in docker] in (
        [[name, pinned_name(name, one.digest)]] for one in tops
    )


def _expect(file: IO[bytes], path: Path, wanted: bytes) -> None:
    place = file.tell()
    found = file.read(len(wanted))
    if found != wanted:
        pairs = enumerate(zip(found, wanted, strict=False))
        differing = next((number for number, (one, other) in pairs if one != other), len(found))
        raise _changed(path, f"byte {place + differing} is not what is written there")


def _changed(path: Path, why: str) -> DigestMismatchError:
    return DigestMismatchError(f"`{path}` was changed since it was written", why, "Get it again")
