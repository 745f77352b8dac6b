"""The only download: by digest into the store, resumable, in parallel, over mirrors.

Also reads the few small documents that have no digest yet, for `lock` alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

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


class Fetcher:
    """Fetches into a store. (Interface fixed; body follows.)"""

    def read(self, urls: Sequence[str], limit: int) -> bytes:
        """A small document that has no digest, of `limit` bytes at most, from the first URL that answers."""
        raise NotImplementedError

    def blob(self, source: Source) -> Path:
        """The verified file of `source` in the store."""
        raise NotImplementedError

    def blobs(self, sources: Iterable[Source]) -> dict[Digest, Path]:
        """The verified files of all sources, fetched in parallel."""
        raise NotImplementedError
