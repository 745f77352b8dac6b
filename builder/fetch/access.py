"""Who this machine is to which host: credentials by place, from environment variables. Pure.

Credentials belong to the host that they were given for, and to the longest path that they were given for there; no
other host is sent any. They are in no repr.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from posixpath import dirname
from urllib.parse import unquote, urlsplit

_NAMED = re.compile(r"UV_INDEX_(\w+)_(USERNAME|PASSWORD)")
_CERTIFICATES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Login:
    """A user, and a password if it is known."""

    user: str
    password: str | None = field(default=None, repr=False)

    @property
    def header(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password or ''}".encode()).decode()

    @classmethod
    def of_url(cls, url: str) -> Login | None:
        """What stands before the host of a URL."""
        text, separator, _ = urlsplit(url).netloc.rpartition("@")
        user, colon, password = text.partition(":")
        return cls(unquote(user), unquote(password) if colon else None) if separator else None


@dataclass(frozen=True, slots=True)
class Access:
    """What one machine knows of hosts that ask who it is."""

    places: tuple[tuple[str, Login], ...] = ()
    """URLs, without credentials, below which a login is good; in the order in which they were given."""
    names: Mapping[str, Login] = field(default_factory=dict)
    """Logins of indexes by the name that they have in variables, as in `UV_INDEX_<NAME>_USERNAME`."""
    indexes: tuple[str, ...] = ()
    """URLs of indexes that a spec names."""
    keyring: bool = False
    """Whether the program `keyring` is asked where a host refuses."""
    certificates: str | None = None
    """A file with the certificates to trust in place of the system's."""
    timeout: float = 60.0
    """Seconds to wait for a connection, and for the next bytes."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Access:
        """Read UV_INDEX_<NAME>_{USERNAME,PASSWORD}, UV_KEYRING_PROVIDER, UV_HTTP_TIMEOUT, SSL_CERT_FILE …."""
        parts: dict[str, dict[str, str]] = {}
        for name, value in variables.items():
            if match := _NAMED.fullmatch(name):
                parts.setdefault(match[1], {})[match[2]] = value
        names = {name: Login(found.get("USERNAME", ""), found.get("PASSWORD")) for name, found in parts.items()}
        keyring = variables.get("UV_KEYRING_PROVIDER") == "subprocess"
        certificates = next((variables[name] for name in _CERTIFICATES if variables.get(name)), None)
        seconds = variables.get("UV_HTTP_TIMEOUT", "")
        timeout = float(seconds) if seconds.isdecimal() and 0 < len(seconds) < 6 and int(seconds) else cls().timeout
        return cls(names=names, keyring=keyring, certificates=certificates, timeout=timeout)

    def with_place(self, url: str, login: Login) -> Access:
        """With a login for what is below a URL, and below the folder that it is in, where an index keeps its files."""
        return replace(self, places=(*self.places, (url, login)))

    def with_indexes(self, indexes: Mapping[str, str]) -> Access:
        """With the URLs of indexes by name, whose logins are known by name."""
        found = self
        for name, url in sorted(indexes.items()):
            login = self.names.get(variable_name(name))
            if login is not None and (url, login) not in found.places:
                found = found.with_place(url, login)
        return replace(found, indexes=tuple(dict.fromkeys((*self.indexes, *indexes.values()))))

    def logins(self, url: str) -> Iterator[Login]:
        """The logins to try for a URL, best first: that of the nearest place, then of other places around it.

        Where none is around it, the host's, if there is only one.
        """
        asked = _origin(url)
        here = [(place, login) for place, login in self.places if _origin(place) == asked]
        around = [(_nearness(place, url), login) for place, login in here]
        found = [login for near, login in sorted(around, key=lambda pair: -pair[0]) if near]
        if not found and len({login for _, login in here}) == 1:
            found = [here[0][1]]
        yield from dict.fromkeys(found)

    def services(self, url: str) -> Iterator[str]:
        """What a keyring may have the password of a URL under: the index that it is of, then its host."""
        nearest = sorted(
            (index for index in self.indexes if _origin(index) == _origin(url)),
            key=lambda index: -_nearness(index, url),
        )
        yield from nearest[:1]
        yield urlsplit(url).netloc.rpartition("@")[2]


def variable_name(index: str) -> str:
    """How the name of an index stands in the names of variables."""
    return re.sub(r"[^A-Z0-9]", "_", index.upper())


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454); of nothing that is no URL."""
    try:
        parts = urlsplit(url)
        return parts.scheme, (parts.hostname or "").lower(), parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", "", None


def _nearness(place: str, url: str) -> int:
    """How long a path the two share, if the URL is below the place or below the folder that the place is in; else 0."""
    path, wanted = urlsplit(place).path.rstrip("/"), urlsplit(url).path
    if ".." in unquote(wanted).split("/"):
        return 0
    folders = (f"{path}/", f"{dirname(path).rstrip('/')}/")
    return next((len(folder) for folder in folders if f"{wanted}/".startswith(folder)), 0)
