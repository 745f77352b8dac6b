"""Requests to one repository of a registry: logging in when it asks, following it to where its blobs are, and patience.

Follows the distribution-spec. What proves who one is goes to the registry itself; never to a host that it redirects to
or has uploads sent to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urljoin, urlsplit, urlunsplit

from builder.errors import EnvbuildError
from builder.oci.registry.authorization import Authorizer
from builder.oci.registry.challenge import choose_challenge
from builder.oci.registry.credentials import Credentials
from builder.oci.registry.failure import failure, read_all, reason, unreachable
from builder.oci.registry.patience import Patience, TransientError
from builder.oci.registry.reference import Reference

if TYPE_CHECKING:
    import urllib3

T = TypeVar("T")
Connect = Callable[[str], "urllib3.PoolManager"]
"""Gives the connections for a URL, with this machine's proxies and certificates."""

_REDIRECTS = 5
REDIRECTED = (301, 302, 303, 307, 308)
_LOGINS = 2
"""Times to log in for one request: the second where what was got before has expired."""
_REST = 1 << 16
"""Bytes of a body that nobody wants, read so that the connection can be used again."""


@dataclass(frozen=True, slots=True)
class Request:
    """Something to ask a registry for."""

    method: str
    target: str
    """Below the repository (`blobs/uploads/`), or a URL that the registry gave."""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Callable[[], Iterable[bytes]] | None = None
    """Gives the body, each time anew; its `Content-Length` is among the headers."""
    scopes: tuple[str, ...] = ()
    """What a token must allow besides what is done with this repository."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer whose body was not needed."""

    status: int
    headers: Mapping[str, str]
    url: str
    """Of the request."""


