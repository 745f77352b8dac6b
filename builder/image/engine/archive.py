"""Reading what `docker save` writes: the archive of older engines, and the OCI layout of newer ones.

Nothing in it is trusted: names are looked up and never written to, documents are small, digests are computed anew.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.archive import FileWindow
from builder.oci.canonical import parse_json
from builder.oci.compression import damage_errors, decompressed
from builder.oci.digest import Digest
from builder.oci.docker_archive import archive_members
from builder.oci.documents import DOCUMENT_LIMIT, ImageConfig, Index, Manifest


@dataclass(frozen=True, slots=True)
class SavedImage:
    """The one image of an archive."""

    config: bytes
    """The image's config as the engine wrote it."""
    layers: tuple[str, ...]
    """Names of the layers' members, lowest first."""


class SavedArchive:
    """A file that an engine wrote."""

    def __init__(self, path: Path) -> None:
        """Raises: EnvbuildError, if it is no archive."""
        self._path = path
        try:
            self._members = archive_members(path)
        except EnvbuildError as error:
            raise _unknown(error.why[0] if error.why else error.what) from error

    def image(self, identity: str) -> SavedImage:
        """The image that the engine calls `identity`.

        Raises: EnvbuildError, if the archive holds another or several; DigestMismatchError, if digests do not hold.
        """
        entries = parse_json(self._document("manifest.json"), "`manifest.json` of the engine's archive")
        if not isinstance(entries, list) or len(entries) != 1 or not isinstance(entries[0], dict):
            raise _unknown("its `manifest.json` does not name one image")
        layers = entries[0].get("Layers")
        if not isinstance(layers, list) or not all(isinstance(name, str) for name in layers):
            raise _unknown("its `manifest.json` names no layers")
        config = self._document(entries[0].get("Config"))
        self._check(Digest.parse(identity), Digest.of(config))
        if len(ImageConfig.from_bytes(config).diff_ids) != len(layers):
            raise _unknown("it has another number of layers than its config says")
        return SavedImage(config, tuple(layers))

    def size(self, name: Any) -> int:
        """Bytes of a file, as stored."""
        return self._place(name)[1]

    @contextmanager
    def layer(self, name: str) -> Iterator[IO[bytes]]:
        """The tar of a layer, inflated where it is compressed.

        Raises: EnvbuildError, if it is damaged.
        """
        with self._open(name) as file:
            try:
                yield decompressed(io.BufferedReader(file, 1 << 20))
            except damage_errors() as error:
                raise EnvbuildError("a layer of the engine's image cannot be read", str(error)) from error

    def _check(self, identity: Digest, config: Digest) -> None:
        """Whether `identity` names the config, itself or through a manifest, or an index with one for it."""
        if config not in self._configs(identity):
            raise DigestMismatchError(f"the engine gave another image than {identity}", f"its config is {config}")

    def _configs(self, identity: Digest) -> set[Digest]:
        if not self._has(identity):
            return {identity}  # of the archives that do not name their files by digests
        data = self._blob(identity)
        if b'"manifests"' in data:
            manifests = [entry.digest for entry in Index.from_bytes(data).manifests if self._has(entry.digest)]
            return {Manifest.from_bytes(self._blob(digest)).config.digest for digest in manifests}
        return {identity} if b'"rootfs"' in data else {Manifest.from_bytes(data).config.digest}

    def _has(self, digest: Digest) -> bool:
        return f"blobs/sha256/{digest.hex}" in self._members

    def _blob(self, digest: Digest) -> bytes:
        data = self._document(f"blobs/sha256/{digest.hex}")
        if Digest.of(data) != digest:
            raise DigestMismatchError(f"the engine gave other bytes than {digest} promises")
        return data

    def _document(self, name: Any) -> bytes:
        size = self.size(name)
        if size > DOCUMENT_LIMIT:
            raise _unknown(f"its {name[:100]!r} is too large to be a document")
        with self._open(name) as file:
            return file.read(size)

    def _open(self, name: str) -> io.RawIOBase:
        offset, size = self._place(name)
        return FileWindow(self._path, offset, size)

    def _place(self, name: Any) -> tuple[int, int]:
        if not isinstance(name, str):
            raise _unknown("its `manifest.json` names no config")
        if name not in self._members:
            raise _unknown("a file that its `manifest.json` names is not there")
        return self._members[name]


def _unknown(why: str) -> EnvbuildError:
    return EnvbuildError("the archive that the engine gave is not understood", why)
