"""The rules for documents: each broken on purpose."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from builder.oci.digest import Digest
from builder.oci.document_rules import config_rules, index_rules, manifest_rules
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
)

DIGEST = str(Digest.of(b""))


def blob(media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": DIGEST, "size": 1}


def index() -> dict[str, Any]:
    entries = [
        blob(MEDIA_TYPE_MANIFEST) | {"platform": {"os": "linux", "architecture": name}, "digest": str(Digest.of(data))}
        for name, data in (("amd64", b"1"), ("arm64", b"2"))
    ]
    return {"schemaVersion": 2, "mediaType": MEDIA_TYPE_INDEX, "manifests": entries}


def manifest() -> dict[str, Any]:
    return {"schemaVersion": 2, "config": blob(MEDIA_TYPE_CONFIG), "layers": [blob(MEDIA_TYPE_LAYER_GZIP)]}


def config() -> dict[str, Any]:
    return {
        "os": "linux", "architecture": "amd64", "created": "2026-11-15T00:00:00.123456789+01:00",
        "config": {"Env": ["A=1"], "WorkingDir": "/app", "ExposedPorts": {"80": {}, "81-90/udp": {}}},
        "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
        "history": [{"created_by": "x"}, {"created_by": "ENV A=1", "empty_layer": True}],
    }  # fmt: skip


def told(document: dict[str, Any], kind: str) -> list[str]:
    """The JSON paths at which something is wrong."""
    data = json.dumps(document).encode()
    if kind == "config":
        return [path for path, _ in config_rules(data)]
    media_type = MEDIA_TYPE_INDEX if kind == "index" else MEDIA_TYPE_MANIFEST
    rules = index_rules if kind == "index" else manifest_rules
    return [path for path, _ in rules(data, Descriptor(media_type, Digest.of(data), len(data)))]


MADE = {"index": index, "manifest": manifest, "config": config}


@pytest.mark.parametrize("kind", MADE)
def test_a_document_that_is_right_has_no_problems(kind: str) -> None:
    assert told(MADE[kind](), kind) == []


BROKEN: dict[str, tuple[str, Callable[[dict[str, Any]], Any], str]] = {
    "an index of another type": ("index", lambda d: d.update(mediaType=MEDIA_TYPE_MANIFEST), "$.mediaType"),
    "an entry that is no manifest": ("index", lambda d: d["manifests"][0].update(mediaType="x"),
                                     "$.manifests[0].mediaType"),
    "a platform twice": ("index", lambda d: d["manifests"][1]["platform"].update(architecture="amd64"),
                         "$.manifests[1].platform"),
    "a manifest of another type": ("manifest", lambda d: d.update(mediaType=MEDIA_TYPE_INDEX), "$.mediaType"),
    "a config of another type": ("manifest", lambda d: d["config"].update(mediaType="x"), "$.config.mediaType"),
    "a layer of another type": ("manifest", lambda d: d["layers"][0].update(mediaType="x"), "$.layers[0].mediaType"),
    "too many layers": ("manifest", lambda d: d.update(layers=d["layers"] * 128), "$.layers"),
    "an annotation without a name": ("manifest", lambda d: d.update(annotations={"": "x"}), "$.annotations"),
    "no platform": ("config", lambda d: d.update(os=""), "$"),
    "another root": ("config", lambda d: d["rootfs"].update(type="x"), "$.rootfs.type"),
    "a time that is none": ("config", lambda d: d.update(created="yesterday"), "$.created"),
    "a step at no time": ("config", lambda d: d["history"][0].update(created=1), "$.history[0].created"),
    "a step too many": ("config", lambda d: d["history"].append({}), "$.history"),
    "a variable without a value": ("config", lambda d: d["config"]["Env"].append("B"), "$.config.Env[1]"),
    "a variable twice": ("config", lambda d: d["config"]["Env"].append("A=2"), "$.config.Env[1]"),
    "a relative folder": ("config", lambda d: d["config"].update(WorkingDir="app"), "$.config.WorkingDir"),
    "a port that is none": ("config", lambda d: d["config"].update(ExposedPorts={"http": {}}), "$.config.ExposedPorts"),
}  # fmt: skip


@pytest.mark.parametrize("name", BROKEN)
def test_each_broken_rule_is_told_with_its_place(name: str) -> None:
    kind, change, path = BROKEN[name]
    document = MADE[kind]()
    change(document)
    assert told(document, kind) == [path]
