"""Requests to one repository of a registry: logging in when it asks, and following it to where its blobs are.

Follows the distribution-spec and docker's token authentication. What proves who one is goes to the registry itself
and, a password, to the token service that it names; never to a host that either redirects to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from builder.errors import EnvbuildError
from builder.oci.canonical import parse_json
from builder.oci.registry.challenge import Challenge, choose_challenge
from builder.oci.registry.credentials import Credentials, Login
from builder.oci.registry.reference import Reference

if TYPE_CHECKING:
    import urllib3

Connect = Callable[[str], "urllib3.PoolManager"]
"""Gives the connections for a URL: with this machine's proxies and certificates, and with patience."""

_REDIRECTS = 5
_REDIRECTED = (301, 302, 303, 307, 308)
_LOGINS = 2
"""Times to log in for one request: the second where what was got before has expired."""
_ANSWER_LIMIT = 1 << 20
_TOKEN = re.compile(r"[!-~]{1,65536}")
_CODE = re.compile(r"[A-Z_]{1,40}")
NETWORK_HINT = "Check the network, the proxy settings (`HTTPS_PROXY`) and the trusted certificates (`SSL_CERT_FILE`)"


class Session:
    """Requests to one repository."""

    def __init__(self, reference: Reference, connect: Connect, credentials: Credentials) -> None:
        self._registry = reference.registry
        self._repository = reference.repository
        self._base = reference.url
        self._connect = connect
        self._credentials = credentials
        self._authorization: str | None = None

    def get(self, path: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The answer to `GET <repository>/<path>`, with status 200 or 206; the caller reads and closes it.

        Raises: EnvbuildError, if it is refused, is not there or cannot be reached.
        """
        response = self._allowed("GET", path, headers)
        if response.status in (200, 206):
            return response
        with closing(response):
            raise self._failure(response, path)

    def has(self, path: str, headers: Mapping[str, str]) -> bool:
        """Whether `<repository>/<path>` is there; where the registry would send us elsewhere for it, it is.

        Raises: EnvbuildError, if that is not told.
        """
        with closing(self._allowed("HEAD", path, headers)) as response:
            if response.status not in (200, 404, *_REDIRECTED):
                raise self._failure(response, path)
            return response.status != 404

    def _allowed(self, method: str, path: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The answer to a request, after logging in if that is asked for."""
        for _ in range(_LOGINS + 1):
            used = self._authorization
            response = self._follow(method, f"{self._base}/{path}", headers, used)
            challenge = choose_challenge(response.headers.get("WWW-Authenticate", ""))
            if response.status != 401 or challenge is None:
                return response
            with closing(response):
                refused = self._failure(response, path)
            self._authorization = self._authorize(challenge)
            if self._authorization in (None, used):
                break
        raise refused

    def _follow(
        self, method: str, url: str, headers: Mapping[str, str], authorization: str | None
    ) -> urllib3.BaseHTTPResponse:
        """The answer from where the registry sends us in the end; only its own host gets `authorization`."""
        origin = urlsplit(url)
        for _ in range(_REDIRECTS + 1):
            here = urlsplit(url)
            own = (here.scheme, here.netloc) == (origin.scheme, origin.netloc)
            more = {"Authorization": authorization} if own and authorization else {}
            response = self._send(method, url, {**headers, **more})
            if response.status == 401 and not own:
                response.close()
                raise EnvbuildError(f"`{self._registry}` sends us to `{here.hostname}`, which refuses to answer")
            if response.status not in _REDIRECTED or method == "HEAD":
                return response
            response.close()
            url = self._target(url, response.headers.get("Location", ""))
        raise EnvbuildError(f"`{self._registry}` redirects without an end", f"more than {_REDIRECTS} times")

    def _target(self, url: str, location: str) -> str:
        try:
            target = urlsplit(urljoin(url, location))
            usable = target.hostname is not None and target.port != 0
        except ValueError:
            usable = False
        allowed = ("https",) if url.startswith("https:") else ("https", "http")
        if not location or not usable or target.scheme not in allowed:
            raise EnvbuildError(
                f"`{self._registry}` redirects to where it should not", "it names no host, or one without TLS"
            )
        return urlunsplit(target._replace(netloc=target.netloc.rpartition("@")[2], fragment=""))

    def _send(self, method: str, url: str, headers: Mapping[str, str], **more: Any) -> urllib3.BaseHTTPResponse:
        import urllib3

        fixed = {"Accept-Encoding": "identity", "User-Agent": "envbuild"}
        try:
            return self._connect(url).request(
                method, url, headers={**fixed, **headers}, preload_content=False, redirect=False, **more
            )
        except urllib3.exceptions.HTTPError as error:
            host = urlsplit(url).netloc
            raise EnvbuildError(f"the registry `{host}` cannot be reached", reason(error), NETWORK_HINT) from error

    def _authorize(self, challenge: Challenge) -> str | None:
        """What to send to the registry from now on; None if this machine has nothing for it."""
        login = self._credentials.login(self._registry, self._repository)
        if challenge.scheme == "basic":
            return login.basic if login else None
        if login and login.registry_token:
            return f"Bearer {login.registry_token}"
        return f"Bearer {self._token(challenge, login)}"

    def _token(self, challenge: Challenge, login: Login | None) -> str:
        realm = self._realm(challenge.parameters.get("realm", ""))
        scope = challenge.parameters.get("scope") or f"repository:{self._repository}:pull"
        fields = {"service": challenge.parameters.get("service", ""), "scope": scope}
        if login and login.identity_token:
            grant = {"grant_type": "refresh_token", "refresh_token": login.identity_token, "client_id": "envbuild"}
            body = urlencode({**fields, **grant})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            response = self._send("POST", realm, headers, body=body)
        else:
            basic = login.basic if login else None
            query = urlencode({key: value for key, value in fields.items() if value})
            separator = "&" if urlsplit(realm).query else "?"
            response = self._send("GET", f"{realm}{separator}{query}", {"Authorization": basic} if basic else {})
        return self._token_in(response, urlsplit(realm).netloc)

    def _realm(self, realm: str) -> str:
        """Where the token service is: never without TLS, unless the registry itself is spoken to without."""
        try:
            parts = urlsplit(realm)
            usable = parts.hostname is not None and parts.port != 0 and "@" not in parts.netloc
        except ValueError:
            usable = False
        if not usable or parts.scheme not in ("https", urlsplit(self._base).scheme):
            raise EnvbuildError(
                f"`{self._registry}` asks for a token of a service that cannot be trusted",
                "its address is no URL, holds a login, or is without TLS",
            )
        return urlunsplit(parts._replace(fragment=""))

    def _token_in(self, response: urllib3.BaseHTTPResponse, service: str) -> str:
        with closing(response):
            if response.status in (400, 401, 403):
                raise self._refusal(f"its token service `{service}` answered {response.status}")
            if response.status != 200:
                raise EnvbuildError(f"the token service `{service}` answered {response.status}")
            document = parse_json(read_all(response, _ANSWER_LIMIT, f"`{service}`"), f"the answer of `{service}`")
        token = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise EnvbuildError(f"the token service `{service}` answered without a token")
        return token

    def _failure(self, response: urllib3.BaseHTTPResponse, path: str) -> EnvbuildError:
        status, codes = response.status, _codes(response)
        answer = f"the registry answered {' '.join((str(status), *codes))}"
        kind, _, name = path.partition("/")
        if status in (401, 403):
            return self._refusal(answer)
        if status == 404:
            joint = "@" if ":" in name else ":"
            what = f"{self._registry}/{self._repository}"
            thing = f"image `{what}{joint}{name}`" if kind == "manifests" else f"blob {name} in `{what}`"
            return EnvbuildError(f"there is no {thing}", answer)
        hint = "Wait, or log in with `docker login`: many registries allow more then" if status == 429 else None
        return EnvbuildError(f"`{self._registry}/{self._repository}` cannot be read", answer, hint)

    def _refusal(self, answer: str) -> EnvbuildError:
        return EnvbuildError(
            f"`{self._registry}/{self._repository}` cannot be read: it is not there, or not for this login",
            answer,
            f"Check the name, or log in with `docker login {self._registry}`",
        )


def read_all(response: urllib3.BaseHTTPResponse, limit: int, what: str) -> bytes:
    """The body of an answer.

    Raises: EnvbuildError, if it has more than `limit` bytes or breaks off.
    """
    import urllib3

    data = bytearray()
    try:
        while chunk := response.read(1 << 16, decode_content=False):
            data += chunk
            if len(data) > limit:
                raise EnvbuildError(f"{what} answered with more than {limit} bytes")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise EnvbuildError(f"the answer of {what} broke off", reason(error), NETWORK_HINT) from error
    return bytes(data)


def reason(error: Exception) -> str:
    """What went wrong on the way, without a URL: the address that a registry sends us to can be a secret."""
    import urllib3

    cause = getattr(error, "reason", None) or error
    if isinstance(cause, urllib3.exceptions.LocationValueError):
        return type(cause).__name__
    return f"{type(cause).__name__}: {cause}".partition(" with url: ")[0].strip()


def _codes(response: urllib3.BaseHTTPResponse) -> list[str]:
    """The codes of a registry's errors (distribution-spec, "Error Codes"); its texts could repeat what was sent."""
    try:
        document = parse_json(read_all(response, _ANSWER_LIMIT, "it"), "it")
        codes = [entry.get("code") for entry in document["errors"]]
    except (EnvbuildError, KeyError, TypeError, AttributeError):
        return []
    return [code for code in codes[:5] if isinstance(code, str) and _CODE.fullmatch(code)]
