"""HTTP as this machine does it: proxies, certificates, retries, redirects, and credentials for the host alone.

Credentials that the environment names are sent at once; a keyring is asked only after a host has refused.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin, urlsplit

from builder.fetch.access import Access, Login
from builder.fetch.failure import TransportError
from builder.fetch.redaction import without_credentials

if TYPE_CHECKING:
    import urllib3

RETRIED_STATUSES = frozenset({408, 429, 499, 500, 502, 503, 504})
_REFUSED = frozenset({401, 403})
_ATTEMPTS = 4
_REDIRECTS = 5
_LONGEST_PAUSE = 60.0
"""Seconds to wait at most because a server asks for it."""
_KEYRING_SECONDS = 120.0
"""To wait for `keyring`, whose user may have to unlock something."""


class Connections:
    """Asks hosts. Safe for several threads."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._pools: dict[str | None, urllib3.PoolManager] = {}
        self._keyring: dict[tuple[str, str], Login | None] = {}
        self._lock = threading.Lock()

    def with_access(self, access: Access) -> Connections:
        """The same connections for one who knows other credentials."""
        other = Connections(access)
        other._pools, other._keyring, other._lock = self._pools, self._keyring, self._lock
        return other

    def get(self, url: str, headers: Mapping[str, str]) -> urllib3.BaseHTTPResponse:
        """The answer for a URL without credentials, with its body not yet read; the caller closes it.

        Redirects are followed; each host is sent its own credentials, and none over a connection that is less safe
        than the first.

        Raises: TransportError.
        """
        import urllib3

        secure = urlsplit(url).scheme == "https"
        for _ in range(_REDIRECTS + 1):
            try:
                response = self._answer(url, headers, secure)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise TransportError(reason(error)) from error
            location = response.get_redirect_location()
            if not location:
                return response
            response.close()
            url = _redirected(url, location)
        raise TransportError(f"the server leads to other URLs more than {_REDIRECTS} times")

    def _answer(self, url: str, headers: Mapping[str, str], secure: bool) -> urllib3.BaseHTTPResponse:
        """With the first of the logins that is not refused; without any, if there is none."""
        sent: set[Login | None] = set()
        silent = secure and urlsplit(url).scheme != "https"
        response = None
        for login in [None] if silent else self._logins(url):
            if login in sent:
                continue
            if response is not None:
                response.close()
            sent.add(login)
            own = {"Authorization": login.header} if login else {}
            response = self.pool(url).request(
                "GET", url, headers={**headers, **own}, preload_content=False, redirect=False
            )
            if response.status not in _REFUSED:
                break
        assert response is not None  # noqa: S101 - there is always one login, if only None
        return response

    def authorization(self, url: str) -> str | None:
        """The Authorization header that a URL is sent first, for one who asks without these connections."""
        login = next(self._logins(url), None)
        return login.header if login else None

    def _logins(self, url: str) -> Iterator[Login | None]:
        """What to try, one after the other, as long as the host refuses: of the environment, netrc, the keyring."""
        known = [*self.access.logins(url)]
        whole = [login for login in known if login.password is not None or not self.access.keyring]
        netrc = _netrc_login(urlsplit(url).hostname)
        first = [*whole, *([netrc] if netrc else [])]
        yield from first
        if not first:
            yield None
        if self.access.keyring:
            users = dict.fromkeys(login.user for login in known if login.password is None)
            for user in users or ("",):
                if (login := self._of_keyring(url, user)) is not None:
                    yield login

    def _of_keyring(self, url: str, user: str) -> Login | None:
        """What the keyring has for an index or its host; it is asked once for each."""
        for service in self.access.services(url):
            with self._lock:
                if (service, user) not in self._keyring:
                    self._keyring[service, user] = _ask_keyring(service, user)
                if (login := self._keyring[service, user]) is not None:
                    return login
        return None

    def pool(self, url: str) -> urllib3.PoolManager:
        """The connections to the host of `url`, through the proxy that this machine has for it.

        Raises: TransportError, if the certificates that are to be trusted cannot be read.
        """
        import logging
        import urllib.request

        import urllib3

        logging.getLogger("urllib3").setLevel(logging.ERROR)  # what it tries again is nothing that a user can act upon
        parts = urlsplit(url)
        proxies = urllib.request.getproxies()
        bypassed = parts.hostname is None or urllib.request.proxy_bypass(parts.hostname)
        proxy = None if bypassed else proxies.get(parts.scheme)
        if proxy not in self._pools:
            settings: dict[str, Any] = {
                "retries": _retries(),
                "timeout": urllib3.Timeout(self.access.timeout),
                "maxsize": 32,
            }
            settings |= self._trusted()
            self._pools[proxy] = _proxy_pool(proxy, settings) if proxy else urllib3.PoolManager(**settings)
        return self._pools[proxy]

    def _trusted(self) -> dict[str, str]:
        path = self.access.certificates
        if path is None:
            return {}
        if os.path.isdir(path):
            return {"ca_cert_dir": path}
        if not os.access(path, os.R_OK):
            raise TransportError(f"the certificates `{path}`, which the environment names, cannot be read")
        return {"ca_certs": path}


