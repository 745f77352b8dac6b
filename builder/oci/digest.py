"""Content digests (OCI image-spec, descriptor.md, "Digests"). Only sha256 is made and taken."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError

_FORM = re.compile(r"sha256:([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The SHA-256 of some bytes."""

    hex: str
    """64 lower-case hexadecimal digits."""

    def __post_init__(self) -> None:
        if not _FORM.fullmatch(f"sha256:{self.hex}"):
            raise EnvbuildError(f"`{self.hex[:80]}` is not a SHA-256", "64 lower-case hexadecimal digits are expected")

    @classmethod
    def parse(cls, text: Any) -> Digest:
        """Read the form `sha256:<hex>`.

        Raises: EnvbuildError, if it is of another form or algorithm.
        """
        match = _FORM.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise EnvbuildError(
                f"`{str(text)[:80]}` is not a digest", "`sha256:` and 64 hexadecimal digits are expected"
            )
        return cls(match[1])

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The digest of `data`."""
        return cls(hashlib.sha256(data).hexdigest())

    def __str__(self) -> str:
        return f"sha256:{self.hex}"
