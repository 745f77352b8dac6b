"""Registries to read from and to write to (OCI distribution-spec 1.1); what is read is checked by its digest."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.canonical import parse_json
from builder.oci.digest import Digest
from builder.oci.documents import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    DOCUMENT_LIMIT,
    INDEXES,
    MANIFESTS,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
)
from builder.oci.registry.credentials import Credentials
from builder.oci.registry.failure import NETWORK_HINT, RefusedError, reason
from builder.oci.registry.patience import Patience, TransientError
from builder.oci.registry.reference import Reference
from builder.oci.registry.session import REDIRECTED, Answer, Connect, Request, Session

if TYPE_CHECKING:
    import urllib3
    from _typeshed import WriteableBuffer

_ACCEPT = f"{MEDIA_TYPE_INDEX}, {DOCKER_INDEX}, {MEDIA_TYPE_MANIFEST}, {DOCKER_MANIFEST}"
_RECEIVED = 1 << 16
"""Bytes to receive at a time."""
_ADVANCE = 1 << 20
"""Bytes between two failures that show that it is worth while to go on."""


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest or an index as the registry keeps it."""

    descriptor: Descriptor
    data: bytes

    @property
    def is_index(self) -> bool:
        """Whether it lists manifests rather than layers."""
        return self.descriptor.media_type in INDEXES


class Registries:
    """Registries as this machine may use them. Safe for several threads."""

    def __init__(self, connect: Connect, credentials: Credentials, patience: Patience | None = None) -> None:
        self._connect = connect
        self._credentials = credentials
        self._patience = patience or Patience()
        self._sessions: dict[tuple[str, bool], Session] = {}

    def manifest(self, reference: Reference) -> Document:
        """The manifest or index that a reference names now.

        Raises: EnvbuildError, if it cannot be had or is of a kind that is not taken; DigestMismatchError.
        """
        path = f"manifests/{reference.selector}"
        data, headers = self.session(reference).read(path, {"Accept": _ACCEPT}, DOCUMENT_LIMIT)
        promised = _promised(reference, headers)
        kind = headers.get("Content-Type", "").partition(";")[0].strip()
        digest = Digest.of(data)
        if promised and digest != promised:
            raise DigestMismatchError(
                f"the registry's manifest of `{reference}` does not have the digest that was promised",
                f"its sha256 is {digest.hex}, where {promised.hex} is expected",
            )
        return Document(Descriptor(document_type(data, kind, reference), digest, len(data)), data)

    def has(self, reference: Reference, descriptor: Descriptor, pushing: bool = False) -> bool:
        """Whether a manifest or a blob is there; where the registry would send us elsewhere for it, it is.

        One who is to push it next logs in for both at once, and learns that it is not there where nobody may look, or
        where something answers that is no registry.

        Raises: EnvbuildError, if that is not told.
        """
        kind = "manifests" if descriptor.media_type in MANIFESTS | INDEXES else "blobs"
        headers = {"Accept": _ACCEPT} if kind == "manifests" else {}
        request = Request("HEAD", f"{kind}/{descriptor.digest}", headers)
        try:
            answer = self.session(reference, pushing).ask(request, (200, 404, *REDIRECTED))
        except RefusedError:
            if not pushing:
                raise
            return False
        return answer.status != 404 and (kind == "blobs" or _tells_of(answer, descriptor, pushing))

    def read(self, reference: Reference, descriptor: Descriptor, limit: int = DOCUMENT_LIMIT) -> bytes:
        """A small blob.

        Raises: EnvbuildError, if it cannot be had or takes more than `limit` bytes; DigestMismatchError.
        """
        if descriptor.size > limit:
            raise EnvbuildError(f"blob {descriptor.digest} is too large to be a document", f"{descriptor.size} bytes")
        with self.open(reference, descriptor) as blob:
            return blob.readall()

    def open(
        self, reference: Reference, descriptor: Descriptor, observe: Callable[[int], None] = lambda _: None
    ) -> BlobStream:
        """A blob to read; `observe` is told of the bytes that were received."""
        return BlobStream(self.session(reference), descriptor, observe)

    def session(self, reference: Reference, pushing: bool = False) -> Session:
        """What asks its repository, logged in for reading alone or for both."""
        key = (reference.url, pushing)
        if key not in self._sessions:
            new = Session(reference, self._connect, self._credentials, self._patience, pushing)
            self._sessions.setdefault(key, new)
        return self._sessions[key]


