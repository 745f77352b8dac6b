"""A base that is an image of a registry: what a lock keeps of it, so that a plan needs no download. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import (
    LAYER_TYPES,
    MEDIA_TYPE_LAYER,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_LAYER_ZSTD,
    Descriptor,
    ImageConfig,
)

_DOCKER_LAYERS = {
    "application/vnd.docker.image.rootfs.diff.tar": MEDIA_TYPE_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar.gzip": MEDIA_TYPE_LAYER_GZIP,
    "application/vnd.docker.image.rootfs.diff.tar.zstd": MEDIA_TYPE_LAYER_ZSTD,
}
"""What docker's own format calls layers, and what OCI's calls the same bytes."""


@dataclass(frozen=True, slots=True, order=True)
class Folder:
    """A directory of an image that layers above it name too, and so must repeat as it is."""

    path: str
    """Relative to the root."""
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    filled: bool = False
    """Whether there is something in it."""

    def to_dict(self) -> dict[str, Any]:
        """As the lock has it; what is usual is left out."""
        document: dict[str, Any] = {"path": self.path, "mode": f"{self.mode:04o}"}
        optional = {"uid": self.uid, "gid": self.gid, "filled": self.filled}
        return document | {key: value for key, value in optional.items() if value}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Folder:
        """From the lock. Raises: KeyError, TypeError, ValueError."""
        return cls(
            str(document["path"]),
            int(document["mode"], 8) & 0o7777,
            int(document.get("uid", 0)),
            int(document.get("gid", 0)),
            bool(document.get("filled", False)),
        )


@dataclass(frozen=True, slots=True)
class Settings:
    """What an image's config tells engines, besides its environment."""

    user: str = ""
    working_directory: str = ""
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    """`8080/tcp`, sorted."""
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, config: ImageConfig) -> Settings:
        """Those of a config."""
        return cls(
            config.user,
            config.working_dir,
            config.entrypoint,
            config.cmd,
            config.exposed_ports,
            config.volumes,
            config.stop_signal,
            config.labels,
        )

    def to_dict(self) -> dict[str, Any]:
        """As the lock has it; what is empty is left out."""
        document = {
            "user": self.user,
            "working-directory": self.working_directory,
            "entrypoint": list(self.entrypoint),
            "command": list(self.command),
            "ports": list(self.ports),
            "volumes": list(self.volumes),
            "stop-signal": self.stop_signal,
            "labels": dict(self.labels),
        }
        return {key: value for key, value in document.items() if value}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Settings:
        """From the lock. Raises: TypeError, AttributeError."""
        return cls(
            str(document.get("user", "")),
            str(document.get("working-directory", "")),
            tuple(map(str, document.get("entrypoint", ()))),
            tuple(map(str, document.get("command", ()))),
            tuple(map(str, document.get("ports", ()))),
            tuple(map(str, document.get("volumes", ()))),
            str(document.get("stop-signal", "")),
            {str(name): str(text) for name, text in document.get("labels", {}).items()},
        )


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
    environment: tuple[str, ...] = ()
    """`NAME=value`."""
    settings: Settings = field(default_factory=Settings)
    history: tuple[str, ...] = ()
    """What each layer holds, lowest first; empty if the image does not tell."""
    folders: tuple[Folder, ...] | None = None
    """Those of the folders of an environment that it has itself, sorted. None in a lock that does not tell."""

    @property
    def oci_layers(self) -> tuple[Descriptor, ...]:
        """The layers as a manifest of OCI's format names them: the same blobs.

        Raises: EnvbuildError, if one is of a type that has no place there.
        """
        return tuple(map(oci_layer, self.layers))

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
        optional = {"environment": list(self.environment), **self.settings.to_dict(), "history": list(self.history)}
        document |= {key: value for key, value in optional.items() if value}
        return document if self.folders is None else document | {"folders": [one.to_dict() for one in self.folders]}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> BaseImage:
        """From the lock. Raises: KeyError, TypeError, ValueError, AttributeError, EnvbuildError."""
        folders = document.get("folders")
        layers = tuple(map(Descriptor.from_dict, document["layers"]))
        diff_ids = tuple(map(Digest.parse, document["diff-ids"]))
        history = tuple(map(str, document.get("history", ())))
        if len(layers) != len(diff_ids) or (history and len(history) != len(layers)):
            raise ValueError("the layers of a base do not belong together")
        return cls(
            str(document["image"]),
            Descriptor.from_dict(document["manifest"]),
            Descriptor.from_dict(document["config"]),
            layers,
            diff_ids,
            str(document["glibc"]),
            tuple(map(str, document.get("environment", ()))),
            Settings.from_dict(document),
            history,
            None if folders is None else tuple(map(Folder.from_dict, folders)),
        )


def oci_layer(layer: Descriptor) -> Descriptor:
    """A layer as a manifest of OCI's format names it.

    Raises: EnvbuildError, if it is of a type that has no place there, as one that must not be passed on.
    """
    media_type = _DOCKER_LAYERS.get(layer.media_type, layer.media_type)
    if media_type not in LAYER_TYPES:
        raise EnvbuildError(
            f"layer {layer.digest} cannot be taken over", f"it is of the type `{layer.media_type[:100]}`"
        )
    return Descriptor(media_type, layer.digest, layer.size)
