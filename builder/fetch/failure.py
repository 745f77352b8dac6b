"""What can go wrong while a URL is read. No text of these holds credentials."""

from __future__ import annotations


class TransportError(Exception):
    """A URL could not be read; the text says why and holds no credentials."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status
        """Of the answer, or what stands for it (RFC 9110, section 15); None if there was none."""


class InterruptedTransferError(TransportError):
    """The bytes stopped on the way; asking for the rest may help."""


class RangeError(InterruptedTransferError):
    """The server has nothing from the offset on that was asked for."""
