"""What can go wrong while a URL is read, and what to do about it. No text of these holds credentials. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from builder.fetch.mirrors import STANDALONE_PYTHONS

NETWORK_HINT = "Check the network, the proxy settings (`HTTPS_PROXY`) and the mirrors in the environment"
_ACCESS_HINT = (
    "Give credentials in `UV_INDEX_<NAME>_USERNAME` and `_PASSWORD` with the name of the index, in netrc or a keyring"
)
_PYTHON_HINT = "Check the network and the proxy settings (`HTTPS_PROXY`), or name a mirror in `ENVBUILD_PYTHON_MIRROR`"
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


def hint_for(errors: Iterable[TransportError], urls: Iterable[str] = ()) -> str:
    """What to do about failures to read `urls`, by the first that says it."""
    of_python = any(url.startswith(STANDALONE_PYTHONS) for url in urls)
    for error in errors:
        if error.status in (401, 403) and not of_python:
            return _ACCESS_HINT
        if "CERTIFICATE_VERIFY" in str(error):
            return _CERTIFICATE_HINT
    return _PYTHON_HINT if of_python else NETWORK_HINT
