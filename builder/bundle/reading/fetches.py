"""What a bundle fetches to be run: data that are not inside, and if it is thin, what its environment is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder.bundle.reading.reader import Bundle, read_document
from builder.bundle.thin import inner_lock, inner_plan, missing_layers
from builder.fetch import Source
from builder.fetch.redaction import without_credentials_in
from builder.image.kept import Image
from builder.lock.artifact import Wheel
from builder.lock.document import Lock
from builder.plan import Plan


@dataclass(frozen=True, slots=True)
class Fetch:
    """One thing that is not in a bundle."""

    what: str
    """As a reader calls it: `data train`, `numpy 2.1.3`."""
    urls: tuple[str, ...]
    """Where it is had, best first; empty where nobody knows, and it has to be given."""
    size: int | None
    """In bytes, where it is known."""


def will_fetch(bundle: Bundle) -> tuple[Fetch, ...]:
    """What a machine that has nothing yet fetches to run all commands of a bundle: data, then packages; each once.

    Raises: EnvbuildError, DigestMismatchError, if its documents are damaged.
    """
    images = [image for _, image in sorted(bundle.images.items())]
    document = read_document(bundle.layout, images[0])
    found = [_data(name, entry) for name, entry in document.get("data", {}).items() if not entry.get("packed")]
    thin = [image for image in images if missing_layers(bundle.layout, image)]
    if thin:
        lock = inner_lock(bundle)
        found += [fetch for image in thin for fetch in _environment(bundle, image, lock)]
    return tuple(dict.fromkeys(found))


def _data(name: str, entry: dict[str, Any]) -> Fetch:
    return Fetch(f"data {name}", tuple(map(without_credentials_in, entry["urls"])), entry["size"])


def _environment(bundle: Bundle, image: Image, lock: Lock) -> Iterator[Fetch]:
    """Layers of the base as they are; of all others, what they are made of."""
    plan = inner_plan(lock, image.config.platform)
    missing = missing_layers(bundle.layout, image)
    base = {layer.digest for layer in plan.base.layers} if plan.base else set()
    for layer in missing:
        if plan.base and layer.digest in base:
            yield Fetch(f"layer {layer.digest} of the base", (f"oci://{plan.base.reference}",), layer.size)
    if any(layer.digest not in base for layer in missing):
        for source in _sources(plan, lock):
            yield Fetch(source.name, source.urls, source.size)


def _sources(plan: Plan, lock: Lock) -> Iterator[Source]:
    """Of a wheel that was built from source, that is what it was built of, and with."""
    for artifact in (one for layer in plan.packages for one in layer.artifacts):
        if not isinstance(artifact, Wheel) or artifact.built is None:
            yield artifact.source
            continue
        build = artifact.built
        yield build.sdist.source
        yield from (wheel.source for wheel in build.requirements)
        yield from (package.source for package in build.debian)
        yield from (package.source for package in lock.document.platforms[plan.platform].build_debian)
