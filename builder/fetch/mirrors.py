"""Which URL to ask instead of the one in a lock, and with which credentials. Pure.

A lock names the archives' own URLs, so that it means the same on every machine; a mirror is a setting of the
machine that fetches. Credentials are taken out of a mirror's URL here, and travel apart from it.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit, urlunsplit

from builder.errors import EnvbuildError

PYPI_INDEX = "https://pypi.org/simple/"
PYPI_FILES = "https://files.pythonhosted.org/packages/"
DEBIAN_ARCHIVE = "http://deb.debian.org/debian/"
DEBIAN_SECURITY_ARCHIVE = "http://deb.debian.org/debian-security/"
DEBIAN_SNAPSHOT = "http://snapshot.debian.org/"
STANDALONE_PYTHONS = tuple(
    f"https://github.com/{owner}/python-build-standalone/releases/download/" for owner in ("astral-sh", "indygreg")
)
"""Where standalone interpreters are published, now and before."""

_PYPI_FILE_PATH = re.compile(r".*/packages/([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+)")


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The mirrors of one machine."""

    prefixes: tuple[tuple[str, str], ...] = ()
    """Pairs of a prefix of a URL and what stands for it on the mirror."""
    python_index: str | None = None
    """A simple repository API (PEP 503, 691) that stands for PyPI."""
    authorizations: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The value of the Authorization header for a `host:port`, and for no other."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Mirrors:
        """Read UV_DEFAULT_INDEX, UV_INDEX_URL or PIP_INDEX_URL, and ENVBUILD_{DEBIAN,SNAPSHOT,PYTHON}_MIRROR."""
        names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
        index = next((variables[name] for name in names if variables.get(name)), None)
        debian = variables.get("ENVBUILD_DEBIAN_MIRROR", "").split()
        snapshot = variables.get("ENVBUILD_SNAPSHOT_MIRROR", "").strip()
        authorizations: dict[str, str] = {}
        for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
            for extra in variables.get(name, "").split():
                with suppress(EnvbuildError):  # they may be folders; uv judges them
                    _folder(extra, authorizations)
        prefixes = []
        if debian:
            main = _folder(debian[0], authorizations)
            security = _folder(debian[1] if len(debian) > 1 else _sibling(debian[0]), authorizations)
            prefixes += [(DEBIAN_ARCHIVE, main), (DEBIAN_SECURITY_ARCHIVE, security)]
        if snapshot:
            prefixes.append((DEBIAN_SNAPSHOT, _folder(snapshot, authorizations)))
        if pythons := variables.get("ENVBUILD_PYTHON_MIRROR", "").strip():
            prefixes += [(published, _folder(pythons, authorizations)) for published in STANDALONE_PYTHONS]
        python_index = _folder(index, authorizations) if index else None
        return cls(tuple(prefixes), None if python_index == PYPI_INDEX else python_index, authorizations)

    def candidates(self, url: str) -> tuple[str, ...]:
        """What to ask for `url`: the mirror's URL alone where there is a mirror for it, else `url`."""
        for prefix, replacement in self.prefixes:
            if url.startswith(prefix):
                return (replacement + url.removeprefix(prefix),)
        return (url,)

    def authorization(self, url: str) -> str | None:
        """The Authorization header to send to the host of `url`, if there is one."""
        return self.authorizations.get(urlsplit(url).netloc)


def canonical_pypi_url(url: str) -> str:
    """The URL on PyPI's own host, if `url` is a mirror's of the same layout; else `url` without credentials."""
    parts = urlsplit(without_credentials(url))
    match = _PYPI_FILE_PATH.fullmatch(parts.path)
    return PYPI_FILES + match[1] if match else urlunsplit(parts._replace(fragment=""))


def without_credentials(url: str) -> str:
    """`url` without the user and password that may stand before its host."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def without_credentials_in(text: str) -> str:
    """`text` with every URL in it stripped of its user and password."""
    return re.sub(r"(?<=://)[^\s/@]+@", "", text)


def _folder(url: str, authorizations: dict[str, str]) -> str:
    """The URL with a slash at its end; its credentials go to `authorizations`. uv's form `name=URL` is taken too."""
    url = re.sub(r"^[\w.-]+=(?=\w+:)", "", url)
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https", "file") and not parts.query and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise EnvbuildError(
            "a mirror in the environment variables is not a URL",
            "a form such as `http://mirror.example/debian` is expected",
        )
    credentials, _, host = parts.netloc.rpartition("@")
    if credentials:
        authorizations[host] = "Basic " + base64.b64encode(unquote(credentials).encode()).decode()
    return without_credentials(url).rstrip("/") + "/"


def _sibling(debian: str) -> str:
    """Where a mirror of Debian keeps the security archive: beside the main one."""
    return debian.rstrip("/").rpartition("/")[0] + "/debian-security"
