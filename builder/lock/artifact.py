"""Locked artifacts: where a file can be had, and which bytes it must have. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.fetch import Source
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

    @property
    def source(self) -> Source:
        """What to fetch."""
        return Source(self.digest, self.size, self.urls, f"{self.name} {self.version}")

    def to_dict(self) -> dict[str, Any]:
        """As the lock has it."""
        return {
            "name": self.name,
            "version": self.version,
            "architecture": self.architecture,
            "sha256": self.digest.hex,
            "size": self.size,
            "urls": list(self.urls),
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> DebianPackage:
        """From the lock. Raises: KeyError, TypeError, EnvbuildError."""
        return cls(
            str(document["name"]),
            str(document["version"]),
            str(document["architecture"]),
            Digest(document["sha256"]),
            int(document["size"]),
            tuple(map(str, document["urls"])),
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
    """The index's own, without credentials."""

    @property
    def source(self) -> Source:
        """What to fetch."""
        return Source(self.digest, self.size, (self.url,), f"{self.name} {self.version}")
