"""Opening URLs: http and https, object stores, artifacts of registries, and local files.

Knows nothing of digests.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote, urlsplit

from builder.errors import EnvbuildError
from builder.fetch.artifact import SCHEME, Artifacts
from builder.fetch.body import Body
from builder.fetch.connections import Connections, reason
from builder.fetch.failure import InterruptedTransferError, RangeError, TransportError
from builder.fetch.mirrors import Mirrors
from builder.fetch.redaction import without_credentials
from builder.fetch.remote import open_remote, reads

if TYPE_CHECKING:
    import urllib3

    from builder.oci.registry import Registries

_RECEIVED = 1 << 16
"""Bytes to receive at a time; when a connection breaks, what came of the last such piece is lost."""


class Transport:
    """Opens URLs. Safe for several threads."""

    def __init__(self, mirrors: Mirrors, connections: Connections | None = None) -> None:
        self._connections = connections or Connections(mirrors.access)

    def with_mirrors(self, mirrors: Mirrors) -> Transport:
        """The same connections for one who knows other mirrors."""
        return Transport(mirrors, self._connections.with_access(mirrors.access))

    @contextmanager
    def open(self, url: str, offset: int = 0, accept: str | None = None, packed: bool = False) -> Iterator[Body]:
        """The bytes of `url`, from `offset` on where the server can do that (see `Body.offset`).

        `packed` allows the server to send them compressed, which suits documents and no file with a digest.

        Raises: TransportError.
        """
        try:
            parts = urlsplit(url)
        except ValueError as error:
            raise TransportError(f"this is not a URL: {error}") from error
        if parts.scheme == "file":
            yield from _open_file(unquote(parts.path), offset)
        elif parts.scheme in ("http", "https"):
            yield from self._open_http(url, offset, accept, packed)
        elif url.startswith(SCHEME):
            yield from self.artifacts.open_file(url, offset)
        elif reads(parts.scheme):
            yield from open_remote(url, offset)
        else:
            raise TransportError(f"`{parts.scheme}:` URLs cannot be read")

    def _open_http(self, url: str, offset: int, accept: str | None, packed: bool) -> Iterator[Body]:
        encoding = "gzip" if packed else "identity"
        headers = {"Accept-Encoding": encoding, "User-Agent": "envbuild"}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        if accept:
            headers["Accept"] = accept
        response = self._connections.get(without_credentials(url), headers)
        try:
            if response.status == 416 and offset:
                raise RangeError("the server has nothing behind what was received before")
            if response.status not in (200, 206):
                text = f"the server answered {response.status} {response.reason or ''}".rstrip()
                raise TransportError(text, response.status)
            yield _HttpBody(response, _start(response.headers.get("Content-Range")) if response.status == 206 else 0)
        finally:
            response.close()

    @functools.cached_property
    def artifacts(self) -> Artifacts:
        """What reads artifacts of registries."""
        return Artifacts(self.registries())

    def registries(self) -> Registries:
        """What asks registries, with the logins of this machine."""
        from builder.oci.registry import Credentials, Registries

        return Registries(self._pool_or_error, Credentials(os.environ))

    def _pool_or_error(self, url: str) -> urllib3.PoolManager:
        try:
            return self.pool(url)
        except TransportError as error:
            raise EnvbuildError("no registry can be asked", str(error), "Correct `SSL_CERT_FILE`") from error

    def authorization(self, url: str) -> str | None:
        """The Authorization header that a URL is sent first, for one who asks without this transport."""
        return self._connections.authorization(url)

    def pool(self, url: str) -> urllib3.PoolManager:
        """The connections to the host of `url`, through the proxy that this machine has for it."""
        return self._connections.pool(url)


class _HttpBody:
    def __init__(self, response: urllib3.BaseHTTPResponse, offset: int) -> None:
        self._response = response
        self.offset = offset
        length = response.headers.get("Content-Length", "")
        plain = "Content-Encoding" not in response.headers
        self.size = offset + int(length) if length.isdecimal() and plain else None

    def read(self, amount: int) -> bytes:
        import urllib3

        try:
            return self._response.read(min(amount, _RECEIVED))
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise InterruptedTransferError(reason(error)) from error


class _FileBody:
    def __init__(self, file: BinaryIO, offset: int) -> None:
        self._file = file
        self.offset = offset
        self.size: int | None = os.fstat(file.fileno()).st_size

    def read(self, amount: int) -> bytes:
        try:
            return self._file.read(amount)
        except OSError as error:
            raise TransportError(error.strerror or str(error)) from error


def _open_file(path: str, offset: int) -> Iterator[Body]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below, where an error of the reader is not one of the file
        file.seek(offset)
    except (OSError, ValueError) as error:
        status = 404 if isinstance(error, FileNotFoundError) else None
        raise TransportError(getattr(error, "strerror", None) or str(error), status) from error
    with file:
        yield _FileBody(file, offset)


def _start(content_range: str | None) -> int:
    try:
        return int((content_range or "").removeprefix("bytes ").partition("-")[0])
    except ValueError as error:
        raise TransportError(f"the server answered with the range `{content_range}`") from error
