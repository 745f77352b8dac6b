"""A record inside a bundle: one document of `/bundle`, which `bundle.json` lists by digest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.oci.digest import Digest

JSON, YAML, MARKDOWN, TEXT = "application/json", "application/yaml", "text/markdown", "text/plain"
"""Media types that records of several roles have."""


@dataclass(frozen=True, slots=True)
class Record:
    """A document about the bundle."""

    path: str
    """Below `/bundle`: `sbom.cdx.json`."""
    role: str
    """What it is, in a word: `readme`, `diagram`, `launcher`, `spec`, `input`, `lock`, `data-lock`, `model-card`,
    `dataset`, `licenses`, `license-text`, `sbom`."""
    media_type: str
    data: bytes

    def to_dict(self) -> dict[str, Any]:
        """Its entry in `bundle.json`."""
        return {
            "path": self.path,
            "role": self.role,
            "mediaType": self.media_type,
            "digest": str(Digest.of(self.data)),
            "size": len(self.data),
        }
