"""Registries that mean harm, or that are something else than a registry."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from made_layouts import add_image, add_index, fill, new_layout
from registry_simulator import Exchange, Simulator, answers

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import DOCKER_INDEX, MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, Descriptor, Index, Platform
from builder.oci.layout import Layout
from builder.oci.registry import Reference
from builder.oci.registry.credentials import Login
from builder.oci.registry.pull import pull
from builder.oci.registry.push import Origin, push
from builder.oci.store import Store

REPOSITORY, SECRET = "team/image", "hunter2secret"


def new_store(path: Path) -> Store:
    store = Store(path)
    store.create()
    return store


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return new_store(tmp_path / "target")


@pytest.fixture
def name(simulator: Simulator) -> Reference:
    return Reference.parse(f"{simulator.host}/{REPOSITORY}:1")


@pytest.fixture
def image(tmp_path: Path) -> tuple[Layout, Descriptor]:
    layout = new_layout(tmp_path / "source")
    return layout, add_image(layout, "amd64", b"layer")


@pytest.mark.parametrize("value", [[], {}, 7, None, True])
def test_a_type_that_is_no_text_is_an_error_that_can_be_read(
    simulator: Simulator, registries: Any, target: Store, name: Reference, value: Any
) -> None:
    data = json.dumps({"schemaVersion": 2, "mediaType": value, "config": {}, "layers": []}).encode()
    simulator.add_manifest(REPOSITORY, data, MEDIA_TYPE_MANIFEST, "1")
    with pytest.raises(EnvbuildError):
        pull(registries(), name, target)


@pytest.mark.parametrize("size", [1 << 63, 10**4000], ids=["one too many", "endless"])
def test_a_size_that_no_file_can_have_is_refused(
    simulator: Simulator, registries: Any, target: Store, name: Reference, image: Any, size: int
) -> None:
    document = json.loads(image[0].read(image[1]))
    document["layers"][0]["size"] = size
    simulator.add_manifest(REPOSITORY, json.dumps(document).encode(), MEDIA_TYPE_MANIFEST, "1")
    with pytest.raises(EnvbuildError, match="valid `size`"):
        pull(registries(), name, target)
    assert not simulator.asked("GET .*/blobs/")


def test_indexes_that_list_each_other_over_and_over_are_asked_for_once(
    simulator: Simulator, registries: Any, target: Store, name: Reference, image: Any
) -> None:
    layout, top = image
    other = add_image(layout, "arm64", b"other")
    top = add_index(layout, top, other)
    for _ in range(3):
        top = add_index(layout, *[top] * 8)
    fill(simulator, REPOSITORY, layout, top, "1")
    pull(registries(), name, target, [Platform("amd64")])
    assert len(simulator.asked("GET .*/manifests/")) == 5


def test_other_places_that_a_layer_names_are_not_asked(
    simulator: Simulator, serving: Any, registries: Any, target: Store, name: Reference, image: Any
) -> None:
    elsewhere = serving()
    fill(simulator, REPOSITORY, *image, "other")
    document = json.loads(image[0].read(image[1]))
    document["layers"][0] |= {"urls": [f"http://{elsewhere.host}/layer"], "data": "AAAA"}
    simulator.add_manifest(REPOSITORY, json.dumps(document).encode(), MEDIA_TYPE_MANIFEST, "1")
    pull(registries(), name, target)
    simulator.blobs[REPOSITORY].clear()
    with pytest.raises(EnvbuildError, match="there is no blob"):
        pull(registries(), name, new_store(target.root / "again"))
    assert elsewhere.requests == []


@pytest.mark.parametrize("algorithm", ["sha512", "sha256+b64u", "md5"])
def test_digests_of_other_algorithms_are_refused(
    simulator: Simulator, registries: Any, target: Store, name: Reference, image: Any, algorithm: str
) -> None:
    document = json.loads(image[0].read(image[1]))
    document["layers"][0]["digest"] = f"{algorithm}:{'0' * 128}"
    simulator.add_manifest(REPOSITORY, json.dumps(document).encode(), MEDIA_TYPE_MANIFEST, "1")
    with pytest.raises(EnvbuildError, match="is not a digest"):
        pull(registries(), name, target)


def _nothing_is_kept(exchange: Exchange) -> bool:
    """Agree to everything, and keep nothing."""
    exchange.body()
    if exchange.record.method in ("GET", "HEAD"):
        return exchange.error(404, "UNKNOWN")
    status = {"POST": 202, "PATCH": 202}.get(exchange.record.method, 201)
    return exchange.answer(status, Location="/v2/team/image/blobs/uploads/x")


def _says_yes(exchange: Exchange) -> bool:
    """What a page of a hotel's network answers to everything."""
    exchange.body()
    return exchange.answer(200, b"<html>Welcome", Content_Type="text/html")


@pytest.mark.parametrize("action", [_nothing_is_kept, _says_yes])
@pytest.mark.parametrize("tags", [(), ("1",)], ids=["by digest", "by tag"])
def test_a_push_is_not_done_where_nothing_was_kept(
    simulator: Simulator, registries: Any, name: Reference, image: Any, action: Any, tags: tuple[str, ...]
) -> None:
    simulator.fail(".*", action, times=1000)
    with pytest.raises(EnvbuildError, match=r"cannot be pushed to|does not have what was pushed"):
        push(registries(), name, image[1], Origin(image[0]), tags)


