from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.absent import bring
from builder.image.workshop import Workshop
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER_GZIP, Descriptor
from builder.oci.registry import Registries
from builder.oci.registry.reference import Reference
from builder.oci.store import Store

BASE = Reference.parse("registry.example/team/base:1")
CONTENT = {name: name.encode() * (3 << 20) for name in "abc"}
BLOBS = {name: Descriptor(MEDIA_TYPE_LAYER_GZIP, Digest.of(content), len(content)) for name, content in CONTENT.items()}
ELSEWHERE = {blob.digest: BASE for blob in BLOBS.values()}


class Blob(io.RawIOBase):
    """A blob of a registry, which breaks off after some bytes."""

    def __init__(self, content: bytes, expected: Digest, size: int) -> None:
        super().__init__()
        self._content = content
        self._expected = expected
        self._size = size
        self._seen = b""

    def resume(self, data: bytes) -> None:
        self._seen += data

    def read(self, size: int = -1) -> bytes:
        if len(self._seen) >= self._size:
            raise EnvbuildError("the connection broke")
        piece = self._content[len(self._seen) :][: min(size, 1 << 16)]
        self._seen += piece
        if not piece and hashlib.sha256(self._seen).hexdigest() != self._expected.hex:
            raise DigestMismatchError("another blob")
        return piece


@dataclass
class Memory:
    """A registry in memory."""

    content: dict[Digest, bytes] = field(
        default_factory=lambda: {BLOBS[name].digest: content for name, content in CONTENT.items()}
    )
    asked: list[tuple[str, Digest]] = field(default_factory=list)
    breaks: int = 1 << 40
    """Where blobs break off, in bytes."""

    def open(self, reference: Reference, blob: Descriptor, _: Callable[[int], None]) -> Blob:
        self.asked.append((str(reference), blob.digest))
        return Blob(self.content[blob.digest], blob.digest, self.breaks)


@pytest.fixture
def registry() -> Memory:
    return Memory()


@pytest.fixture
def workshop(registry: Memory, tmp_path: Path) -> Workshop:
    store = Store(tmp_path)
    store.create()
    return Workshop(store, Fetcher(store, Mirrors()), registries=lambda: cast("Registries", registry))


def partials(workshop: Workshop) -> list[str]:
    return [path.name for path in workshop.store.temporary.iterdir()]


def test_what_is_missing_is_fetched_from_the_base_and_nothing_else(registry: Memory, workshop: Workshop) -> None:
    workshop.store.write(CONTENT["a"])
    made = replace(BLOBS["a"], digest=Digest("1" * 64))
    bring([BLOBS["a"], BLOBS["b"], BLOBS["b"], made], ELSEWHERE, workshop)
    assert registry.asked == [(str(BASE), BLOBS["b"].digest)]
    assert workshop.store.read(BLOBS["b"], 1 << 30) == CONTENT["b"]
    assert not workshop.store.has(BLOBS["c"].digest, BLOBS["c"].size)
    assert partials(workshop) == []


def test_where_all_is_there_no_registry_is_asked(workshop: Workshop) -> None:
    for content in CONTENT.values():
        workshop.store.write(content)
    bring(BLOBS.values(), ELSEWHERE, replace(workshop, registries=None))  # type: ignore[arg-type]


def test_without_network_it_is_said_what_is_missing(registry: Memory, workshop: Workshop) -> None:
    offline = replace(workshop, fetcher=Fetcher(workshop.store, Mirrors(), offline=True))
    with pytest.raises(EnvbuildError, match="this run is offline") as caught:
        bring(BLOBS.values(), ELSEWHERE, offline)
    assert str(BASE) in caught.value.what
    assert registry.asked == []


def test_a_blob_goes_on_where_an_earlier_run_was_broken_off(registry: Memory, workshop: Workshop) -> None:
    registry.breaks = 1 << 20
    with pytest.raises(EnvbuildError, match="the connection broke"):
        bring([BLOBS["a"]], ELSEWHERE, workshop)
    (partial,) = partials(workshop)
    received = (workshop.store.temporary / partial).stat().st_size
    assert received >= 1 << 20
    registry.breaks = 1 << 40
    registry.content[BLOBS["a"].digest] = bytes(received) + CONTENT["a"][received:]  # what came before is not asked for
    bring([BLOBS["a"]], ELSEWHERE, workshop)
    assert workshop.store.read(BLOBS["a"], 1 << 30) == CONTENT["a"]
    assert partials(workshop) == []


@pytest.mark.parametrize("rest", [b"x" * 100, b"x" * len(CONTENT["a"])], ids=["short", "whole"])
def test_what_is_left_of_an_earlier_run_and_wrong_is_received_anew(
    registry: Memory, workshop: Workshop, rest: bytes
) -> None:
    workshop.store.partial_path(BLOBS["a"].digest.hex).write_bytes(rest)
    bring([BLOBS["a"]], ELSEWHERE, workshop)
    assert workshop.store.read(BLOBS["a"], 1 << 30) == CONTENT["a"]


def test_another_blob_than_the_locked_one_is_refused_and_not_kept(registry: Memory, workshop: Workshop) -> None:
    registry.content[BLOBS["a"].digest] = CONTENT["b"]
    with pytest.raises(DigestMismatchError):
        bring([BLOBS["a"]], ELSEWHERE, workshop)
    assert not workshop.store.path(BLOBS["a"].digest).exists()
    assert all((workshop.store.temporary / name).stat().st_size == 0 for name in partials(workshop))


def test_a_workshop_without_registries_says_so(workshop: Workshop) -> None:
    bare: Any = Workshop(workshop.store, workshop.fetcher)
    with pytest.raises(EnvbuildError, match="no registry can be asked"):
        bring([BLOBS["a"]], ELSEWHERE, bare)
