"""What is in the images that were built or packed on this machine: kept in the store by their digests."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from builder.errors import EnvbuildError
from builder.history.content import Row
from builder.lineage.sources import bundle_activity, image_activity
from builder.lineage.things import Activity, Part
from builder.oci.digest import Digest
from builder.oci.store import Store

HELD = "held"
"""The kind of the records."""


def keep_image(store: Store, activity: Activity) -> None:
    """Remember what an image or a bundle holds."""
    sha256 = activity.made[0].sha256
    value = {
        "kind": activity.kind,
        "name": activity.name,
        "holds": [[one.kind, one.name, one.sha256, one.size, [*map(list, one.files)]] for one in activity.used],
        "details": dict(activity.details),
    }
    if store.record(HELD, sha256) != value:
        store.keep_record(HELD, sha256, value)


def keep_bundle(store: Store, name: str, digest: str, images: Mapping[str, str]) -> Activity:
    """Remember of which images a bundle is; what it holds, with what they hold."""
    activity = bundle_activity(name, digest, images)
    keep_image(store, activity)
    held = [part for image in images.values() for part in _parts(store, Digest.parse(image).hex)]
    seen = {(part.kind, part.name, part.sha256): part for part in (*activity.used, *held)}
    return image_activity(name, digest, seen.values())


def kept_images(store: Store) -> Iterator[Activity]:
    """All images and bundles that were remembered; what was damaged is left out."""
    folder = store.root / "records" / HELD
    for file in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError, EnvbuildError):
            yield _activity(file.stem, json.loads(file.read_bytes()))


def _activity(sha256: str, value: Mapping[str, Any]) -> Activity:
    parts = [_part(row) for row in value["holds"]]
    image = image_activity(str(value["name"]), f"sha256:{sha256}", parts, value["details"])
    if value["kind"] != "bundle":
        return image
    return bundle_activity(image.name, f"sha256:{sha256}", {part.name: f"sha256:{part.sha256}" for part in parts})


def _parts(store: Store, sha256: str) -> list[Part]:
    value = store.record(HELD, sha256)
    with suppress(ValueError, KeyError, TypeError, AttributeError, EnvbuildError):
        return [_part(row) for row in value["holds"]] if value else []
    return []


def _part(row: list[Any]) -> Part:
    kind, name, sha256, size, files = row
    rows: tuple[Row, ...] = tuple((str(path), Digest(digest).hex, int(length)) for path, digest, length in files)
    return Part(str(name), Digest(sha256).hex, kind, size, rows)
