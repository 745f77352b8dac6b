"""A base that is an image of a registry: what a lock keeps of it, so that a plan needs no download. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.oci.digest import Digest
from builder.oci.documents import Descriptor


@dataclass(frozen=True, slots=True)
class BaseImage:
    """One platform's image, pinned by digest."""

    reference: str
    """`registry/repository:tag`, as the spec names it, in full."""
    manifest: Descriptor
    """Of this platform's manifest, not of an index."""
    config: Descriptor
    layers: tuple[Descriptor, ...]
    """Lowest first."""
    diff_ids: tuple[Digest, ...]
    """Of the uncompressed layers, lowest first."""
    glibc: str
    """Its C library's version, as in `2.36`: decides which wheels run."""
    user: str = ""
    working_directory: str = ""
    environment: tuple[str, ...] = ()
    """`NAME=value`."""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As the lock has it; what is empty is left out."""
        document: dict[str, Any] = {
            "image": self.reference,
            "manifest": self.manifest.to_dict(),
            "config": self.config.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
            "diff-ids": list(map(str, self.diff_ids)),
            "glibc": self.glibc,
        }
        optional = {
            "user": self.user,
            "working-directory": self.working_directory,
            "environment": list(self.environment),
            "entrypoint": list(self.entrypoint),
            "command": list(self.command),
        }
        return document | {key: value for key, value in optional.items() if value}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> BaseImage:
        """From the lock. Raises: KeyError, TypeError, EnvbuildError."""
        return cls(
            str(document["image"]),
            Descriptor.from_dict(document["manifest"]),
            Descriptor.from_dict(document["config"]),
            tuple(map(Descriptor.from_dict, document["layers"])),
            tuple(map(Digest.parse, document["diff-ids"])),
            str(document["glibc"]),
            str(document.get("user", "")),
            str(document.get("working-directory", "")),
            tuple(map(str, document.get("environment", ()))),
            tuple(map(str, document.get("entrypoint", ()))),
            tuple(map(str, document.get("command", ()))),
        )
