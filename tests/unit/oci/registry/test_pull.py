"""Pulling from a registry that is true to the specification, and from one that fails or lies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made_layouts import add_image, add_index, contents, fill, new_layout, noise
from registry_simulator import Simulator, answers, changes, drops

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import DOCKER_MANIFEST, MEDIA_TYPE_MANIFEST, Descriptor, Index, Manifest, Platform
from builder.oci.layout import Layout
from builder.oci.registry import Reference
from builder.oci.registry.pull import Pulled, pull
from builder.oci.store import Store

AMD64, ARM64 = Platform("amd64"), Platform("arm64")


@pytest.fixture
def filled(simulator: Simulator, two_platforms: tuple[Layout, Descriptor]) -> Simulator:
    """With `team/image:1`."""
    fill(simulator, "team/image", *two_platforms, "1")
    return simulator


@pytest.fixture
def target(tmp_path: Path) -> Store:
    store = Store(tmp_path / "target")
    store.create()
    return store


@pytest.fixture
def pulled(simulator: Simulator, registries: Any, target: Store) -> Any:
    """Pulls `team/image:1`."""

    def call(*platforms: Platform, name: str = "team/image:1") -> Pulled:
        return pull(registries(), Reference.parse(f"{simulator.host}/{name}"), target, platforms)

    return call


def test_all_that_a_tag_stands_for_is_copied_byte_for_byte(
    filled: Simulator, pulled: Any, target: Store, two_platforms: tuple[Layout, Descriptor]
) -> None:
    source, top = two_platforms
    result = pulled()
    assert contents(target) == contents(source)
    assert result.top.digest == result.reference.digest == top.digest
    assert result.fetched == sum(map(len, filled.blobs["team/image"].values()))
    assert len(filled.asked("GET .*/blobs/")) == len(filled.blobs["team/image"])


def test_what_is_there_is_not_fetched_again(filled: Simulator, pulled: Any) -> None:
    pulled()
    filled.log.clear()
    assert pulled().fetched == 0
    assert [record.path for record in filled.log] == ["/v2/team/image/manifests/1"]


def test_one_platform_of_several_is_an_index_of_one(
    filled: Simulator, pulled: Any, target: Store, two_platforms: tuple[Layout, Descriptor]
) -> None:
    source, top = two_platforms
    result = pulled(ARM64)
    entry = source.index(top).manifests[1]
    assert target.index(result.top) == Index((entry,))
    assert result.reference.digest == top.digest
    wanted = source.manifest(entry)
    expected = {entry.digest, result.top.digest, wanted.config.digest, *(layer.digest for layer in wanted.layers)}
    assert set(target.blobs()) == expected
    assert pulled(AMD64, ARM64).top.digest == top.digest


def test_a_platform_that_is_not_there_is_told(filled: Simulator, pulled: Any, target: Store) -> None:
    with pytest.raises(EnvbuildError, match="is not there for linux/s390x") as caught:
        pulled(AMD64, Platform("s390x"))
    assert caught.value.why == ("it is there for linux/amd64, linux/arm64",)
    assert not list(target.blobs())


def test_a_single_image_is_there_for_its_own_platform_alone(simulator: Simulator, pulled: Any, tmp_path: Path) -> None:
    source = new_layout(tmp_path / "source")
    top = add_image(source, "arm64", b"layer")
    fill(simulator, "team/image", source, top, "1")
    assert pulled(ARM64).top.digest == top.digest
    with pytest.raises(EnvbuildError, match="is not there for linux/amd64"):
        pulled(AMD64)


def test_an_index_of_indexes_is_copied_whole(simulator: Simulator, pulled: Any, target: Store, tmp_path: Path) -> None:
    source = new_layout(tmp_path / "source")
    inner = add_index(source, add_image(source, "amd64", b"a"), add_image(source, "arm64", b"b"))
    top = add_index(source, inner, add_image(source, "s390x", b"c"))
    fill(simulator, "team/image", source, top, "1")
    assert pulled().top.digest == top.digest
    assert contents(target) == contents(source)
    filtered = target.index(pulled(AMD64).top)
    assert [target.index(entry).manifests for entry in filtered.manifests] == [target.index(inner).manifests[:1]]


def test_indexes_without_an_end_are_refused(simulator: Simulator, pulled: Any, target: Store, tmp_path: Path) -> None:
    source = new_layout(tmp_path / "source")
    top = add_image(source, "amd64", b"a")
    for _ in range(6):
        top = add_index(source, top)
    fill(simulator, "team/image", source, top, "1")
    with pytest.raises(EnvbuildError, match="too many"):
        pulled()
    assert not list(target.blobs())


@pytest.mark.parametrize(
    ("where", "fault", "times"),
    [
        ("GET .*/blobs/", changes(damage=lambda data: data[:10_000]), 3),
        ("GET .*/blobs/", drops, 3),
        ("GET .*/blobs/", answers(503), 3),
        ("GET .*/manifests/", changes(damage=lambda data: data[:10]), 3),
        ("GET .*/manifests/", answers(429, Retry_After="1"), 3),
        ("GET .*/manifests/", drops, 3),
    ],
    ids=["truncated", "dropped", "busy", "truncated document", "too many requests", "dropped document"],
)
def test_what_breaks_off_is_gone_on_with(
    filled: Simulator, pulled: Any, target: Store, two_platforms: Any, where: str, fault: Any, times: int
) -> None:
    filled.fail(where, fault, times)
    pulled()
    assert contents(target) == contents(two_platforms[0])


@pytest.mark.parametrize(
    ("where", "fault"),
    [
        ("GET .*/blobs/", changes(damage=lambda data: b"x" + data[1:])),
        ("GET .*/blobs/", changes(damage=lambda data: data + b"x", more={"Content-Length": "200001"})),
        ("GET .*/manifests/sha256", changes(damage=lambda data: data.replace(b"gzip", b"zstd"))),
        ("GET .*/manifests/1", changes(damage=lambda data: data.replace(b"amd64", b"amd65"))),
    ],
    ids=["corrupted", "too long", "another document", "not what is announced"],
)
def test_what_is_not_what_its_digest_says_leaves_no_image_behind(
    filled: Simulator, pulled: Any, target: Store, two_platforms: Any, where: str, fault: Any
) -> None:
    filled.fail(where, fault, times=1000)
    with pytest.raises(DigestMismatchError):
        pulled()
    good = contents(two_platforms[0])
    assert all(good.get(digest) == data for digest, data in contents(target).items())
    assert not any(b"schemaVersion" in data for data in contents(target).values())
    begun = {f"sha256:{partial.name.removeprefix('partial-')}" for partial in target.temporary.iterdir()}
    assert begun <= good.keys()  # of one that was stopped because another failed, nobody knows yet whether it is right
    filled.faults.clear()
    pulled()
    assert contents(target) == good


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"size": 1}, DigestMismatchError),
        ({"mediaType": DOCKER_MANIFEST}, DigestMismatchError),
        ({"size": 1 << 40}, EnvbuildError),
        ({"mediaType": "application/x-helm"}, EnvbuildError),
        ({"size": -1}, EnvbuildError),
        ({"digest": "sha256:../../etc/passwd"}, EnvbuildError),
    ],
    ids=["size", "type", "huge", "kind", "negative", "path"],
)
def test_an_index_that_lies_is_refused(
    simulator: Simulator, pulled: Any, target: Store, tmp_path: Path, change: dict[str, Any], error: type[Exception]
) -> None:
    source = new_layout(tmp_path / "source")
    entry = add_image(source, "amd64", b"layer")
    fill(simulator, "team/image", source, entry, "other")
    document = json.loads(Index((entry,)).to_bytes())
    document["manifests"][0] |= change
    simulator.add_manifest("team/image", json.dumps(document).encode(), document["mediaType"], "1")
    with pytest.raises(error):
        pulled()
    assert not list(target.blobs())


def test_a_layer_of_another_size_than_the_manifest_says_is_refused(
    simulator: Simulator, pulled: Any, target: Store, tmp_path: Path
) -> None:
    source = new_layout(tmp_path / "source")
    image = json.loads(source.read(add_image(source, "amd64", noise(1000, 1))))
    for size in (999, 1001):
        image["layers"][0]["size"] = size
        for data in contents(source).values():
            simulator.add_blob("team/image", data)
        simulator.add_manifest("team/image", json.dumps(image).encode(), MEDIA_TYPE_MANIFEST, "1")
        with pytest.raises(EnvbuildError):
            pulled()
    assert not any(b"schemaVersion" in data for data in contents(target).values())


def test_a_manifest_that_is_damaged_in_the_layout_is_told(filled: Simulator, pulled: Any, target: Store) -> None:
    entry = target.index(pulled().top).manifests[0]
    target.path(entry.digest).write_bytes(bytes(entry.size))
    with pytest.raises(DigestMismatchError, match=str(entry.digest)):
        pulled()


def test_one_failure_stops_the_other_blobs(simulator: Simulator, pulled: Any, tmp_path: Path) -> None:
    source = new_layout(tmp_path / "source")
    top = add_image(source, "amd64", *(noise(1000, number) for number in range(50)))
    fill(simulator, "team/image", source, top, "1")
    simulator.fail("GET .*/blobs/", answers(403, "DENIED"), times=1000)
    with pytest.raises(EnvbuildError, match="not for this login"):
        pulled()
    assert len(simulator.asked("GET .*/blobs/")) < 20


def test_a_pull_goes_on_where_one_before_was_broken_off(
    simulator: Simulator, pulled: Any, target: Store, tmp_path: Path
) -> None:
    source, data = new_layout(tmp_path / "source"), noise(3 << 20, 1)
    fill(simulator, "team/image", source, add_image(source, "amd64", data), "1")
    path = f"GET .*/blobs/{Digest.of(data)}"
    simulator.fail(path, changes(damage=lambda data: data[: 2 << 20]))
    simulator.fail(path, answers(403, "DENIED"))
    with pytest.raises(EnvbuildError, match="not for this login"):
        pulled()
    simulator.log.clear()
    (partial,) = target.temporary.iterdir()
    there = partial.stat().st_size
    assert there == 2 << 20
    result = pulled()
    (again,) = simulator.asked(path)
    assert again.headers["range"] == f"bytes={there}-"
    assert result.fetched < len(data) - there + 1000
    assert contents(target) == contents(source)
    assert not list(target.temporary.iterdir())


def test_a_connection_that_breaks_every_few_megabytes_is_no_reason_to_give_up(
    simulator: Simulator, pulled: Any, target: Store, tmp_path: Path
) -> None:
    source = new_layout(tmp_path / "source")
    fill(simulator, "team/image", source, add_image(source, "amd64", noise(12 << 20, 1)), "1")
    simulator.fail("GET .*/blobs/", changes(damage=lambda data: data[: 3 << 19]), times=1000)
    pulled()
    assert contents(target) == contents(source)


def with_model(layout: Layout, index: Descriptor) -> Descriptor:
    """The same index, and a model in it, which is of no platform."""
    blob = layout.write(noise(70_000, 7))
    config = Descriptor("application/vnd.cncf.model.config.v1+json", layout.write(b'{"a":1}'), 7)
    manifest = Manifest(config, (Descriptor("application/vnd.cncf.model.weight.v1.tar", blob, 70_000),)).to_bytes()
    model = Descriptor(
        MEDIA_TYPE_MANIFEST, layout.write(manifest), len(manifest), platform=Platform("unknown", "unknown")
    )
    return add_index(layout, *layout.index(index).manifests, model)


def test_a_model_is_of_every_platform(
    simulator: Simulator, pulled: Any, target: Store, two_platforms: tuple[Layout, Descriptor]
) -> None:
    source, index = two_platforms
    top = with_model(source, index)
    fill(simulator, "team/image", source, top, "1")
    kept = target.index(pulled(ARM64).top).manifests
    assert [entry.platform for entry in kept] == [ARM64, Platform("unknown", "unknown")]
    assert target.has(target.manifest(kept[1]).layers[0].digest, 70_000)
    with pytest.raises(EnvbuildError, match=r"it is there for linux/amd64, linux/arm64$"):
        pulled(Platform("s390x"))


def test_what_only_runs_needs_no_model(
    simulator: Simulator, registries: Any, target: Store, two_platforms: tuple[Layout, Descriptor]
) -> None:
    source, index = two_platforms
    fill(simulator, "team/image", source, with_model(source, index), "1")
    reference = Reference.parse(f"{simulator.host}/team/image:1")
    top = pull(registries(), reference, target, [AMD64], artifacts=False).top
    assert [entry.platform for entry in target.index(top).manifests] == [AMD64]


def test_what_is_named_by_its_digest_and_is_there_is_asked_for_nowhere(
    filled: Simulator, pulled: Any, two_platforms: tuple[Layout, Descriptor]
) -> None:
    pulled(AMD64)  # keeps the whole index only as far as it was wanted
    first = pulled()
    before = len(filled.log)
    again = pulled(name=f"team/image@{two_platforms[1].digest}")
    assert (again.top.digest, again.fetched, len(filled.log)) == (first.top.digest, 0, before)
