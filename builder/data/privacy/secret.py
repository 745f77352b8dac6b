"""The key of an anonymisation: read from a file or a descriptor, and never told."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

from builder.errors import EnvbuildError

_LEAST, _MOST = 32, 4096
_HINT = (
    "Make one with `(umask 077; openssl rand -base64 48 > FILE)`, and keep it where the data's guardians keep theirs"
)
_BLOCK = 64
"""Bytes that SHA-256 takes at once."""


class Key:
    """A secret key."""

    __slots__ = ("_secret",)

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def __repr__(self) -> str:
        return f"Key({self.identifier})"

    @property
    def identifier(self) -> str:
        """What tells one key from another, and nothing about it: a keyed hash of a constant."""
        return hmac.digest(self._secret, b"envbuild/key-identifier", "sha256").hex()[:16]

    def pads(self) -> tuple[bytes, bytes]:
        """What HMAC-SHA-256 (RFC 2104) puts in front of the message, and in front of the inner hash."""
        block = self._secret if len(self._secret) <= _BLOCK else hashlib.sha256(self._secret).digest()
        block = block.ljust(_BLOCK, b"\0")
        return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def read_key(path: Path) -> Key:
    """The key in a file that its owner alone can read. Raises: EnvbuildError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise EnvbuildError(f"the key `{path}` is no file", hint="A pipe is read with `--key-fd`")
            if status.st_mode & 0o077:
                raise EnvbuildError(
                    f"the key `{path}` can be read by others than its owner",
                    f"its mode is {stat.S_IMODE(status.st_mode):04o}", f"Run `chmod 600 {path}`",
                )  # fmt: skip
            return _checked(os.read(descriptor, _MOST + 1), f"`{path}`")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise EnvbuildError(f"the key `{path}` cannot be read", error.strerror or "", _HINT) from error


def read_key_of(descriptor: int) -> Key:
    """The key in a file descriptor, to its end. Raises: EnvbuildError."""
    data = b""
    try:
        while len(data) <= _MOST and (more := os.read(descriptor, _MOST + 1)):
            data += more
    except OSError as error:
        raise EnvbuildError(f"file descriptor {descriptor} cannot be read", error.strerror or "") from error
    return _checked(data, f"of file descriptor {descriptor}")


def _checked(data: bytes, what: str) -> Key:
    secret = data.rstrip(b"\r\n")
    if len(data) > _MOST:
        raise EnvbuildError(f"the key {what} is too long", f"it has more than {_MOST} bytes", _HINT)
    if len(secret) < _LEAST:
        raise EnvbuildError(f"the key {what} is too short", f"it needs at least {_LEAST} bytes", _HINT)
    if len(set(secret)) < 10:
        raise EnvbuildError(f"the key {what} is not random", "it has hardly any different characters", _HINT)
    return Key(secret)
