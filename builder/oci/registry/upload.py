"""One blob on its way into a repository (OCI distribution-spec 1.1, "Push"): mounted, sent whole, or sent in chunks.

What a registry has of it after a failure is asked for, and sending goes on from there. Nothing is taken as done that
the registry has not acknowledged by the blob's digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import IO
from urllib.parse import quote, urlsplit

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.documents import Descriptor
from builder.oci.registry.failure import AnswerError, RefusedError
from builder.oci.registry.patience import TransientError
from builder.oci.registry.session import Answer, Request, Session
from builder.oci.registry.work import Observe

CHUNK_SIZE = 32 << 20
"""Bytes of a request. A smaller blob is sent whole; of a larger one this is the most that a failure costs."""
_PIECE = 1 << 18
"""Bytes that are read and sent at a time."""
_LEAST_ADVANCE = 1 << 20
"""Bytes more in the registry that show that it is worth while to go on."""
_RANGE = re.compile(r"(?:bytes[ =])?0-(\d{1,18})")
_EMPTY = {"Content-Length": "0"}
_LOOKED = (200, 301, 302, 303, 307, 308, 404, 405)
_FORGOTTEN = frozenset({400, 404, 410, 416})
"""Statuses that say that the registry does not know what was sent before, or has other bytes."""


class Body:
    """The bytes of a blob for requests, from any position on; each is hashed and counted once.

    `open_blob` opens it anew; what can seek does, and of what cannot, the bytes before are read and dropped.
    """

    def __init__(self, blob: Descriptor, open_blob: Callable[[], IO[bytes]], observe: Observe) -> None:
        self.blob = blob
        self._open = open_blob
        self._observe = observe
        self._hash = hashlib.sha256()
        self.known = 0
        """Bytes from the start on that were read, and so may have been sent."""

    def part(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from `start` on and before `end`. The last bytes are given once all are known to be right.

        Raises: DigestMismatchError, EnvbuildError.
        """
        try:
            with self._open() as file:
                position = self._skip(file, start)
                while position < end:
                    data = file.read(min(_PIECE, end - position))
                    if not data:
                        raise _damaged(self.blob, f"it ends after {position} of {self.blob.size} bytes")
                    self._check(position, data)
                    position += len(data)
                    yield data
        except OSError as error:
            raise EnvbuildError(f"blob {self.blob.digest} cannot be read", error.strerror or str(error)) from error

    def _skip(self, file: IO[bytes], start: int) -> int:
        if file.seekable():
            return file.seek(start)
        left = start
        while left and (data := file.read(min(_PIECE, left))):
            left -= len(data)
        return start - left

    def _check(self, position: int, data: bytes) -> None:
        new = position + len(data) - self.known
        if new <= 0:
            return
        self._hash.update(data[-new:])
        self.known += new
        self._observe(new)
        if self.known == self.blob.size and self._hash.hexdigest() != self.blob.digest.hex:
            raise _damaged(self.blob, f"its sha256 is {self._hash.hexdigest()}")


@dataclass(slots=True)
class _Place:
    """An upload that the registry has begun."""

    url: str
    least: int
    """Bytes that a chunk must have at least, but for the last one."""
    offset: int = 0
    """Bytes that the registry is known to have."""
    doubtful: bool = False
    """Whether `offset` has to be asked for."""