class Session:
    """Requests to one repository. Safe for several threads."""

    def __init__(
        self,
        reference: Reference,
        connect: Connect,
        credentials: Credentials,
        patience: Patience,
        pushing: bool = False,
    ) -> None:
        self.registry = reference.registry
        self.name = f"{reference.registry}/{reference.repository}"
        self.patience = patience
        self._base = reference.url
        self._connect = connect
        self._pushing = pushing
        self._authorizer = Authorizer(reference, pushing, credentials, self._send)
        self._authorizations: dict[tuple[str, ...], str] = {}
        self._lock = threading.Lock()

    def get(self, path: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The answer to `GET <repository>/<path>`, with status 200 or 206; the caller reads and closes it.

        Raises: EnvbuildError, if it is refused, is not there or cannot be reached.
        """
        return self._patiently(lambda: self._once(Request("GET", path, headers), (200, 206))[0])

    def read(self, path: str, headers: Mapping[str, str], limit: int) -> tuple[bytes, Mapping[str, str]]:
        """The whole of `<repository>/<path>`, of `limit` bytes at most, and the headers that came with it.

        Raises: EnvbuildError.
        """
        data, answer = self.answer(Request("GET", path, headers), (200,), limit)
        return data, answer.headers

    def answer(self, request: Request, expected: Collection[int], limit: int) -> tuple[bytes, Answer]:
        """The body, of `limit` bytes at most, of an answer with one of the expected statuses, and the answer.

        Raises: EnvbuildError.
        """

        def once() -> tuple[bytes, Answer]:
            response, url = self._once(request, expected)
            with closing(response):
                data = read_all(response, limit, f"`{self.registry}`")
                return data, Answer(response.status, response.headers, url)

        return self._patiently(once)

    def ask(self, request: Request, expected: Collection[int]) -> Answer:
        """The answer to a request that may be repeated, with one of the expected statuses.

        Raises: EnvbuildError.
        """
        return self._patiently(lambda: self.attempt(request, expected))

    def attempt(self, request: Request, expected: Collection[int]) -> Answer:
        """As `ask`, but once. Raises: EnvbuildError; TransientError, if another attempt may help."""
        response, url = self._once(request, expected)
        _finish(response)
        return Answer(response.status, response.headers, url)

    def location(self, answer: Answer) -> str:
        """The URL that an answer leads to, absolute, with its query.

        Raises: EnvbuildError, if it leads to no host, or to one without TLS.
        """
        return self._target(answer.url, answer.headers.get("Location", ""))

    def _patiently(self, function: Callable[[], T]) -> T:
        failures = 0
        while True:
            try:
                return function()
            except TransientError as error:
                failures += 1
                self.patience.wait(failures, error)

    def _once(self, request: Request, expected: Collection[int]) -> tuple[urllib3.BaseHTTPResponse, str]:
        response, url = self._allowed(request)
        if response.status in expected:
            return response, url
        with closing(response):
            raise self._failure(response, request)

    def _allowed(self, request: Request) -> tuple[urllib3.BaseHTTPResponse, str]:
        """The answer to a request, after logging in if that is asked for, and the URL that gave it."""
        for _ in range(_LOGINS + 1):
            used = self._authorizations.get(request.scopes)
            response, url = self._follow(request, used)
            challenge = choose_challenge(response.headers.get("WWW-Authenticate", ""))
            if response.status != 401 or challenge is None:
                return response, url
            with closing(response):
                refused = self._failure(response, request)
            with self._lock:
                if self._authorizations.get(request.scopes) != used:
                    continue  # another thread has logged in meanwhile
                new = self._authorizer.answer(challenge, request.scopes)
                if new is None or new == used:
                    break
                self._authorizations[request.scopes] = new
        raise refused

    def _follow(self, request: Request, authorization: str | None) -> tuple[urllib3.BaseHTTPResponse, str]:
        """The answer from where the registry sends us in the end; only its own host gets `authorization`."""
        origin, url = urlsplit(self._base), self._url(request.target)
        for _ in range(_REDIRECTS + 1):
            here = urlsplit(url)
            own = (here.scheme, here.netloc) == (origin.scheme, origin.netloc)
            more = {"Authorization": authorization} if own and authorization else {}
            body = request.body() if request.body else None
            response = self._send(request.method, url, {**request.headers, **more}, body)
            if response.status == 401 and not own:
                response.close()
                raise EnvbuildError(f"`{self.registry}` sends us to `{here.hostname}`, which refuses to answer")
            if not _is_redirect(request.method, response.status):
                return response, url
            _finish(response)
            url = self._target(url, response.headers.get("Location", ""))
        raise EnvbuildError(f"`{self.registry}` redirects without an end", f"more than {_REDIRECTS} times")

    def _url(self, target: str) -> str:
        return target if "://" in target else f"{self._base}/{target}"

    def _target(self, url: str, location: str) -> str:
        try:
            target = urlsplit(urljoin(url, location))
            usable = target.hostname is not None and target.port != 0
        except ValueError:
            usable = False
        allowed = ("https",) if url.startswith("https:") else ("https", "http")
        if not location or not usable or target.scheme not in allowed:
            raise EnvbuildError(
                f"`{self.registry}` redirects to where it should not", "it names no host, or one without TLS"
            )
        return urlunsplit(target._replace(netloc=target.netloc.rpartition("@")[2], fragment=""))

    def _send(
        self, method: str, url: str, headers: Mapping[str, str], body: Iterable[bytes] | bytes | None = None
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        fixed = {"Accept-Encoding": "identity", "User-Agent": "envbuild"}
        try:
            return self._connect(url).request(
                method, url, headers={**fixed, **headers}, body=body, preload_content=False, redirect=False,
                retries=False,
            )  # fmt: skip
        except urllib3.exceptions.HTTPError as error:
            failed = unreachable(urlsplit(url).netloc, reason(error))
            if isinstance(error, urllib3.exceptions.SSLError) and "CERTIFICATE_VERIFY" in str(error):
                # a certificate that is not trusted will not be so a moment later
                raise EnvbuildError(failed.what, failed.why, failed.hint) from error
            raise failed from error

    def _failure(self, response: urllib3.BaseHTTPResponse, request: Request) -> EnvbuildError:
        return failure(response, self.name, request.target, self._pushing, self._authorizer.secrets)


def _is_redirect(method: str, status: int) -> bool:
    """Whether an answer is to be followed: one to HEAD says enough, and only some ask for the same method again."""
    return method != "HEAD" and (status in (307, 308) or (method == "GET" and status in REDIRECTED))


def _finish(response: urllib3.BaseHTTPResponse) -> None:
    """Read the rest of a short body, so that the connection can be used again; close that of a longer one."""
    import urllib3

    with closing(response), suppress(urllib3.exceptions.HTTPError, OSError):
        while response.read(_REST, decode_content=False):
            if response.tell() > _REST:
                break
