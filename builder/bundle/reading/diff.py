"""What differs between two bundles, told by their documents and the listings of their code; no other layer is read.

That the layers hold what the documents say is `verify`'s to prove.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from builder.bundle.reading.facts import (
    SECTIONS,
    TOLD,
    Facts,
    Section,
    attached_facts,
    code_facts,
    document_facts,
    image_facts,
)
from builder.bundle.reading.reader import Bundle, is_bundle, read_document, read_documents, read_lock_files
from builder.errors import EnvbuildError
from builder.image.contents.layers import kinds_of
from builder.image.kept import Image
from builder.image.skeleton import CODE
from builder.lock.diff import LockDiff, diff_locks
from builder.lock.document import Lock
from builder.lock.folder import parse_lock
from builder.oci.digest import Digest
from builder.oci.documents import Platform

Status = Literal["added", "removed", "changed"]

_PARTS = {
    "model": "model",
    "data": "data",
    "code": "code",
    "licences": "documents",
    "bundle_documents": "documents",
}
"""What a layer of a kind belongs to; all others are of the environment."""
_WITHIN: Mapping[str, tuple[str, ...]] = {
    "environment": ("packages",),
    "model": ("model",),
    "data": ("data",),
    "code": ("code",),
    "documents": ("packages", "bundle", "data", "model", "code", "commands", "records"),
    "config": ("image",),
}
"""The differences that show in each part of an image."""


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one thing that a bundle has or says."""

    section: Section
    name: str
    before: str | None
    """None where it was not there."""
    after: str | None
    platforms: tuple[Platform, ...] = ()
    """Where it is of images, those that it is of."""

    @property
    def status(self) -> Status:
        """In a word."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


@dataclass(frozen=True, slots=True)
class LayerName:
    """A layer, and what it is called."""

    name: str
    part: str
    """`environment`, `model`, `data`, `code`, `documents`."""
    digest: Digest
    size: int
    """In bytes, as it is moved."""


@dataclass(frozen=True, slots=True)
class LayersDiff:
    """Which layers two images have in common."""

    shared: tuple[LayerName, ...]
    before: tuple[LayerName, ...]
    """Only in the image before."""
    after: tuple[LayerName, ...]
    """Only in the image after."""


@dataclass(frozen=True, slots=True)
class Cause:
    """A part of the images that differs, so that the digest does."""

    part: str
    """`environment`, `model`, `data`, `code`, `documents`, `config`."""
    sections: tuple[str, ...]
    """The differences that show in it; none where nothing that is told explains it."""
    layers: tuple[LayerName, ...] = ()
    """Those that are to be moved to whoever has the bundle before."""


@dataclass(frozen=True, slots=True)
class BundleDiff:
    """All that differs."""

    before: Digest
    after: Digest
    packages: LockDiff | None
    """None where one of them has no lock inside."""
    changes: tuple[Change, ...]
    """By section in the order of `SECTIONS`, then by name."""
    layers: Mapping[Platform, LayersDiff] = field(default_factory=dict)
    """Of every platform of either."""
    causes: tuple[Cause, ...] = ()

    def __bool__(self) -> bool:
        return self.before != self.after or bool(self.packages or self.changes)

    @property
    def moved(self) -> int:
        """Bytes of the layers that whoever has the one before has yet to get."""
        known = {layer.digest for diff in self.layers.values() for layer in (*diff.shared, *diff.before)}
        new = {layer.digest: layer.size for diff in self.layers.values() for layer in diff.after}
        return sum(size for digest, size in new.items() if digest not in known)


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the bundles, and what its documents say."""

    bundle: Bundle
    document: Mapping[str, Any]
    lock: Lock | None

    @classmethod
    def of(cls, bundle: Bundle) -> _Side:
        first = bundle.images[min(bundle.images)]
        lock = _lock(bundle) if is_bundle(first) else None
        return cls(bundle, read_document(bundle.layout, first), lock)


