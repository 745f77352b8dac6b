"""The documents of the OCI image-spec 1.1 as immutable values: Descriptor, Manifest, Index, ImageConfig.

Pure: bytes in, values out, and back. What is not understood in a foreign document is kept out, never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.canonical import canonical_json, parse_json
from builder.oci.digest import Digest

MEDIA_TYPE_INDEX = "application/vnd.oci.image.index.v1+json"
MEDIA_TYPE_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MEDIA_TYPE_CONFIG = "application/vnd.oci.image.config.v1+json"
MEDIA_TYPE_EMPTY = "application/vnd.oci.empty.v1+json"
"""Of the config `{}` of an artifact that has none (manifest.md, "Guidance for an Empty Descriptor")."""
MEDIA_TYPE_LAYER = "application/vnd.oci.image.layer.v1.tar"
MEDIA_TYPE_LAYER_GZIP = f"{MEDIA_TYPE_LAYER}+gzip"
MEDIA_TYPE_LAYER_ZSTD = f"{MEDIA_TYPE_LAYER}+zstd"
LAYER_TYPES = frozenset({MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_LAYER_ZSTD})
"""What the layers of an image may be (image-spec, layer.md); those that are made here are gzip."""

DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
INDEXES = frozenset({MEDIA_TYPE_INDEX, DOCKER_INDEX})
MANIFESTS = frozenset({MEDIA_TYPE_MANIFEST, DOCKER_MANIFEST})

REF_NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"

_USUAL_VARIANTS = {"amd64": "v1", "arm64": "v8"}

_LARGEST = (1 << 63) - 1
"""Bytes of a blob at most (descriptor.md: an int64)."""
DOCUMENT_LIMIT = 4 * 1024 * 1024
"""Bytes of a manifest, index or config at most, as registries have it."""
MOST_LAYERS = 1000
"""Layers of an image at most that is read; of more, one is refused before memory is spent on it."""
MOUNTED_LAYERS = 127
"""Layers of an image at most that engines can mount."""


def name_annotations(name: str) -> dict[str, str]:
    """What gives an entry of `index.json` its `name:tag`, for readers of the specification and for containerd."""
    return {REF_NAME: name, CONTAINERD_NAME: f"docker.io/library/{name}"}


def pinned_name(name: str, digest: Digest) -> str:
    """The name of one image among those that have `name:tag` one after the other: `name:0123456789ab`."""
    return f"{name.rpartition(':')[0]}:{digest.hex[:12]}"


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def architecture_of(machine: str) -> str:
    """Go's name of the processor that a kernel calls `machine` (uname(2)); it is the same for most."""
    return _ARCHITECTURES.get(machine, machine)