def test_a_document_under_another_digest_than_was_asked_for_is_not_taken_as_there(
    simulator: Simulator, registries: Any, name: Reference, image: Any
) -> None:
    other = {"Docker-Content-Digest": f"sha256:{'0' * 64}", "Content-Type": MEDIA_TYPE_MANIFEST}

    def lie(exchange: Exchange) -> bool:
        exchange.more |= other
        return exchange.answer(200)

    simulator.fail("HEAD .*/manifests/", lie)
    assert push(registries(), name, image[1], Origin(image[0]), ["1"]).blobs == {"sent": 2}


@pytest.mark.parametrize(
    "login",
    [Login("scientist", SECRET), Login(registry_token=SECRET), Login("a", identity_token=SECRET)],
    ids=["password", "token", "identity"],
)
def test_a_registry_that_repeats_a_login_is_not_repeated(
    simulator: Simulator, registries: Any, target: Store, name: Reference, login: Login
) -> None:
    def refuse(exchange: Exchange) -> bool:
        exchange.body()
        if exchange.record.path.startswith("/token"):
            return exchange.answer(200, b'{"token": "given"}')
        if "authorization" not in exchange.record.headers:
            challenge = f'Bearer realm="http://{simulator.host}/token",service="x"'
            return exchange.error(401, "UNAUTHORIZED", WWW_Authenticate=challenge)
        return exchange.error(403, "DENIED", f"not you, {SECRET}!")

    simulator.fail(".*", refuse, times=1000)
    with pytest.raises(EnvbuildError, match="not for this login") as caught:
        pull(registries({simulator.host: login}), name, target)
    assert SECRET not in str(caught.value) + repr(caught.value.why)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "unix:///run/docker.sock", "gopher://127.0.0.1/"])
@pytest.mark.parametrize("where", ["GET .*/manifests/", "GET .*/blobs/"])
def test_what_is_no_web_address_is_not_followed(
    simulator: Simulator, registries: Any, target: Store, name: Reference, image: Any, where: str, location: str
) -> None:
    fill(simulator, REPOSITORY, *image, "1")
    simulator.fail(where, answers(307, Location=location), times=100)
    with pytest.raises(EnvbuildError, match="redirects to where it should not"):
        pull(registries(), name, target)


@pytest.mark.parametrize("announced", [f"sha512:{'0' * 128}", "", "nonsense"])
def test_an_announcement_that_says_nothing_is_passed_over(
    simulator: Simulator, registries: Any, target: Store, name: Reference, image: Any, announced: str
) -> None:
    fill(simulator, REPOSITORY, *image, "1")
    simulator.fail("GET .*/manifests/", lambda exchange: exchange.more.update({"Docker-Content-Digest": announced}), 9)
    assert pull(registries(), name, target).top.digest == image[1].digest


def test_an_announcement_of_another_digest_is_refused(
    simulator: Simulator, registries: Any, target: Store, name: Reference, image: Any
) -> None:
    fill(simulator, REPOSITORY, *image, "1")
    other = {"Docker-Content-Digest": f"sha256:{'0' * 64}"}
    simulator.fail("GET .*/manifests/", lambda exchange: exchange.more.update(other), 9)
    with pytest.raises(DigestMismatchError):
        pull(registries(), name, target)


def test_a_layer_named_a_thousand_times_is_fetched_once_and_a_million_times_refused(
    simulator: Simulator, registries: Any, target: Store, name: Reference, image: Any
) -> None:
    fill(simulator, REPOSITORY, *image, "other")
    document = json.loads(image[0].read(image[1]))
    layer = document["layers"][0]
    for count in (1000, 20_000):
        document["layers"] = [layer] * count
        simulator.add_manifest(REPOSITORY, json.dumps(document).encode(), MEDIA_TYPE_MANIFEST, str(count))
    pull(registries(), Reference.parse(f"{simulator.host}/{REPOSITORY}:1000"), target)
    assert len(simulator.asked("GET .*/blobs/")) == 2
    with pytest.raises(EnvbuildError, match="it has 20000 layers"):
        pull(registries(), Reference.parse(f"{simulator.host}/{REPOSITORY}:20000"), target)


def test_a_document_of_a_size_without_end_is_left(
    simulator: Simulator, registries: Any, target: Store, name: Reference
) -> None:
    simulator.fail("GET .*/manifests/", lambda exchange: exchange.answer(200, b" " * (9 << 20)), times=9)
    with pytest.raises(EnvbuildError, match=re.escape("answered with more than 4194304 bytes")):
        pull(registries(), name, target)
    assert len(simulator.log) == 1


def test_both_kinds_of_index_are_told_by_what_they_say_themselves(
    simulator: Simulator, registries: Any, target: Store, name: Reference, image: Any
) -> None:
    fill(simulator, REPOSITORY, *image, "other")
    data = Index((image[1],)).to_bytes().replace(MEDIA_TYPE_INDEX.encode(), DOCKER_INDEX.encode())
    simulator.add_manifest(REPOSITORY, data, MEDIA_TYPE_MANIFEST, "1")
    assert pull(registries(), name, target).top == Descriptor(DOCKER_INDEX, Digest.of(data), len(data))
