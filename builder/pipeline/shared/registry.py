"""Results in a repository of a registry: an OCI artifact a key, whose tag is the key.

Its first layer is the document. Large files are layers by themselves, which the registry has once; all others are one
layer, one behind the other in the order of their digests: their sizes say where each begins.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import IO

from builder.errors import EnvbuildError
from builder.history.kept import Result
from builder.history.kept.place import Kept
from builder.oci.attachments import Draft
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_EMPTY, MEDIA_TYPE_MANIFEST, MOST_LAYERS, Descriptor, Manifest
from builder.oci.layout import CHUNK
from builder.oci.registry import Reference, Registries
from builder.oci.registry.push import Origin, push
from builder.oci.registry.receive import receive
from builder.oci.registry.session import Request
from builder.oci.registry.work import Observe, each_blob
from builder.oci.sourced import Part, Sourced
from builder.pipeline.shared.document import DOCUMENT_LIMIT, Document
from builder.pipeline.shared.folder import check_room
from builder.progress import Progress, Silent

ARTIFACT = "application/vnd.envbuild.stage-result.v1+json"
FILE = "application/octet-stream"
PACK = "application/vnd.envbuild.stage-files.v1"
LARGE = 1 << 20
"""Bytes from which on a file is a layer of its own."""
_MOST_LARGE = 500
_EMPTY = b"{}"


@dataclass(frozen=True, slots=True)
class SharedRepository:
    """A repository; who may log in to it, and how, is as for images."""

    registries: Registries
    repository: Reference
    """Without a tag."""
    progress: Progress = Silent()

    @property
    def name(self) -> str:
        """As it is given."""
        return f"oci://{self.repository}"

    def pull(self, kept: Kept, key: str, targets: Collection[str]) -> Result | None:
        """Receive what came of a stage; each file is checked on the way."""
        if not self._is_there(key):
            return None
        manifest = self._manifest(key)
        first, *others = manifest.layers
        document = Document.from_bytes(
            self.registries.read(self.repository, first, DOCUMENT_LIMIT), key, targets
        )  # fmt: skip
        lacking = {digest: size for digest, size in document.files.items() if not kept.has(digest, size)}
        check_room(kept, lacking)
        files = {layer.digest: layer for layer in others if layer.media_type != PACK}
        packed = {digest: size for digest, size in document.files.items() if digest not in files}
        self._receive(kept, [files[digest] for digest in lacking if digest in files], document.files)
        if packed.keys() & lacking.keys():
            self._receive_packed(kept, [layer for layer in others if layer.media_type == PACK], packed)
        document.note(kept)
        return document.result

    def push(self, kept: Kept, key: str, result: Result, *, replace: bool = False) -> None:
        """Push what came of a stage; the tag is set at the end."""
        if not replace and self._is_there(key):
            return
        document = Document.of(kept, key, result)
        outgoing = _Outgoing(kept)
        data = document.to_bytes()
        if len(data) > DOCUMENT_LIMIT:
            raise EnvbuildError("a result has too many files to be shared in a registry", hint="Share it in a folder")
        large = sorted((digest for digest, size in document.files.items() if size >= LARGE),
                       key=lambda digest: -document.files[digest])[:_MOST_LARGE]  # fmt: skip
        small = [digest for digest in document.files if digest not in set(large)]
        layers = [Descriptor(ARTIFACT, outgoing.write(data), len(data))]
        layers += [outgoing.pack(small)] if small else []
        layers += [Descriptor(FILE, digest, document.files[digest]) for digest in sorted(large)]
        config = Descriptor(MEDIA_TYPE_EMPTY, outgoing.write(_EMPTY), len(_EMPTY))
        data = Manifest(config, tuple(layers), artifact_type=ARTIFACT).to_bytes()
        top = Descriptor(MEDIA_TYPE_MANIFEST, outgoing.write(data), len(data))
        push(self.registries, self.repository, top, Origin(outgoing), (key,), self.progress)

    def _tagged(self, key: str) -> Reference:
        return Reference(self.repository.registry, self.repository.repository, Digest(key).hex, None)

    def _is_there(self, key: str) -> bool:
        session = self.registries.session(self.repository)
        request = Request("HEAD", f"manifests/{self._tagged(key).selector}", {"Accept": MEDIA_TYPE_MANIFEST})
        return session.ask(request, (200, 404)).status == 200

    def _manifest(self, key: str) -> Manifest:
        document = self.registries.manifest(self._tagged(key))
        manifest = None if document.is_index else Manifest.from_bytes(document.data)
        if manifest is None or manifest.artifact_type != ARTIFACT or not 0 < len(manifest.layers) <= MOST_LAYERS:
            raise EnvbuildError(f"`{self._tagged(key)}` is no result of a stage")
        return manifest

    def _receive(self, kept: Kept, layers: Collection[Descriptor], files: Mapping[Digest, int]) -> None:
        if any(files.get(layer.digest, layer.size) != layer.size for layer in layers):
            raise EnvbuildError(f"a result in `{self.name}` is not what it says", "a file has two sizes")

        def fetch(blob: Descriptor, observe: Observe) -> None:
            receive(self.registries, self.repository, blob, kept, observe)
            kept.seal(blob.digest)

        each_blob(fetch, layers, f"taking results of {self.repository}", self.progress)

    def _receive_packed(self, kept: Kept, layers: Collection[Descriptor], packed: Mapping[Digest, int]) -> None:
        if [layer.size for layer in layers] != [sum(packed.values())]:
            raise EnvbuildError(f"a result in `{self.name}` is not what it says", "its small files are of another size")
        (pack,) = layers
        self._receive(kept, layers, packed)
        with kept.open(pack.digest) as file:
            for digest, size in packed.items():
                if kept.has(digest, size):
                    file.seek(size, os.SEEK_CUR)
                else:
                    kept.take(file, digest, size)
        if pack.digest not in packed:
            kept.discard(pack.digest)


class _Outgoing(Draft):
    """Documents in memory, and small files one behind the other, in front of what is kept."""

    def __init__(self, kept: Kept) -> None:
        super().__init__(kept)
        self._packs: dict[Digest, Sourced] = {}

    def pack(self, digests: Collection[Digest]) -> Descriptor:
        """Have these files as one blob."""
        pack = Sourced.of(Part.of_file(self.path(digest)) for digest in digests)
        checksum = hashlib.sha256()
        with pack.open() as file:
            while chunk := file.read(CHUNK):
                checksum.update(chunk)
        digest = Digest(checksum.hexdigest())
        self._packs[digest] = pack
        return Descriptor(PACK, digest, pack.size)

    def open(self, digest: Digest) -> IO[bytes]:
        """The blob as a file. Raises: EnvbuildError, if it is missing."""
        return self._packs[digest].open() if digest in self._packs else super().open(digest)