@dataclass(frozen=True, slots=True, order=True)
class Platform:
    """An operating system and a processor architecture, in Go's names."""

    architecture: str
    os: str = "linux"
    variant: str | None = None

    @classmethod
    def parse(cls, text: str) -> Platform:
        """Read `linux/amd64` or `linux/arm/v7`."""
        parts = text.split("/")
        if len(parts) not in (2, 3) or not all(parts):
            raise EnvbuildError(f"`{text}` is not a platform", "a form like `linux/amd64` is expected")
        return cls(parts[1], parts[0], parts[2] if len(parts) == 3 else None)

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))

    def serves(self, wanted: Platform) -> bool:
        """Whether an image for this platform is one for `wanted`: a usual variant need not be told."""
        usual = (wanted.variant, _USUAL_VARIANTS.get(wanted.architecture))
        return (self.os, self.architecture) == (wanted.os, wanted.architecture) and self.variant in usual

    @property
    def slug(self) -> str:
        """The name with dashes, for file names."""
        return str(self).replace("/", "-")

    def to_dict(self) -> dict[str, str]:
        """As JSON has it."""
        document = {"architecture": self.architecture, "os": self.os}
        return document | ({"variant": self.variant} if self.variant else {})

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Platform:
        """From JSON."""
        variant = document.get("variant")
        return cls(_text(document, "architecture"), _text(document, "os"), None if variant is None else str(variant))


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A typed, sized reference to a blob."""

    media_type: str
    digest: Digest
    size: int
    """In bytes, as stored."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    platform: Platform | None = None
    artifact_type: str | None = None

    @property
    def is_artifact(self) -> bool:
        """Whether an index lists it as something else than an image: it has a type, or a platform that is none."""
        return self.artifact_type is not None or (self.platform is not None and self.platform.os == "unknown")

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        document: dict[str, Any] = {"mediaType": self.media_type, "digest": str(self.digest), "size": self.size}
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.platform:
            document["platform"] = self.platform.to_dict()
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        return document

    @classmethod
    def from_dict(cls, document: Any) -> Descriptor:
        """From JSON.

        Raises: EnvbuildError, if a field is missing or of the wrong type.
        """
        document = _mapping(document, "a descriptor")
        size = document.get("size")
        if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= _LARGEST:
            raise EnvbuildError("a descriptor has no valid `size`")
        platform = document.get("platform")
        artifact_type = document.get("artifactType")
        return cls(
            _text(document, "mediaType"),
            Digest.parse(document.get("digest")),
            size,
            _strings(document.get("annotations", {}), "annotations"),
            Platform.from_dict(_mapping(platform, "a platform")) if platform is not None else None,
            str(artifact_type) if artifact_type is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image of one platform: a config and layers, lowest first."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact_type: str | None = None
    subject: Descriptor | None = None

    def to_bytes(self) -> bytes:
        """The canonical bytes, whose digest names the image."""
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE_MANIFEST,
            "config": self.config.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        if self.artifact_type:
            document["artifactType"] = self.artifact_type
        if self.subject:
            document["subject"] = self.subject.to_dict()
        return canonical_json(document)

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """From JSON.

        Raises: EnvbuildError, if it is not an image manifest.
        """
        document = _mapping(parse_json(data, "a manifest"), "a manifest")
        if (
            document.get("schemaVersion") != 2
            or not isinstance(document.get("layers"), list)
            or "manifests" in document
        ):
            raise EnvbuildError("this is not an OCI image manifest", "`schemaVersion: 2` and `layers` are expected")
        subject = document.get("subject")
        artifact_type = document.get("artifactType")
        return cls(
            Descriptor.from_dict(document.get("config")),
            tuple(Descriptor.from_dict(layer) for layer in document["layers"]),
            _strings(document.get("annotations", {}), "annotations"),
            str(artifact_type) if artifact_type is not None else None,
            Descriptor.from_dict(subject) if subject is not None else None,
        )


@dataclass(frozen=True, slots=True)
class Index:
    """A list of manifests, one a platform (or further indexes)."""

    manifests: tuple[Descriptor, ...]
    annotations: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        document: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": MEDIA_TYPE_INDEX,
            "manifests": [manifest.to_dict() for manifest in self.manifests],
        }
        if self.annotations:
            document["annotations"] = dict(self.annotations)
        return canonical_json(document)

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """From JSON.

        Raises: EnvbuildError, if it is not an image index.
        """
        document = _mapping(parse_json(data, "an index"), "an index")
        if (
            document.get("schemaVersion") != 2
            or not isinstance(document.get("manifests"), list)
            or "layers" in document
        ):
            raise EnvbuildError("this is not an OCI image index", "`schemaVersion: 2` and `manifests` are expected")
        return cls(
            tuple(Descriptor.from_dict(manifest) for manifest in document["manifests"]),
            _strings(document.get("annotations", {}), "annotations"),
        )


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """What an engine needs to run an image (image-spec, config.md)."""

    platform: Platform
    created: str
    """RFC 3339, UTC."""
    diff_ids: tuple[Digest, ...]
    """Of the uncompressed layers, lowest first."""
    history: tuple[str, ...]
    """What each layer holds, lowest first."""
    env: tuple[str, ...] = ()
    """`NAME=value`, in order."""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    """`8080/tcp`."""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    """Folders that engines keep apart from the container's own file system."""

    def to_bytes(self) -> bytes:
        """The canonical bytes."""
        config: dict[str, Any] = {
            "Env": list(self.env),
            "Entrypoint": list(self.entrypoint),
            "Cmd": list(self.cmd),
            "User": self.user,
            "WorkingDir": self.working_dir,
            "Labels": dict(self.labels),
            "ExposedPorts": {port: {} for port in self.exposed_ports},
            "StopSignal": self.stop_signal,
            "Volumes": {path: {} for path in self.volumes},
        }
        document = {
            "created": self.created,
            "config": {key: value for key, value in config.items() if value},
            "rootfs": {"type": "layers", "diff_ids": [str(diff_id) for diff_id in self.diff_ids]},
            "history": [{"created": self.created, "created_by": text} for text in self.history],
        }
        return canonical_json(document | self.platform.to_dict())

    @classmethod
    def from_bytes(cls, data: bytes) -> ImageConfig:
        """From JSON.

        Raises: EnvbuildError, if it is not an image config.
        """
        document = _mapping(parse_json(data, "an image config"), "an image config")
        config = _mapping(document.get("config") or {}, "an image config")
        rootfs = _mapping(document.get("rootfs"), "an image config's `rootfs`")
        history = [_mapping(entry, "a history entry") for entry in _list(document.get("history"))]
        return cls(
            Platform.from_dict(document),
            str(document.get("created", "")),
            tuple(Digest.parse(text) for text in _list(rootfs.get("diff_ids"))),
            tuple(str(entry.get("created_by", "")) for entry in history if not entry.get("empty_layer")),
            env=tuple(map(str, _list(config.get("Env")))),
            entrypoint=tuple(map(str, _list(config.get("Entrypoint")))),
            cmd=tuple(map(str, _list(config.get("Cmd")))),
            user=str(config.get("User") or ""),
            working_dir=str(config.get("WorkingDir") or ""),
            labels=_strings(config.get("Labels") or {}, "labels"),
            exposed_ports=tuple(sorted(_mapping(config.get("ExposedPorts") or {}, "ports"))),
            stop_signal=str(config.get("StopSignal") or ""),
            volumes=tuple(sorted(_mapping(config.get("Volumes") or {}, "volumes"))),
        )


def _mapping(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise EnvbuildError(f"{what} is not a JSON object")
    return value


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise EnvbuildError("a JSON list is expected in an image config")
    return value


def _text(document: Mapping[str, Any], key: str) -> str:
    value = document.get(key)
    if not isinstance(value, str):
        raise EnvbuildError(f"`{key}` is missing or not a string in an OCI document")
    return value


def _strings(value: Any, what: str) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise EnvbuildError(f"{what} of an OCI document are not strings")
    return value
