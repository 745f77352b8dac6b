"""Blobs that one repository of a registry has are mounted into the next, not sent again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_layouts import add_image, noise
from registry_simulator import Simulator, answers

from builder.cli.output import Output
from builder.cli.push import push_images
from builder.fetch import Fetcher, Mirrors
from builder.image.workshop import Workshop
from builder.oci.digest import Digest
from builder.oci.registry import Reference
from builder.oci.registry.push import Origin, Pushed
from builder.oci.registry.siblings import remember, siblings
from builder.oci.store import Store

SHARED = noise(200_000, 1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture
def pushed(store: Store, simulator: Simulator, registries: Any) -> Callable[[str, bytes], Pushed]:
    """Pushes an image with the shared layer and one of its own to a repository."""
    workshop = Workshop(store, Fetcher(store, Mirrors()), registries=registries)

    def call(repository: str, own: bytes) -> Pushed:
        top = add_image(store, "amd64", SHARED, own)
        place = Reference.parse_place(f"{simulator.host}/{repository}")
        return push_images(top, "image:1", Origin(store), place, workshop, Output())

    return call


def test_what_another_repository_of_the_registry_has_is_mounted(simulator: Simulator, pushed: Any) -> None:
    simulator.token_service = f"http://{simulator.host}/token"
    pushed("team/one", b"one")
    assert pushed("team/two", b"two").blobs == {"mounted": 1, "sent": 2}
    again = pushed("other/three", b"two")
    assert (again.blobs, again.sent) == ({"mounted": 3}, 0)
    assert simulator.blobs["other/three"][str(Digest.of(SHARED))] == SHARED


@pytest.mark.parametrize("status", [403, 404, 405])
def test_a_registry_that_mounts_nothing_gets_it_sent(simulator: Simulator, pushed: Any, status: int) -> None:
    simulator.token_service = f"http://{simulator.host}/token"
    pushed("team/one", b"one")
    simulator.fail("GET /token.*one", answers(status), times=10)
    assert pushed("team/two", b"two").blobs == {"sent": 3}


def test_a_repository_that_is_gone_costs_nothing(simulator: Simulator, pushed: Any) -> None:
    pushed("team/one", b"one")
    del simulator.blobs["team/one"]
    assert pushed("team/two", b"two").blobs == {"sent": 3}


def test_a_registry_is_told_of_its_own_repositories_alone_and_of_the_latest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.oci.registry.siblings._MOST", 3)
    first, second = Digest("a" * 64), Digest("b" * 64)
    remember(store, Reference.parse_place("one.example/old"), [second, first])
    remember(store, Reference.parse_place("one.example/new"), [first, Digest("1" * 64), Digest("2" * 64)])
    assert siblings(store, "one.example") == dict.fromkeys([first, Digest("1" * 64), Digest("2" * 64)], "new")
    assert siblings(store, "two.example") == {}


def test_a_damaged_record_is_none(store: Store) -> None:
    place = Reference.parse_place("one.example/old")
    for value in (3, ["x"], [["x", "y"]], {"a": 1}):
        store.keep_record("pushed", Digest.of(b"one.example").hex, value)
        assert siblings(store, place.registry) == {}
    remember(store, place, [Digest("a" * 64)])
    assert siblings(store, place.registry) == {Digest("a" * 64): "old"}
