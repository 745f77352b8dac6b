"""Artifacts of registries as data: the files that the layers of one manifest are, read as any other URL is.

A URL has the form `oci://REGISTRY/NAME[:TAG][@sha256:…]`; behind a digest, `/PATH` names one file of it. A layer is a
file by itself, or a tar archive of files (ORAS, ModelPack): which of both, and what it is called, its annotations and
its media type say. Logins are those of docker and podman.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from builder.errors import EnvbuildError
from builder.fetch.failure import InterruptedTransferError, TransportError
from builder.oci.documents import LAYER_TYPES, MOST_LAYERS, Descriptor, Manifest
from builder.oci.registry.reference import Reference

if TYPE_CHECKING:
    import urllib3

    from builder.fetch.body import Body
    from builder.oci.registry import Registries

SCHEME = "oci://"
_PINNED = re.compile(r"(oci://[^@]+@sha256:[0-9a-f]{64})(?:/(.*))?", re.DOTALL)
_RECEIVED = 1 << 16
_TITLE, _UNPACK = "org.opencontainers.image.title", "io.deis.oras.content.unpack"
_MODEL_PATH, _MODEL_TYPE = "org.cncf.model.filepath", "application/vnd.cncf.model."
_ARCHIVE = re.compile(r".*[.+-]tar(?:[.+-](?:gzip|gz|zstd))?")


@dataclass(frozen=True, slots=True)
class ArtifactFile:
    """One layer of an artifact."""

    path: str
    """What it is called; empty where nothing says it. Not checked."""
    blob: Descriptor
    packed: bool
    """Whether it is a tar archive of files, rather than a file."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """What a manifest lists."""

    reference: Reference
    """By digest."""
    files: tuple[ArtifactFile, ...]

    @property
    def url(self) -> str:
        """The URL that means these bytes for good."""
        return f"{SCHEME}{replace(self.reference, tag=None)}"

    @property
    def only_file(self) -> ArtifactFile | None:
        """The file that it is, where it is one."""
        return self.files[0] if len(self.files) == 1 and not self.files[0].packed else None


def split_url(url: str) -> tuple[Reference, str]:
    """The artifact that a URL means, and the path of a file of it; empty for all.

    Raises: EnvbuildError, if it is not of the form.
    """
    pinned = _PINNED.fullmatch(url)
    name, path = (pinned[1], pinned[2] or "") if pinned else (url, "")
    return Reference.parse(name.removeprefix(SCHEME)), path


class Artifacts:
    """Reads artifacts of registries. Safe for several threads."""

    def __init__(self, registries: Registries) -> None:
        self.registries = registries
        self._known: dict[Reference, Artifact] = {}

    def read(self, url: str) -> Artifact:
        """What a URL means now.

        Raises: EnvbuildError, if it cannot be had, or is an index of several; DigestMismatchError.
        """
        reference, _ = split_url(url)
        known = self._known.get(reference)
        if known is None:
            document = self.registries.manifest(reference)
            if document.is_index:
                why = "it is an index: name one of those that it lists, by digest"
                raise EnvbuildError(f"`{reference}` is not an artifact with files", why)
            known = _artifact(replace(reference, digest=document.descriptor.digest), Manifest.from_bytes(document.data))
            self._known[reference] = known
        return known

    def open_file(self, url: str, offset: int) -> Iterator[Body]:
        """The bytes of the file that a URL means from `offset` on, once; nothing is checked.

        Raises: TransportError.
        """
        try:
            artifact = self.read(url)
            blob = _chosen(artifact, split_url(url)[1]).blob
            headers = {"Range": f"bytes={offset}-"} if 0 < offset < blob.size else {}
            response = self.registries.session(artifact.reference).get(f"blobs/{blob.digest}", headers)
        except EnvbuildError as error:
            raise _as_transport_error(error) from error
        try:
            yield _BlobBody(response, offset if response.status == 206 else 0, blob.size)
        finally:
            response.close()

    def probe(self, url: str) -> None:
        """Ask whether what a URL means is still there with all of its layers. Raises: TransportError, if it is not."""
        try:
            self._known.pop(split_url(url)[0], None)
            artifact = self.read(url)
            for file in artifact.files:
                if not self.registries.has(artifact.reference, file.blob):
                    raise TransportError(f"the registry has no blob {file.blob.digest}", 404)
        except EnvbuildError as error:
            raise _as_transport_error(error) from error

    @contextmanager
    def opened(self, artifact: Artifact, file: ArtifactFile) -> Iterator[io.BufferedReader]:
        """A layer to read; what was read is checked when the block ends.

        Raises: EnvbuildError, if it cannot be had; DigestMismatchError, if it is another.
        """
        with self.registries.open(artifact.reference, file.blob) as stream:
            yield io.BufferedReader(stream)
            while stream.read(_RECEIVED):
                pass


def _artifact(reference: Reference, manifest: Manifest) -> Artifact:
    if not manifest.layers or len(manifest.layers) > MOST_LAYERS:
        raise EnvbuildError(f"`{reference}` cannot be taken as data", f"it has {len(manifest.layers)} layers")
    return Artifact(reference, tuple(map(_file, manifest.layers)))


def _file(layer: Descriptor) -> ArtifactFile:
    """A layer. ORAS gives plain files the type of an archive too, and says of folders that they are to be unpacked."""
    path = layer.annotations.get(_MODEL_PATH) or layer.annotations.get(_TITLE, "")
    is_archive = _ARCHIVE.fullmatch(layer.media_type) is not None or layer.media_type in LAYER_TYPES
    named_so = layer.media_type.startswith(_MODEL_TYPE) or not path
    return ArtifactFile(path, layer, layer.annotations.get(_UNPACK) == "true" or (is_archive and named_so))


def _chosen(artifact: Artifact, path: str) -> ArtifactFile:
    found = [file for file in artifact.files if not file.packed and (file.path == path or not path)]
    if len(found) != 1:
        raise EnvbuildError(f"`{artifact.url}` has no one file `{path[:200]}`".rstrip(" `") + "`")
    return found[0]


def _as_transport_error(error: EnvbuildError) -> TransportError:
    """What a registry answered; of other kinds than the plain one are errors that another attempt may not meet."""
    status = getattr(error, "status", 404 if type(error) is EnvbuildError else None)
    return TransportError(": ".join((error.what, *error.why)), status)


class _BlobBody:
    def __init__(self, response: urllib3.BaseHTTPResponse, offset: int, size: int) -> None:
        self._response = response
        self.offset = offset
        self.size: int | None = size

    def read(self, amount: int) -> bytes:
        import urllib3

        try:
            return self._response.read(min(amount, _RECEIVED), decode_content=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            from builder.fetch.connections import reason

            raise InterruptedTransferError(reason(error)) from error
