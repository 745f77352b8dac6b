"""What of a URL, or of a text with URLs in it, may be shown and kept. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit, urlunsplit

_LOGIN = re.compile(r"(?<=://)(?!git@[^\s/@]+(?:[/\s]|$))[^\s/]+@")
"""A password may hold an `@` of its own; git's own user is no secret, and part of the address."""
_TOKEN = re.compile(r"(https?://(?:(?!/pool/|https?://)\S)*?/t/)[^/\s]+")
"""As conda's channels have it. In the pool of a Debian archive, `t` is the folder of packages with that letter.
A URL ends where the next begins, here and below, so that each is looked at once."""
_QUERY = re.compile(r"(://(?:(?!://)[^\s?#])*)\?[^\s#]*")


def without_credentials(url: str) -> str:
    """`url` without the user and password that may stand before its host; it can still be asked for."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def without_credentials_in(text: str) -> str:
    """`text` with every URL in it stripped of its user and password, and of a token in its path (`/t/TOKEN/`)."""
    return _TOKEN.sub(r"\1****", _LOGIN.sub("", text))


def without_secrets_in(text: str) -> str:
    """As `without_credentials_in`, and of each query, which may hold a signature or a token, only `?…` is left."""
    return _QUERY.sub(r"\1?…", without_credentials_in(text)) if "://" in text else text
