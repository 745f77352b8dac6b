"""The rules for the documents of an image (image-spec: image-index, manifest, config, annotations, descriptor). Pure.

Owns what can be said of a document by itself and of two that belong together; digests are checked where they are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.oci.canonical import parse_json
from builder.oci.documents import (
    DOCKER_INDEX,
    DOCKER_MANIFEST,
    LAYER_TYPES,
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_MANIFEST,
    MOUNTED_LAYERS,
    Descriptor,
    ImageConfig,
    Manifest,
)

_DOCKER = "application/vnd.docker"
_CONFIGS = frozenset({MEDIA_TYPE_CONFIG, f"{_DOCKER}.container.image.v1+json"})
_DISTRIBUTION = "application/vnd.oci.image.layer.nondistributable.v1.tar"
_LAYERS = LAYER_TYPES | {
    f"{_DOCKER}.image.rootfs.diff.tar", f"{_DOCKER}.image.rootfs.diff.tar.gzip",
    f"{_DOCKER}.image.rootfs.foreign.diff.tar.gzip", _DISTRIBUTION, f"{_DISTRIBUTION}+gzip", f"{_DISTRIBUTION}+zstd",
}  # fmt: skip
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_PORT = re.compile(r"\d{1,5}(-\d{1,5})?(/(tcp|udp|sctp))?")
_MANIFEST_TYPES = {MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, DOCKER_INDEX, DOCKER_MANIFEST}

Told = Iterator[tuple[str, str]]
"""Pairs of a JSON path and what is wrong there."""


def is_layer_type(media_type: str) -> bool:
    """Whether a media type is that of a tar, compressed in a way that is known."""
    return media_type in _LAYERS


def index_rules(data: bytes, descriptor: Descriptor) -> Told:
    """What is wrong with a well-formed index that `descriptor` names."""
    document = parse_json(data, "an index")
    yield from _head(document, descriptor)
    seen: dict[str, str] = {}
    for number, entry in enumerate(document["manifests"]):
        where = f"$.manifests[{number}]"
        if entry["mediaType"] not in _MANIFEST_TYPES:
            yield f"{where}.mediaType", f"is `{entry['mediaType'][:100]}`, which is no manifest's"
        platform = entry.get("platform") or {}
        name = "/".join(str(platform.get(key, "")) for key in ("os", "architecture", "variant", "os.version"))
        if platform and platform.get("os") != "unknown" and seen.setdefault(name, entry["digest"]) != entry["digest"]:
            yield f"{where}.platform", "is that of another entry too"
        if entry.get("artifactType") is not None and platform and platform.get("os") != "unknown":
            yield f"{where}.platform", "is one that engines run, and the entry is an artifact's"


def manifest_rules(data: bytes, descriptor: Descriptor) -> Told:
    """What is wrong with a well-formed manifest that `descriptor` names."""
    document = parse_json(data, "a manifest")
    yield from _head(document, descriptor)
    config = document["config"]["mediaType"]
    if config not in _CONFIGS:
        yield "$.config.mediaType", f"is `{config[:100]}`, which is no image config's"
    layers = document["layers"]
    for number, layer in enumerate(layers):
        if layer["mediaType"] not in _LAYERS:
            yield f"$.layers[{number}].mediaType", f"is `{layer['mediaType'][:100]}`, which is no layer's"
    if len(layers) > MOUNTED_LAYERS:
        yield "$.layers", f"has {len(layers)} entries, and engines can mount {MOUNTED_LAYERS}"


def artifact_rules(data: bytes, descriptor: Descriptor) -> Told:
    """What is wrong with a well-formed manifest of something that is no image."""
    document = parse_json(data, "a manifest")
    yield from _head(document, descriptor)
    told = document.get("artifactType", document["config"]["mediaType"])
    if descriptor.artifact_type not in (None, told):
        yield "$.artifactType", f"is `{str(told)[:100]}`, and is listed as `{str(descriptor.artifact_type)[:100]}`"


def config_rules(data: bytes) -> Told:
    """What is wrong with a well-formed config."""
    document = parse_json(data, "a config")
    if not document["os"] or not document["architecture"]:
        yield "$", "names no platform"
    if document["rootfs"].get("type") != "layers":
        yield "$.rootfs.type", "is not `layers`"
    yield from _time("$.created", document.get("created"))
    history = document.get("history") or []
    for number, entry in enumerate(history):
        yield from _time(f"$.history[{number}].created", entry.get("created"))
    made = sum(not entry.get("empty_layer") for entry in history)
    diff_ids = len(document["rootfs"].get("diff_ids") or [])
    if history and made != diff_ids:
        yield "$.history", f"tells of {made} layers, where there are {diff_ids} diff_ids"
    yield from _run_rules(document.get("config") or {})


def image_rules(top: Descriptor, manifest: Manifest, config: ImageConfig) -> Told:
    """Where a manifest, its config and what names both do not belong together."""
    if top.platform and not _is_for(config, top):
        yield "$.platform", f"is for {config.platform}, not for {top.platform} as its index says"
    if len(config.diff_ids) != len(manifest.layers):
        yield "$.rootfs.diff_ids", f"has {len(manifest.layers)} layers and {len(config.diff_ids)} diff_ids"


def _is_for(config: ImageConfig, top: Descriptor) -> bool:
    """Whether a config is for the platform of its index, which may say the variant alone."""
    wanted, found = top.platform, config.platform
    same = wanted is not None and (wanted.os, wanted.architecture) == (found.os, found.architecture)
    return same and (wanted is None or found.variant in (None, wanted.variant) or wanted.variant is None)


def _head(document: Mapping[str, Any], descriptor: Descriptor) -> Told:
    stated = document.get("mediaType")
    if stated is not None and stated != descriptor.media_type:
        yield "$.mediaType", f"is `{str(stated)[:100]}`, where `{descriptor.media_type[:100]}` names it"
    annotations = document.get("annotations")
    if isinstance(annotations, dict) and "" in annotations:
        yield "$.annotations", "has an empty name"


def _run_rules(config: Mapping[str, Any]) -> Told:
    names = []
    for number, text in enumerate(config.get("Env") or []):
        name, equals, _ = str(text).partition("=")
        if not equals or not name:
            yield f"$.config.Env[{number}]", "is not of the form `NAME=value`"
        elif name in names:
            yield f"$.config.Env[{number}]", f"gives `{name[:100]}` a second time"
        names.append(name)
    folder = config.get("WorkingDir")
    if folder and not str(folder).startswith("/"):
        yield "$.config.WorkingDir", "is no absolute path"
    for port in config.get("ExposedPorts") or {}:
        if not _PORT.fullmatch(str(port)):
            yield "$.config.ExposedPorts", f"has `{str(port)[:100]}`, which is no port"


def _time(where: str, value: Any) -> Told:
    if value is not None and not (isinstance(value, str) and _TIME.fullmatch(value)):
        yield where, "is no time as RFC 3339 has it"