def diff_bundles(before: Bundle, after: Bundle) -> BundleDiff:
    """What differs from `before` to `after`.

    Raises: EnvbuildError, DigestMismatchError, if the documents of one are damaged.
    """
    old, new = _Side.of(before), _Side.of(after)
    packages = diff_locks(old.lock, new.lock) if old.lock and new.lock else None
    changes = [
        *_of_documents(old.document, new.document),
        *_of_code(old, new),
        *_of_images(before, after),
        *_changes("attached", (attached_facts(before), attached_facts(after))),
    ]
    changes.sort(key=lambda change: SECTIONS.index(change.section))
    layers = {
        platform: _layers(before.images.get(platform), after.images.get(platform))
        for platform in sorted({*before.images, *after.images})
    }
    found = BundleDiff(before.top.digest, after.top.digest, packages, tuple(changes), layers)
    causes = tuple(_causes(found)) if before.top.digest != after.top.digest else ()
    return BundleDiff(found.before, found.after, packages, found.changes, layers, causes)


def _lock(bundle: Bundle) -> Lock | None:
    """The lock inside; one that was changed since it was made differs, and that is what is asked for."""
    files = read_lock_files(bundle) if any(path.startswith("lock/") for path in read_documents(bundle)) else {}
    if not files:
        return None
    try:
        return parse_lock(files, bundle.name)
    except EnvbuildError:
        return parse_lock(files, bundle.name, verify=False)


def _changes(section: Section, sides: tuple[Facts, Facts]) -> Iterator[Change]:
    old, new = sides
    for name in sorted({*old, *new}):
        if old.get(name) != new.get(name):
            yield Change(section, name, old.get(name), new.get(name))


def _of_documents(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Change]:
    for section in TOLD:
        yield from _changes(section, (document_facts(section, old), document_facts(section, new)))


def _of_code(old: _Side, new: _Side) -> Iterator[Change]:
    """File by file; where others made the layers, by the digest of all."""
    one, other = old.document.get("code"), new.document.get("code")
    if one == other:
        return
    before, after = code_facts(old.bundle), code_facts(new.bundle)
    if before is None or after is None:
        before, after = ({f"/{CODE}": str(digest)} if digest else {} for digest in (one, other))
    yield from _changes("code", (before, after))


def _of_images(before: Bundle, after: Bundle) -> Iterator[Change]:
    """What differs in the configs, told once where platforms agree."""
    for platform in sorted({*before.images} ^ {*after.images}):
        there = platform in after.images
        yield Change("image", f"platform {platform}", None if there else "there", "there" if there else None)
    both = sorted({*before.images} & {*after.images})
    grouped: dict[Change, list[Platform]] = {}
    for platform in both:
        one, other = (image_facts(side.images[platform].config) for side in (before, after))
        for change in _changes("image", (one, other)):
            grouped.setdefault(change, []).append(platform)
    for change, platforms in sorted(grouped.items(), key=lambda pair: (pair[0].name, pair[1])):
        where = () if platforms == both else tuple(platforms)
        yield Change(change.section, change.name, change.before, change.after, where)


def _layers(before: Image | None, after: Image | None) -> LayersDiff:
    old, new = _named(before), _named(after)
    shared = old.keys() & new.keys()
    return LayersDiff(
        tuple(layer for digest, layer in new.items() if digest in shared),
        tuple(layer for digest, layer in old.items() if digest not in shared),
        tuple(layer for digest, layer in new.items() if digest not in shared),
    )


def _named(image: Image | None) -> dict[Digest, LayerName]:
    """The layers of an image, lowest first."""
    if image is None:
        return {}
    layers = image.manifest.layers
    names = (*image.config.history, *[""] * len(layers))
    kinds = kinds_of(image.config, len(layers))
    return {
        layer.digest: LayerName(name, _PARTS.get(kind, "environment"), layer.digest, layer.size)
        for name, kind, layer in zip(names, kinds, layers, strict=False)
    }


def _causes(diff: BundleDiff) -> Iterator[Cause]:
    """The parts that differ, the environment first."""
    differing = {change.section for change in diff.changes} | ({"packages"} if diff.packages else set())
    for part, within in _WITHIN.items():
        gone = [layer for one in diff.layers.values() for layer in one.before if layer.part == part]
        new = {layer.digest: layer for one in diff.layers.values() for layer in one.after if layer.part == part}
        if gone or new or (part == "config" and "image" in differing):
            yield Cause(part, tuple(name for name in within if name in differing), tuple(new.values()))
