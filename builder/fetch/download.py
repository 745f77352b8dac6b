"""Receiving one file that has a digest: resumed where a connection breaks, and checked when it is whole."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from dataclasses import dataclass, field
from typing import BinaryIO

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch.failure import InterruptedTransferError, RangeError, TransportError
from builder.fetch.source import Source
from builder.fetch.transport import Transport
from builder.oci.layout import CHUNK
from builder.progress import Progress

_RESUMPTIONS = 4


@dataclass(frozen=True, slots=True)
class Download:
    """Receives files. Safe for several threads, each with a file of its own."""

    transport: Transport
    progress: Progress
    stopped: threading.Event = field(default_factory=threading.Event)
    """Set, where what is being received is not wanted any more."""

    def receive(self, source: Source, url: str, file: BinaryIO) -> None:
        """Append to the partial `file` until it is whole, resuming where a connection breaks.

        Raises: TransportError; DigestMismatchError, if other bytes came.
        """
        for attempt in range(_RESUMPTIONS + 1):
            try:
                self._append(source, url, file)
                return
            except InterruptedTransferError as error:
                if isinstance(error, RangeError):
                    file.truncate(0)  # what was kept is no part of what the server has
                if attempt == _RESUMPTIONS:
                    raise
                time.sleep(0.2 * 2**attempt)

    def _append(self, source: Source, url: str, file: BinaryIO) -> None:
        size = file.seek(0, os.SEEK_END)
        if source.size is not None and size >= source.size:
            size = file.truncate(0)
        with self.transport.open(url, offset=size) as body:
            if body.offset != size:
                file.truncate(body.offset if body.offset < size else 0)
                if body.offset > size:
                    raise TransportError("the server answered with another range than was asked for")
            checksum = hash_of(file)
            while chunk := body.read(CHUNK):
                file.write(chunk)
                checksum.update(chunk)
                self._check_progress(source, len(chunk), file.tell())
        file.flush()
        if source.size is not None and file.tell() < source.size:
            raise InterruptedTransferError(f"{file.tell()} of {source.size} bytes were sent")
        if checksum.hexdigest() != source.digest.hex:
            if body.offset:
                file.truncate(0)
                raise InterruptedTransferError("what was there before did not belong to this file")
            raise DigestMismatchError(f"its sha256 is {checksum.hexdigest()}, where {source.digest.hex} is expected")

    def _check_progress(self, source: Source, came: int, there: int) -> None:
        self.progress.advance(source.name, came)
        if self.stopped.is_set():
            raise EnvbuildError(f"{source.name} was not fetched to its end", "another download failed")
        if source.size is not None and there > source.size:
            raise DigestMismatchError(f"more than {source.size} bytes were sent")


def hash_of(file: BinaryIO) -> hashlib._Hash:
    """The SHA-256 of a file's content, which is then at its end."""
    checksum = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(CHUNK):
        checksum.update(chunk)
    return checksum
