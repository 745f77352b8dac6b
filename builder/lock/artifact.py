"""Locked artifacts: where a file can be had, and which bytes it must have. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.fetch import Source
from builder.lock.integrity import sealed
from builder.oci.digest import Digest


@dataclass(frozen=True, slots=True, order=True)
class DebianPackage:
    """One locked `.deb`."""

    name: str
    version: str
    """As in the index, epoch included."""
    architecture: str
    """`amd64`, `arm64` or `all`."""
    digest: Digest
    size: int
    """In bytes."""
    urls: tuple[str, ...]
    """The archive's own URL first, then the snapshot's, which stays when the archive has dropped the version."""
    dependencies: tuple[str, ...] = ()
    """The names of the locked packages that meet its needs, sorted."""

    @property
    def source(self) -> Source:
        """What to fetch."""
        return Source(self.digest, self.size, self.urls, f"{self.name} {self.version}")

    def to_dict(self) -> dict[str, Any]:
        """As the lock has it, with its check."""
        return sealed(
            {
                "name": self.name,
                "version": self.version,
                "architecture": self.architecture,
                "sha256": self.digest.hex,
                "size": self.size,
                "urls": list(self.urls),
                "dependencies": list(self.dependencies),
            }
        )

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> DebianPackage:
        """From the lock, whose integrity is looked at as a whole. Raises: KeyError, TypeError, EnvbuildError."""
        return cls(
            str(document["name"]),
            str(document["version"]),
            str(document["architecture"]),
            Digest(document["sha256"]),
            int(document["size"]),
            tuple(map(str, document["urls"])),
            tuple(map(str, document.get("dependencies", ()))),
        )


@dataclass(frozen=True, slots=True, order=True)
class Wheel:
    """One locked wheel."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    file_name: str
    digest: Digest
    size: int
    """In bytes."""
    url: str
    """The index's own, without credentials; empty for a wheel that was built, which only the store has."""
    dependencies: tuple[str, ...] = ()
    """The normalised names of the locked packages that it asks for, sorted."""
    license: str = ""
    """The SPDX expression, or what its metadata says of it in a few words."""
    built: Build | None = None
    """What it was built from, where its index has no wheel of it."""

    @property
    def source(self) -> Source:
        """What to fetch."""
        return Source(self.digest, self.size, (self.url,) if self.url else (), f"{self.name} {self.version}")


@dataclass(frozen=True, slots=True, order=True)
class Sdist:
    """One locked source distribution (or a checkout at a commit), of which a wheel is to be built."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    file_name: str
    digest: Digest
    """Of the file; of a checkout, of its archive as `git archive --format=tar` makes it."""
    size: int
    """In bytes."""
    url: str
    """The index's own without credentials, or `git+https://…@<commit>`."""
    dependencies: tuple[str, ...] = ()
    license: str = ""
    subdirectory: str = ""
    """Where in the archive the project is."""

    @property
    def source(self) -> Source:
        """What to fetch."""
        return Source(self.digest, self.size, (self.url,), f"{self.name} {self.version} (source)")


@dataclass(frozen=True, slots=True, order=True)
class Build:
    """What a wheel was built from: enough for another machine to build it again and compare."""

    sdist: Sdist
    requirements: tuple[Wheel, ...]
    """What was installed to build it, sorted by name."""
    debian: tuple[DebianPackage, ...] = ()
    """Compilers and headers that were there besides the environment's own packages, sorted by name."""


@dataclass(frozen=True, slots=True, order=True)
class CondaPackage:
    """One locked conda package (`.conda` or `.tar.bz2`)."""

    name: str
    version: str
    build: str
    """The build string."""
    subdir: str
    """`linux-64`, `linux-aarch64` or `noarch`."""
    digest: Digest
    md5: str
    """In hexadecimal, as conda-lock's format asks for it."""
    size: int
    """In bytes."""
    url: str
    """The channel's own, without credentials."""
    channel: str = ""
    """The URL of its channel without subdir and credentials, as `url` begins."""
    depends: tuple[str, ...] = ()
    """What it asks for, as match specifications (`numpy >=1.26,<2`), in the order of its metadata."""
    dependencies: tuple[str, ...] = ()
    """The names of the locked packages that meet its needs, sorted."""
    license: str = ""
    """As its metadata says."""

    @property
    def file_name(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    @property
    def source(self) -> Source:
        """What to fetch."""
        return Source(self.digest, self.size, (self.url,), f"{self.name} {self.version}")


@dataclass(frozen=True, slots=True)
class Archive:
    """A locked archive that is unpacked as a whole: a standalone interpreter."""

    url: str
    """The publisher's own."""
    digest: Digest
    size: int | None
    """In bytes, where the publisher tells it."""

    @property
    def file_name(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    @property
    def source(self) -> Source:
        """What to fetch."""
        return Source(self.digest, self.size, (self.url,), self.file_name)
