"""What can go wrong while a URL is read, and what to do about it. No text of these holds credentials. Pure."""

from __future__ import annotations

from collections.abc import Iterable

NETWORK_HINT = "Check the network, the proxy settings (`HTTPS_PROXY`) and the mirrors in the environment"
_ACCESS_HINT = (
    "Give credentials in `UV_INDEX_<NAME>_USERNAME` and `_PASSWORD` with the name of the index, in netrc or a keyring"
)
_CERTIFICATE_HINT = "Name the certificates of your organisation in `SSL_CERT_FILE`"


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


def hint_for(errors: Iterable[TransportError]) -> str:
    """What to do about failures, by the first that says it."""
    for error in errors:
        if error.status in (401, 403):
            return _ACCESS_HINT
        if "CERTIFICATE_VERIFY" in str(error):
            return _CERTIFICATE_HINT
    return NETWORK_HINT
