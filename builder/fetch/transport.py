"""Opening URLs: http and https through urllib3 (proxies, retries, credentials of this machine), and local files.

Owns what is sent and how often; knows nothing of digests.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol
from urllib.parse import unquote, urlsplit

from builder.fetch.mirrors import Mirrors, without_credentials

if TYPE_CHECKING:
    import urllib3

RETRIED_STATUSES = frozenset({408, 429, 499, 500, 502, 503, 504})
_ATTEMPTS = 4
_RECEIVED = 1 << 16
"""Bytes to receive at a time; when a connection breaks, what came of the last such piece is lost."""
_LONGEST_PAUSE = 60.0
"""Seconds to wait at most because a server asks for it."""
_TIMEOUT = 60.0
"""Seconds to wait for a connection, and for the next bytes."""


class TransportError(Exception):
    """A URL could not be read; the text says why and holds no credentials."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        """Of the answer, or what stands for it (RFC 9110, section 15); None if there was none."""


class InterruptedTransferError(TransportError):
    """The bytes stopped on the way; asking for the rest may help."""


class RangeError(InterruptedTransferError):
    """The server has nothing from the offset on that was asked for."""


class Body(Protocol):
    """The bytes of an answer."""

    offset: int
    """Where in the whole file the first byte stands."""
    size: int | None
    """Bytes of the whole file, where it is told beforehand."""

    def read(self, amount: int) -> bytes:
        """The next bytes; empty at the end. Raises: TransportError."""


class Transport:
    """Opens URLs. Safe for several threads."""

    def __init__(self, mirrors: Mirrors) -> None:
        self._mirrors = mirrors
        self._pools: dict[str | None, urllib3.PoolManager] = {}

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
        else:
            raise TransportError(f"`{parts.scheme}:` URLs cannot be read")

    def _open_http(self, url: str, offset: int, accept: str | None, packed: bool) -> Iterator[Body]:
        import urllib3

        encoding = "gzip" if packed else "identity"
        headers = {"Accept-Encoding": encoding, "User-Agent": "envbuild", **self._credentials(url)}
        if offset:
            headers["Range"] = f"bytes={offset}-"
        if accept:
            headers["Accept"] = accept
        try:
            response = self.pool(url).request("GET", without_credentials(url), headers=headers, preload_content=False)
        except urllib3.exceptions.HTTPError as error:
            raise TransportError(_reason(error)) from error
        try:
            if response.status == 416 and offset:
                raise RangeError("the server has nothing behind what was received before")
            if response.status not in (200, 206):
                text = f"the server answered {response.status} {response.reason or ''}".rstrip()
                raise TransportError(text, response.status)
            yield _HttpBody(response, _start(response.headers.get("Content-Range")) if response.status == 206 else 0)
        finally:
            response.close()

    def _credentials(self, url: str) -> dict[str, str]:
        value = self._mirrors.authorization(url) or _netrc_authorization(urlsplit(url).hostname)
        return {"Authorization": value} if value else {}

    def pool(self, url: str) -> urllib3.PoolManager:
        """The connections to the host of `url`, through the proxy that this machine has for it."""
        import urllib.request

        import urllib3

        parts = urlsplit(url)
        proxies = urllib.request.getproxies()
        bypassed = parts.hostname is None or urllib.request.proxy_bypass(parts.hostname)
        proxy = None if bypassed else proxies.get(parts.scheme)
        if proxy not in self._pools:
            settings: dict[str, Any] = {"retries": _retries(), "timeout": urllib3.Timeout(_TIMEOUT), "maxsize": 8}
            self._pools[proxy] = _proxy_pool(proxy, settings) if proxy else urllib3.PoolManager(**settings)
        return self._pools[proxy]


def _retries() -> urllib3.Retry:
    import urllib3

    class Patient(urllib3.Retry):
        def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
            """A server may ask for a pause, but not for one of hours."""
            seconds = super().get_retry_after(response)
            return None if seconds is None else min(seconds, _LONGEST_PAUSE)

    return Patient(
        _ATTEMPTS, redirect=5, status_forcelist=RETRIED_STATUSES, backoff_factor=0.3, raise_on_status=False
    )  # fmt: skip


def _proxy_pool(proxy: str, settings: dict[str, Any]) -> urllib3.ProxyManager:
    """A pool behind a proxy, which may be given without a scheme and with a user and a password."""
    import urllib3

    parts = urllib3.util.parse_url(proxy if "://" in proxy else f"http://{proxy}")
    headers = urllib3.make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else None
    return urllib3.ProxyManager(parts._replace(auth=None).url, proxy_headers=headers, **settings)


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
            raise InterruptedTransferError(_reason(error)) from error


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


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {cause}".partition("(Caused by")[0].strip()


def _netrc_authorization(host: str | None) -> str | None:
    import netrc

    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    if host is None or not os.path.exists(path):
        return None
    try:
        entry = netrc.netrc(path).authenticators(host)
    except (netrc.NetrcParseError, OSError, ValueError):
        return None
    if entry is None:
        return None
    import urllib3

    login, _, password = entry
    return urllib3.make_headers(basic_auth=f"{login}:{password}")["authorization"]