class BlobStream(io.RawIOBase):
    """A blob while it is received; what is read is not to be trusted before the end was reached.

    Goes on where a connection broke. At the end, and for a byte too many, raises DigestMismatchError if it is not the
    blob that was asked for; EnvbuildError, if it cannot be had.
    """

    def __init__(self, session: Session, descriptor: Descriptor, observe: Callable[[int], None]) -> None:
        super().__init__()
        self._session = session
        self._descriptor = descriptor
        self._observe = observe
        self._response: urllib3.BaseHTTPResponse | None = None
        self._hash = hashlib.sha256()
        self._position = 0
        self._failures = 0
        self._failed_at = 0

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into `buffer`; 0 at the end, which has been checked then."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), _RECEIVED, self._descriptor.size - self._position + 1)
        data = self._receive(wanted) if wanted > 0 else b""
        self._hash.update(data)
        self._position += len(data)
        if self._position > self._descriptor.size:
            raise self._mismatch(f"more than {self._descriptor.size} bytes were sent")
        if not data and wanted > 0 and self._hash.hexdigest() != self._descriptor.digest.hex:
            raise self._mismatch(f"its sha256 is {self._hash.hexdigest()}")
        self._observe(len(data))
        view[: len(data)] = data
        return len(data)

    def resume(self, data: bytes) -> None:
        """Take `data`, which was received before, as what comes next; only the rest is asked for."""
        self._hash.update(data)
        self._position += len(data)

    def close(self) -> None:
        """Give up the connection."""
        self._disconnect()
        super().close()

    def _receive(self, wanted: int) -> bytes:
        import urllib3

        while True:
            try:
                response = self._response or self._connect()
                data = response.read(wanted, decode_content=False)
                if data or self._position == self._descriptor.size:
                    return data
                self._interrupted(f"{self._position} of {self._descriptor.size} bytes were sent")
            except (urllib3.exceptions.HTTPError, OSError) as error:
                self._interrupted(reason(error), error)

    def _connect(self) -> urllib3.BaseHTTPResponse:
        """Ask for the rest; a server that sends the whole is listened to up to where we were."""
        headers = {"Range": f"bytes={self._position}-"} if self._position else {}
        self._response = response = self._session.get(f"blobs/{self._descriptor.digest}", headers)
        left = self._position
        if response.status == 206:
            if not response.headers.get("Content-Range", "").startswith(f"bytes {self._position}-"):
                raise EnvbuildError(f"the registry sent another part of blob {self._descriptor.digest} than it should")
            left = 0
        while left and (data := response.read(min(left, _RECEIVED), decode_content=False)):
            left -= len(data)
        return response

    def _interrupted(self, why: str, cause: Exception | None = None) -> None:
        self._disconnect()
        if self._position - self._failed_at >= _ADVANCE:
            self._failures = 0
        self._failures, self._failed_at = self._failures + 1, self._position
        error = TransientError(f"blob {self._descriptor.digest} could not be read to its end", why, NETWORK_HINT)
        error.__cause__ = cause
        self._session.patience.wait(self._failures, error)

    def _disconnect(self) -> None:
        if self._response is not None:
            self._response.close()
            self._response = None

    def _mismatch(self, why: str) -> DigestMismatchError:
        return DigestMismatchError(f"the registry's blob {self._descriptor.digest} is not what its digest says", why)


def _tells_of(answer: Answer, document: Descriptor, pushing: bool) -> bool:
    """Whether an answer without a body is that of a registry that has the document."""
    if answer.status in REDIRECTED:
        return not pushing
    announced = answer.headers.get("Docker-Content-Digest", "")
    if announced.startswith("sha256:"):
        return announced == str(document.digest)
    return answer.headers.get("Content-Type", "").partition(";")[0].strip() == document.media_type


def _promised(reference: Reference, headers: Mapping[str, str]) -> Digest | None:
    """The digest that was asked for, or the one that the registry announces."""
    announced = headers.get("Docker-Content-Digest", "")
    if reference.digest is None and announced.startswith("sha256:"):
        return Digest.parse(announced)
    return reference.digest


def document_type(data: bytes, header: str, reference: Reference) -> str:
    """The media type of a manifest or an index; `header` is what came with it.

    Raises: EnvbuildError, if it is of a kind that is not taken.
    """
    document = parse_json(data, f"the registry's manifest of `{reference}`")
    if not isinstance(document, dict):
        raise EnvbuildError(f"the registry's manifest of `{reference}` is not a JSON object")
    if document.get("schemaVersion") == 1:
        raise EnvbuildError(
            f"`{reference}` is an image of docker's first format, which is not taken",
            "its manifest has `schemaVersion: 1`",
            "Push it again with a docker of this decade",
        )
    stated = document.get("mediaType", header)
    if isinstance(stated, str) and stated in INDEXES | MANIFESTS:
        return stated
    if document.get("schemaVersion") == 2 and "mediaType" not in document:
        return MEDIA_TYPE_INDEX if "manifests" in document else MEDIA_TYPE_MANIFEST
    raise EnvbuildError(f"`{reference}` is not an image", f"its media type is `{str(stated)[:100]}`")
