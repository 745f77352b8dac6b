"""A file that was chosen for a package, before it is known what it asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from builder.errors import EnvbuildError
from builder.fetch import Source
from builder.fetch.mirrors import canonical_pypi_url
from builder.fetch.redaction import without_credentials
from builder.lock.interface import Target
from builder.oci.digest import Digest


@dataclass(frozen=True, slots=True, order=True)
class Found:
    """A wheel or an sdist, where this machine can have it."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    file_name: str
    digest: Digest
    size: int | None
    """In bytes, where it is known."""
    url: str
    """Of the index that was asked, which may be a mirror; of a checkout `git+https://…@<commit>`."""
    subdirectory: str = ""
    """Where in an sdist the project is."""
    direct: bool = False
    """Whether the URL was asked for, and is to stay as it is."""
    metadata: Digest | None = None
    """Of the metadata that stands beside a wheel (PEP 658), where the index tells it."""

    @property
    def is_wheel(self) -> bool:
        """Whether it can be installed as it is."""
        return self.file_name.endswith(".whl")

    @property
    def source(self) -> Source:
        """What to fetch."""
        return Source(self.digest, self.size, (self.url,), self.file_name)


def public_url(found: Found, indexes: Iterable[str]) -> str:
    """The URL that every machine can use: PyPI's own where a mirror of it gave the file.

    `indexes` are the URLs of the indexes that the spec names, whose files stay where they are.
    """
    url = without_credentials(found.url)
    if found.direct or any(_belongs(url, index) for index in indexes):
        return url.partition("#")[0]
    return canonical_pypi_url(url)


def _belongs(url: str, index: str) -> bool:
    """Whether a file is on an index's host and, if several indexes share that, nearer to it than to the root."""
    parts, base = urlsplit(url), urlsplit(index)
    if (parts.scheme, parts.netloc) != (base.scheme, base.netloc):
        return False
    folder = PurePosixPath("/", base.path).parent
    return ".." not in parts.path.split("/") and PurePosixPath("/", parts.path).is_relative_to(folder)


def refused_sdist(name: str, version: str, target: Target, place: str = "") -> EnvbuildError:
    """Says that a package has no wheel, where nothing may be built."""
    where = f"{place}: " if place else ""
    return EnvbuildError(
        f"{where}`{name}`{f' {version}' if version else ''} has no wheel for {target.platform}",
        "there is a source distribution, and building from source is refused here",
        "Leave out `--no-sdist`, or ask for a version that has a wheel",
    )