class Upload:
    """Brings one blob into a repository."""

    def __init__(self, session: Session, body: Body, mount_from: str | None = None) -> None:
        """`mount_from` is a repository of the same registry that is said to have the blob."""
        self._session = session
        self._body = body
        self._digest = body.blob.digest
        self._size = body.blob.size
        self._mount_from = mount_from
        self._place: _Place | None = None
        self._failures = 0
        self._acknowledged = 0

    def run(self) -> str:
        """How it came there: `there` before, `mounted`, or `sent`.

        Raises: EnvbuildError, if the registry does not take it; DigestMismatchError, if it is not what its digest says.
        """
        while True:
            try:
                done = self._step()
            except TransientError as error:
                self._failures += 1
                self._session.patience.wait(self._failures, error)
                if self._place is not None:
                    self._place.doubtful = True
            else:
                if done:
                    return done

    def _step(self) -> str | None:
        """Do what comes next; how the blob came there, once it is there."""
        place = self._place
        if place is None:
            return self._begin()
        if place.doubtful:
            self._ask_offset(place)
        elif self._size <= CHUNK_SIZE and place.offset == 0:
            return self._finish(place, 0)
        elif place.offset < self._size:
            self._send_chunk(place)
        else:
            return self._finish(place, self._size)
        return None

    def _begin(self) -> str | None:
        if self._is_there():
            return "there"
        answer = self._mount() if self._mount_from else None
        if answer is None:
            answer = self._session.attempt(Request("POST", "blobs/uploads/", _EMPTY), (202,))
        if answer.status == 201:
            return "mounted"
        least = answer.headers.get("OCI-Chunk-Min-Length", "")
        minimum = min(int(least[:15]), self._size) if least.isdecimal() else 0
        self._place = _Place(self._session.location(answer), minimum)
        return None

    def _is_there(self) -> bool:
        """Whether it is known to be there: some registries let nobody look who may push."""
        try:
            answer = self._session.attempt(Request("HEAD", f"blobs/{self._digest}"), _LOOKED)
        except RefusedError:
            return False
        return answer.status not in (404, 405)

    def _mount(self) -> Answer | None:
        """The answer to a mount (201), or to the upload that became of it (202); None if it is refused."""
        source, self._mount_from = self._mount_from or "", None  # tried once
        path = f"blobs/uploads/?mount={quote(str(self._digest), safe='')}&from={quote(source, safe='')}"
        request = Request("POST", path, _EMPTY, scopes=(f"repository:{source}:pull",))
        try:
            return self._session.attempt(request, (201, 202))
        except TransientError:
            raise
        except EnvbuildError:
            return None

    def _send_chunk(self, place: _Place) -> None:
        start, end = place.offset, min(self._size, place.offset + max(CHUNK_SIZE, place.least))
        answer = self._send("PATCH", place.url, start, end, (200, 202, 204))
        if answer.headers.get("Location"):
            place.url = self._session.location(answer)
        place.offset = _offset(answer, otherwise=end)
        if place.offset > end:
            raise EnvbuildError(
                f"`{self._session.name}` cannot be pushed to", f"it has more of blob {self._digest} than was sent"
            )
        if not self._has_advanced(place.offset) and place.offset < end:
            what = f"`{self._session.name}` does not keep what is sent to it"
            raise TransientError(what, f"it has {place.offset} of {self._size} bytes of blob {self._digest}")

    def _finish(self, place: _Place, start: int) -> str:
        """Send what is left and close the upload. Where the registry has other bytes, all is begun anew."""
        url = f"{place.url}{'&' if urlsplit(place.url).query else '?'}digest={quote(str(self._digest), safe='')}"
        try:
            self._send("PUT", url, start, self._size, (200, 201, 204))
        except TransientError as error:
            if error.status in _FORGOTTEN:
                self._place = None
            raise
        return "sent"

    def _send(self, method: str, url: str, start: int, end: int, expected: Collection[int]) -> Answer:
        """The answer to a request with a part of the blob.

        Raises: TransientError, also where the registry does not know what was sent before.
        """
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(end - start)}
        if method == "PATCH":
            headers["Content-Range"] = f"{start}-{end - 1}"
        body = (lambda: self._body.part(start, end)) if start < end else None
        try:
            return self._session.attempt(Request(method, url, headers, body), expected)
        except AnswerError as error:
            if error.status not in _FORGOTTEN:
                raise
            failed = TransientError(error.what, error.why, error.hint)
            failed.status = error.status
            raise failed from error

    def _ask_offset(self, place: _Place) -> None:
        """Ask how much the registry has; begin anew if it has nothing."""
        try:
            answer = self._session.attempt(Request("GET", place.url), (200, 202, 204))
            offset = _offset(answer, otherwise=0)
        except AnswerError:
            offset = 0
        if not 0 < offset <= self._body.known:
            self._place = None
            return
        if answer.headers.get("Location"):
            place.url = self._session.location(answer)
        place.offset, place.doubtful = offset, False
        self._has_advanced(offset)

    def _has_advanced(self, offset: int) -> bool:
        """Whether the registry has noticeably more than ever before, which is a reason to be patient again."""
        more = offset - self._acknowledged
        if more < _LEAST_ADVANCE and not (more > 0 and offset == self._size):
            return False
        self._acknowledged, self._failures = offset, 0
        return True


def _offset(answer: Answer, otherwise: int) -> int:
    """How many bytes the registry says that it has; `0-0` is said of none too."""
    match = _RANGE.fullmatch(answer.headers.get("Range", ""))
    if match is None:
        return otherwise
    last = int(match[1])
    return last + 1 if last or otherwise == 1 else 0


def _damaged(blob: Descriptor, why: str) -> DigestMismatchError:
    return DigestMismatchError(f"blob {blob.digest} does not have the bytes that its digest promises", why)
