"""Which URL to ask instead of the one in a lock, and with which credentials. Pure.

A lock names the archives' own URLs, so that it means the same on every machine; a mirror is a setting of the
machine that fetches. Credentials are taken out of a mirror's URL here, and travel apart from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from builder.errors import EnvbuildError
from builder.fetch.access import Access, Login
from builder.fetch.redaction import without_credentials

PYPI_INDEX = "https://pypi.org/simple/"
PYPI_FILES = "https://files.pythonhosted.org/packages/"
DEBIAN_ARCHIVE = "http://deb.debian.org/debian/"
DEBIAN_SECURITY_ARCHIVE = "http://deb.debian.org/debian-security/"
DEBIAN_SNAPSHOT = "http://snapshot.debian.org/"
STANDALONE_PYTHONS = tuple(
    f"https://github.com/{owner}/python-build-standalone/releases/download/" for owner in ("astral-sh", "indygreg")
)
"""Where standalone interpreters are published, now and before."""
PYTORCH_WHEELS = ("https://download.pytorch.org/whl/", "https://download-r2.pytorch.org/whl/")
"""Where PyTorch's indexes are, and another host with the same files, which their pages name."""

_PYPI_FILE_PATH = re.compile(r".*/packages/([0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[^/]+)")


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The mirrors of one machine."""

    prefixes: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Pairs of a prefix of a URL and what stands for it on the mirror."""
    python_index: str | None = None
    """A simple repository API (PEP 503, 691) that stands for PyPI."""
    more_indexes: tuple[str, ...] = ()
    """Further indexes of this machine, without credentials, which are asked before PyPI."""
    access: Access = field(default_factory=Access)
    """The credentials of this machine."""
    built_wheels: str | None = None
    """Where the team keeps wheels that were built from source, by digest; without credentials."""

    @classmethod
    def from_environment(cls, variables: Mapping[str, str]) -> Mirrors:
        """Read UV_DEFAULT_INDEX, UV_INDEX_URL or PIP_INDEX_URL, ENVBUILD_{DEBIAN,SNAPSHOT,PYTHON,PYTORCH}_MIRROR …."""
        names = ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL")
        index = next((variables[name] for name in names if variables.get(name)), None)
        debian = variables.get("ENVBUILD_DEBIAN_MIRROR", "").split()
        snapshot = variables.get("ENVBUILD_SNAPSHOT_MIRROR", "").strip()
        found = _Found(Access.from_environment(variables))
        more = []
        for name in ("UV_INDEX", "UV_EXTRA_INDEX_URL"):
            for extra in variables.get(name, "").split():
                with suppress(EnvbuildError):  # they may be folders; uv judges them
                    more.append(found.folder(extra))
        prefixes = []
        if debian:
            main = found.folder(debian[0])
            security = found.folder(debian[1] if len(debian) > 1 else _sibling(debian[0]))
            prefixes += [(DEBIAN_ARCHIVE, main), (DEBIAN_SECURITY_ARCHIVE, security)]
        if snapshot:
            prefixes.append((DEBIAN_SNAPSHOT, found.folder(snapshot)))
        if pythons := variables.get("ENVBUILD_PYTHON_MIRROR", "").strip():
            prefixes += [(published, found.folder(pythons)) for published in STANDALONE_PYTHONS]
        if pytorch := variables.get("ENVBUILD_PYTORCH_MIRROR", "").strip():
            prefixes += [(published, found.folder(pytorch)) for published in PYTORCH_WHEELS]
        python_index = found.folder(index) if index else None
        wheels = variables.get("ENVBUILD_WHEELS", "").strip()
        if wheels and "://" not in wheels:
            wheels = Path(wheels).absolute().as_uri()
        wheels = found.folder(wheels) if wheels else ""
        return cls(
            tuple(prefixes),
            None if python_index == PYPI_INDEX else python_index,
            tuple(dict.fromkeys(more)),
            found.access,
            wheels or None,
        )

    def with_indexes(self, indexes: Mapping[str, str]) -> Mirrors:
        """With the URLs of a spec's indexes by name, so that their credentials are known, which variables name."""
        return replace(self, access=self.access.with_indexes(indexes))

    def candidates(self, url: str) -> tuple[str, ...]:
        """What to ask for `url`, best first: the URLs of its mirrors where there are any, else `url`."""
        for prefix, _ in self.prefixes:
            if url.startswith(prefix):
                rest = url.removeprefix(prefix)
                return tuple(other + rest for known, other in self.prefixes if known == prefix)
        return (url,)

    def published(self, url: str) -> str:
        """The URL that a lock names: of PyTorch's files, wherever they were had, their place below its indexes."""
        places = (*(mirror for known, mirror in self.prefixes if known in PYTORCH_WHEELS), *PYTORCH_WHEELS)
        place = next((place for place in places if url.startswith(place)), None)
        return url if place is None else PYTORCH_WHEELS[0] + url.removeprefix(place)

    def authorization(self, url: str) -> str | None:
        """The Authorization header to send to the host of `url` first, if there is one."""
        return next((login.header for login in self.access.logins(url)), None)


def canonical_pypi_url(url: str) -> str:
    """The URL on PyPI's own host, if `url` is a mirror's of the same layout; else `url` without credentials."""
    parts = urlsplit(without_credentials(url))
    match = _PYPI_FILE_PATH.fullmatch(parts.path)
    return PYPI_FILES + match[1] if match else urlunsplit(parts._replace(fragment=""))


def is_folder(url: str) -> bool:
    """Whether it is a URL that files can lie below."""
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https", "file") and not parts.query and parts.port != 0
    except ValueError:
        return False


@dataclass(slots=True)
class _Found:
    """The credentials that were found in URLs."""

    access: Access

    def folder(self, url: str) -> str:
        """The URL with a slash at its end; its credentials are kept apart. uv's form `name=URL` is taken too."""
        match = re.match(r"([\w.-]+)=(?=\w+:)", url)
        url = url[match.end() :] if match else url
        if not is_folder(url):
            raise EnvbuildError(
                "a mirror in the environment variables is not a URL",
                "a form such as `http://mirror.example/debian` is expected",
            )
        bare = without_credentials(url).rstrip("/") + "/"
        if login := Login.of_url(url):
            self.access = self.access.with_place(bare, login)
        elif match:
            self.access = self.access.with_indexes({match[1]: bare})
        return bare


def _sibling(debian: str) -> str:
    """Where a mirror of Debian keeps the security archive: beside the main one."""
    return debian.rstrip("/").rpartition("/")[0] + "/debian-security"
