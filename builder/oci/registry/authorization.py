"""What proves to a registry who one is: a password, or a token that its token service gives for what is to be done.

A password goes to the registry itself and to the token service that it names, a token to the registry alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from builder.errors import EnvbuildError
from builder.oci.canonical import parse_json
from builder.oci.registry.challenge import Challenge
from builder.oci.registry.credentials import Credentials, Login
from builder.oci.registry.failure import read_all, refusal
from builder.oci.registry.patience import RETRIED_STATUSES, TransientError, retry_after
from builder.oci.registry.reference import Reference

if TYPE_CHECKING:
    import urllib3

Send = Callable[..., "urllib3.BaseHTTPResponse"]
"""Sends a request once: method, URL, headers, body."""

_ANSWER_LIMIT = 1 << 20
_TOKEN = re.compile(r"[!-~]{1,65536}")
_MOST_SCOPES = 10


class Authorizer:
    """Answers the challenges of one registry for one repository."""

    def __init__(self, reference: Reference, pushing: bool, credentials: Credentials, send: Send) -> None:
        self._reference = reference
        self._pushing = pushing
        self._credentials = credentials
        self._send = send
        self.secrets: set[str] = set()
        """What was sent to prove it, which no message may repeat."""

    @property
    def _name(self) -> str:
        return f"{self._reference.registry}/{self._reference.repository}"

    def answer(self, challenge: Challenge, more: Sequence[str]) -> str | None:
        """What to send to the registry from now on; None if this machine has nothing for it.

        `more` are scopes that are needed besides.

        Raises: RefusedError; TransientError; EnvbuildError, if the token service cannot be trusted or understood.
        """
        login = self._credentials.login(self._reference.registry, self._reference.repository)
        self.secrets |= login.secrets if login else set()
        if challenge.scheme == "basic":
            return login.basic if login else None
        token = (login and login.registry_token) or self._token(challenge, login, more)
        self.secrets.add(token)
        return f"Bearer {token}"

    def _token(self, challenge: Challenge, login: Login | None, more: Sequence[str]) -> str:
        """By docker's token specification; an identity token is exchanged by its OAuth 2.0 form."""
        realm = self._realm(challenge.parameters.get("realm", ""))
        service = challenge.parameters.get("service", "")
        scopes = self._scopes(challenge, more)
        if login and login.identity_token:
            grant = {"grant_type": "refresh_token", "refresh_token": login.identity_token, "client_id": "envbuild"}
            body = urlencode({"service": service, "scope": " ".join(scopes), **grant})
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            response = self._send("POST", realm, headers, body.encode())
        else:
            basic = login.basic if login else None
            fields = [("service", service)] if service else []
            query = urlencode([*fields, *(("scope", scope) for scope in scopes)])
            separator = "&" if urlsplit(realm).query else "?"
            response = self._send("GET", f"{realm}{separator}{query}", {"Authorization": basic} if basic else {})
        return self._token_in(response, urlsplit(realm).netloc)

    def _scopes(self, challenge: Challenge, more: Sequence[str]) -> list[str]:
        """What the registry says is needed for this request, and what is known to be needed for the next."""
        actions = "pull,push" if self._pushing else "pull"
        own = f"repository:{self._reference.repository}:{actions}"
        asked = challenge.parameters.get("scope", "").split()[:_MOST_SCOPES]
        if not self._pushing:
            return [*(asked or [own]), *more]
        reads = f"repository:{self._reference.repository}:pull"
        return list(dict.fromkeys([own, *(scope for scope in asked if scope != reads), *more]))

    def _realm(self, realm: str) -> str:
        """Where the token service is: never without TLS, unless the registry itself is spoken to without."""
        try:
            parts = urlsplit(realm)
            usable = parts.hostname is not None and parts.port != 0 and "@" not in parts.netloc
        except ValueError:
            usable = False
        if not usable or parts.scheme not in ("https", urlsplit(self._reference.url).scheme):
            raise EnvbuildError(
                f"`{self._reference.registry}` asks for a token of a service that cannot be trusted",
                "its address is no URL, holds a login, or is without TLS",
            )
        return urlunsplit(parts._replace(fragment=""))

    def _token_in(self, response: urllib3.BaseHTTPResponse, service: str) -> str:
        with closing(response):
            if response.status in (400, 401, 403):
                raise refusal(self._name, self._pushing, f"its token service `{service}` answered {response.status}")
            if response.status in RETRIED_STATUSES:
                error = TransientError(f"the token service `{service}` answered {response.status}")
                error.pause = retry_after(response.headers.get("Retry-After"))
                raise error
            if response.status != 200:
                raise EnvbuildError(f"the token service `{service}` answered {response.status}")
            document = parse_json(read_all(response, _ANSWER_LIMIT, f"`{service}`"), f"the answer of `{service}`")
        token: Any = None
        if isinstance(document, dict):
            token = document.get("token") or document.get("access_token")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise EnvbuildError(f"the token service `{service}` answered without a token")
        return token
