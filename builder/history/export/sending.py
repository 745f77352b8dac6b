"""Asking a server that runs are sent to: JSON over HTTP, with few retries; no answer or key reaches an error whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from builder.errors import EnvbuildError
from builder.fetch.connections import Connections, reason
from builder.fetch.failure import TransportError
from builder.fetch.redaction import without_credentials, without_secrets_in
from builder.oci.canonical import parse_json

_ANSWER_LIMIT = 16 << 20
"""Bytes of an answer at most."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    document: Any
    """JSON; None where it was none."""


@dataclass(frozen=True, slots=True)
class Sender:
    """A server that is asked below one URL, with its own authorization."""

    url: str
    """Without credentials."""
    connections: Connections
    authorization: str | None = field(default=None, repr=False)

    def send(self, path: str, document: Any, method: str = "POST") -> Answer:
        """The answer to a document, or to a query if there is none. Raises: EnvbuildError, if there is none."""
        import urllib3

        url = self.url.rstrip("/") + path if path else self.url
        headers = {"Content-Type": "application/json", "User-Agent": "envbuild", "Accept": "application/json"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        body = None if document is None else json.dumps(document, allow_nan=False).encode()
        try:
            response = self.connections.pool(url).request(
                method, url, body=body, headers=headers, redirect=False, preload_content=False
            )
            try:
                data = response.read(_ANSWER_LIMIT + 1)
            finally:
                response.close()
        except (urllib3.exceptions.HTTPError, OSError, TransportError) as error:
            why = str(error) if isinstance(error, TransportError) else reason(error)
            raise self.failure(without_secrets_in(why)) from error
        if len(data) > _ANSWER_LIMIT:
            raise self.failure(f"its answer is larger than {_ANSWER_LIMIT} bytes")
        return Answer(response.status, _document(data))

    def expect(self, path: str, document: Any, method: str = "POST") -> Any:
        """As `send`, of what must succeed: the document of the answer. Raises: EnvbuildError."""
        answer = self.send(path, document, method)
        if not 200 <= answer.status < 300:
            raise self.refused(answer)
        return answer.document

    def refused(self, answer: Answer) -> EnvbuildError:
        """An error for an answer that is no success."""
        found = answer.document if isinstance(answer.document, Mapping) else {}
        message = str(found.get("message") or found.get("error") or "").replace("\n", " ")[:300]
        text = f"the server answered {answer.status}" + (f": {message}" if message else "")
        hint = "Check the credentials in the environment" if answer.status in (401, 403) else None
        return self.failure(text, hint)

    def failure(self, why: str, hint: str | None = "Check the URL and the network") -> EnvbuildError:
        """An error that names the server and holds no secret."""
        secret = (self.authorization or "").rpartition(" ")[2]
        told = why.replace(secret, "****") if secret else why
        return EnvbuildError(f"runs could not be sent to `{without_secrets_in(self.url)}`", told, hint)


def checked_url(url: str, what: str) -> str:
    """A URL of HTTP without credentials. Raises: EnvbuildError, naming `what`, if it is none."""
    try:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or (parts.port or 1) < 1:
            raise ValueError("a URL of http or https is expected")
    except ValueError as error:
        raise EnvbuildError(f"{what} is no URL that runs can be sent to", str(error)) from error
    return without_credentials(url)


def _document(data: bytes) -> Any:
    try:
        return parse_json(data, "the answer")
    except EnvbuildError:
        return None
