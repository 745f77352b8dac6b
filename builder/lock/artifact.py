"""A locked artifact: where a file can be had, and which bytes it must have."""

from __future__ import annotations

from dataclasses import dataclass

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