def _redirected(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
        scheme = urlsplit(target).scheme
    except ValueError as error:
        raise TransportError("the server leads to something that is no URL") from error
    if scheme not in ("http", "https"):
        raise TransportError("the server leads to a URL that is not of HTTP")
    return without_credentials(target)


def reason(error: Exception) -> str:
    """Why a request failed, in a line."""
    cause = getattr(error, "reason", None) or error
    return f"{type(cause).__name__}: {cause}".partition("(Caused by")[0].strip()


def _retries() -> urllib3.Retry:
    import urllib3

    class Patient(urllib3.Retry):
        def get_retry_after(self, response: urllib3.BaseHTTPResponse) -> float | None:
            """A server may ask for a pause, but not for one of hours."""
            seconds = super().get_retry_after(response)
            return None if seconds is None else min(seconds, _LONGEST_PAUSE)

        def increment(self, method: str | None = None, url: str | None = None, *others: Any, **more: Any) -> Any:
            """A certificate that is not trusted will not be so a moment later."""
            error = more.get("error")
            if isinstance(error, urllib3.exceptions.SSLError) and "CERTIFICATE_VERIFY" in str(error):
                raise urllib3.exceptions.MaxRetryError(more["_pool"], url or "", error)
            return super().increment(method, url, *others, **more)

    return Patient(
        _ATTEMPTS, redirect=0, status_forcelist=RETRIED_STATUSES, backoff_factor=0.3, raise_on_status=False
    )  # fmt: skip


def _proxy_pool(proxy: str, settings: dict[str, Any]) -> urllib3.ProxyManager:
    """A pool behind a proxy, which may be given without a scheme and with a user and a password."""
    import urllib3

    parts = urllib3.util.parse_url(proxy if "://" in proxy else f"http://{proxy}")
    headers = urllib3.make_headers(proxy_basic_auth=unquote(parts.auth)) if parts.auth else None
    return urllib3.ProxyManager(parts._replace(auth=None).url, proxy_headers=headers, **settings)


def _netrc_login(host: str | None) -> Login | None:
    import netrc

    path = os.environ.get("NETRC") or os.path.expanduser("~/.netrc")
    if host is None or not os.path.exists(path):
        return None
    try:
        entry = netrc.netrc(path).authenticators(host)
    except (netrc.NetrcParseError, OSError, ValueError):
        return None
    return Login(entry[0], entry[2]) if entry else None


def _ask_keyring(service: str, user: str) -> Login | None:
    """What the program `keyring` has; nothing if it is not there. It is asked as uv and pip ask it."""
    if service.startswith("-") or user.startswith("-"):
        return None
    command = ["keyring", "get", service, *([user] if user else ["--mode", "creds"])]
    try:
        finished = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_KEYRING_SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    lines = finished.stdout.splitlines()
    if finished.returncode != 0 or len(lines) < (1 if user else 2):
        return None
    return Login(user, lines[0].rstrip()) if user else Login(lines[0], lines[1])
