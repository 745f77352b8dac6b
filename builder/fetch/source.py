"""What can be fetched. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from builder.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Source:
    """A file to fetch: its digest and size, and where it may be had, best first."""

    digest: Digest
    size: int | None
    """In bytes, where it is known."""
    urls: tuple[str, ...]
    name: str
    """What to call it in progress and messages."""
