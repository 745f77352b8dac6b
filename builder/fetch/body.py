"""The bytes that a URL gives, wherever they come from."""

from __future__ import annotations

from typing import Protocol


class Body(Protocol):
    """The bytes of an answer."""

    offset: int
    """Where in the whole file the first byte stands."""
    size: int | None
    """Bytes of the whole file, where it is told beforehand."""

    def read(self, amount: int) -> bytes:
        """The next bytes; empty at the end. Raises: TransportError."""
