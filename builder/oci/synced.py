"""A file whose bytes go to the disk while more are written, so that little is left to wait for at its end."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from concurrent.futures import Future

STEP = 16 << 20
"""Bytes after which the disk is given what was written; smaller files are given to it once, at the end."""


class SyncedFile(io.FileIO):
    """An unbuffered file to write, opened by its descriptor. `sync` makes it durable."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor, "wb")
        self._behind = 0
        self._syncing: Future[None] | None = None

    def write(self, data: Any) -> int:
        """Append some of `data`; how many bytes. Raises: OSError, also of a write before that the disk refused."""
        count = super().write(data)
        self._behind += count
        if self._behind >= STEP and (self._syncing is None or self._syncing.done()):
            self._wait()
            self._behind = 0
            self._syncing = _beside(self.fileno())
        return count

    def sync(self) -> None:
        """Have all of it on the disk. Raises: OSError."""
        self._wait()
        os.fsync(self.fileno())

    def close(self) -> None:
        """Close it, when nothing syncs it any more."""
        if self._syncing is not None:
            self._syncing.exception()
        super().close()

    def _wait(self) -> None:
        """The kernel tells an error of the disk once: so whoever started a sync has to ask for its result."""
        if self._syncing is not None:
            self._syncing.result()


def _beside(descriptor: int) -> Future[None]:
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(1)
    try:
        return pool.submit(os.fdatasync, descriptor)
    finally:
        pool.shutdown(wait=False)
