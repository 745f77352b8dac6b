"""What is said of a registry that does not do what it was asked for. No text of these holds what was sent to it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from builder.errors import EnvbuildError
from builder.oci.canonical import parse_json
from builder.oci.registry.patience import RETRIED_STATUSES, TransientError, retry_after

if TYPE_CHECKING:
    import urllib3

NETWORK_HINT = "Check the network, the proxy settings (`HTTPS_PROXY`) and the trusted certificates (`SSL_CERT_FILE`)"
_ANSWER_LIMIT = 1 << 20
_TEXT_LIMIT = 200
_MOST_ERRORS = 5
_CODE = re.compile(r"[A-Z_]{1,40}")
_HINTS = {
    404: "Check the name: some registries want a repository to be made before something is pushed to it",
    405: "The registry may be a mirror or a cache that is only read: push to where it is filled from",
    413: "Ask who runs the registry for more space or for larger uploads",
    429: "Wait, or log in with `docker login`: many registries allow more then",
}


class AnswerError(EnvbuildError):
    """The registry answered that it does not do it."""

    status = 0


class RefusedError(AnswerError):
    """The registry does not let this login do it."""


def failure(
    response: urllib3.BaseHTTPResponse, repository: str, path: str, pushing: bool, secrets: Collection[str]
) -> EnvbuildError:
    """The error for an answer that is no success to a request for `path` in `repository`, of which the body is read."""
    status = response.status
    codes, texts = _said(response, secrets)
    answer = (f"the registry answered {' '.join((str(status), *codes))}", *texts)
    kind, _, name = path.partition("/")
    if status in RETRIED_STATUSES:
        return _transient(response, repository, pushing, answer)
    if status in (401, 403):
        return refusal(repository, pushing, answer)
    if status == 404 and not pushing:
        joint = "@" if ":" in name else ":"
        thing = f"image `{repository}{joint}{name}`" if kind == "manifests" else f"blob {name} in `{repository}`"
        return EnvbuildError(f"there is no {thing}", answer)
    error = AnswerError(_cannot(repository, pushing), answer, _HINTS.get(status) if pushing else None)
    error.status = status
    return error


def refusal(repository: str, pushing: bool, why: str | tuple[str, ...]) -> RefusedError:
    """The error where a login is missing, wrong or of too few rights."""
    login = f"log in with `docker login {repository.partition('/')[0]}`"
    if pushing:
        return RefusedError(
            f"`{repository}` cannot be pushed to: not by this login, or under another name",
            why,
            f"Check the name, {login}, or ask for the right to push there",
        )
    return RefusedError(
        f"`{repository}` cannot be read: it is not there, or not for this login", why, f"Check the name, or {login}"
    )


def unreachable(host: str, why: str) -> TransientError:
    """The error where no answer came."""
    return TransientError(f"the registry `{host}` cannot be reached", why, NETWORK_HINT)


def read_all(response: urllib3.BaseHTTPResponse, limit: int, what: str) -> bytes:
    """The body of an answer.

    Raises: EnvbuildError, if it has more than `limit` bytes; TransientError, if it breaks off.
    """
    import urllib3

    data = bytearray()
    try:
        while chunk := response.read(1 << 16, decode_content=False):
            data += chunk
            if len(data) > limit:
                raise EnvbuildError(f"{what} answered with more than {limit} bytes")
    except (urllib3.exceptions.HTTPError, OSError) as error:
        raise TransientError(f"the answer of {what} broke off", reason(error), NETWORK_HINT) from error
    return bytes(data)


def reason(error: Exception) -> str:
    """What went wrong on the way, without a URL: the address that a registry sends us to can be a secret."""
    import urllib3

    cause = getattr(error, "reason", None) or error
    if isinstance(cause, urllib3.exceptions.LocationValueError):
        return type(cause).__name__
    return f"{type(cause).__name__}: {cause}".partition(" with url: ")[0].strip()


def _transient(
    response: urllib3.BaseHTTPResponse, repository: str, pushing: bool, answer: tuple[str, ...]
) -> TransientError:
    error = TransientError(_cannot(repository, pushing), answer, _HINTS.get(response.status))
    error.pause = retry_after(response.headers.get("Retry-After"))
    error.status = response.status
    return error


def _cannot(repository: str, pushing: bool) -> str:
    return f"`{repository}` cannot be {'pushed to' if pushing else 'read'}"


def _said(response: urllib3.BaseHTTPResponse, secrets: Collection[str]) -> tuple[list[str], list[str]]:
    """The codes and texts of a registry's errors (distribution-spec, "Error Codes"), but for texts with secrets."""
    codes, texts = [], []
    for code, text in _errors(response):
        if _CODE.fullmatch(code):
            codes.append(code)
        if text and not any(secret in text for secret in secrets):
            texts.append(text[:_TEXT_LIMIT])
    return codes, texts


def _errors(response: urllib3.BaseHTTPResponse) -> Iterator[tuple[str, str]]:
    with suppress(EnvbuildError, KeyError, TypeError, AttributeError):
        document = parse_json(read_all(response, _ANSWER_LIMIT, "it"), "it")
        for entry in document["errors"][:_MOST_ERRORS]:
            code, text = entry.get("code"), entry.get("message")
            yield code if isinstance(code, str) else "", text if isinstance(text, str) else ""
