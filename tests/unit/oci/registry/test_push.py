"""Pushing into a registry that is true to the specification, and into one that fails or lies."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import registry_simulator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_layouts import add_image, add_index, contents, fill, new_layout, noise
from registry_simulator import Exchange, Fault, Simulator, answers, changes, drops

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, Descriptor
from builder.oci.layout import Layout
from builder.oci.registry import Reference
from builder.oci.registry.credentials import Login
from builder.oci.registry.push import Origin, Pushed, push
from builder.oci.store import Store
from builder.progress import Silent

USER, SECRET = "scientist", "hunter2"
BASIC = "Basic " + base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
CHUNK = 20_000


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if blobs of some kilobytes were large."""
    monkeypatch.setattr("builder.oci.registry.upload.CHUNK_SIZE", CHUNK)
    monkeypatch.setattr("builder.oci.registry.upload._PIECE", 6_000)
    monkeypatch.setattr("builder.oci.registry.upload._LEAST_ADVANCE", 2_000)


@pytest.fixture
def pushed(simulator: Simulator, registries: Any) -> Any:
    """Pushes to `team/image`."""

    def call(source: Layout, top: Descriptor, *tags: str, **more: Any) -> Pushed:
        elsewhere = more.pop("elsewhere", {})
        client = registries(**more)
        return push(client, Reference.parse(f"{simulator.host}/team/image"), top, Origin(source, elsewhere), tags)

    return call


def kept(simulator: Simulator, repository: str = "team/image") -> dict[str, bytes]:
    """All that a repository holds."""
    documents = {digest: data for digest, (_, data) in simulator.manifests.get(repository, {}).items()}
    return simulator.blobs.get(repository, {}) | documents


def image(folder: Path, *layers: bytes) -> tuple[Layout, Descriptor]:
    layout = new_layout(folder / "source")
    return layout, add_image(layout, "amd64", *layers)


def test_all_below_an_index_is_pushed_byte_for_byte(simulator: Simulator, pushed: Any, two_platforms: Any) -> None:
    source, top = two_platforms
    result = pushed(source, top, "1.0", "abc")
    assert kept(simulator) == contents(source)
    assert simulator.tags["team/image"] == {"1.0": str(top.digest), "abc": str(top.digest)}
    assert str(result.reference) == f"{simulator.host}/team/image@{top.digest}"
    assert result.blobs == {"sent": 5}
    assert result.sent == sum(map(len, simulator.blobs["team/image"].values()))
    kinds = [kind for kind, _ in simulator.manifests["team/image"].values()]
    assert sorted(kinds) == sorted([MEDIA_TYPE_INDEX, MEDIA_TYPE_MANIFEST, MEDIA_TYPE_MANIFEST])


def test_each_blob_is_sent_once_and_children_come_before_parents(
    simulator: Simulator, pushed: Any, tmp_path: Path
) -> None:
    source = new_layout(tmp_path)
    inner = add_index(source, add_image(source, "amd64", b"a"), add_image(source, "arm64", b"a"))
    top = add_index(source, inner, add_image(source, "s390x", b"a"))
    pushed(source, top)
    assert kept(simulator) == contents(source)
    assert simulator.tags == {}
    assert len(simulator.asked("PUT .*/blobs/uploads/")) == len(simulator.blobs["team/image"]) == 4
    assert [record.status for record in simulator.asked("PUT .*/manifests/")] == [201] * 5


def test_what_is_there_is_not_sent_again(simulator: Simulator, pushed: Any, two_platforms: Any) -> None:
    pushed(*two_platforms, "1")
    simulator.log.clear()
    result = pushed(*two_platforms, "2")
    assert [(record.method, record.path.rpartition("/")[2]) for record in simulator.log] == [
        ("HEAD", str(two_platforms[1].digest)),
        ("PUT", "2"),
    ]
    assert (result.blobs, result.sent) == ({}, 0)


def test_a_changed_layer_costs_that_layer(simulator: Simulator, pushed: Any, tmp_path: Path) -> None:
    layers = [noise(300_000, number) for number in range(5)]
    source, top = image(tmp_path, *layers)
    pushed(source, top, "1")
    changed = add_image(source, "amd64", *layers[:4], noise(3_000, 9))
    simulator.log.clear()
    result = pushed(source, changed, "2")
    assert result.blobs == {"there": 4, "sent": 2}
    assert simulator.sent_bytes() < 8_000


def test_a_large_blob_is_sent_in_chunks(simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None) -> None:
    source, top = image(tmp_path, noise(70_000, 1), b"small")
    pushed(source, top)
    assert kept(simulator) == contents(source)
    ranges = [record.headers["content-range"] for record in simulator.asked("PATCH")]
    assert ranges == ["0-19999", "20000-39999", "40000-59999", "60000-69999"]


def test_a_registry_may_want_larger_chunks(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    simulator.chunk_minimum = 50_000
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top)
    assert [record.headers["content-range"] for record in simulator.asked("PATCH")] == ["0-49999", "50000-69999"]
    assert kept(simulator) == contents(source)


@pytest.mark.parametrize("minimum", [10**30, "x", -1])
def test_a_minimum_that_makes_no_sense_does_no_harm(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None, minimum: Any
) -> None:
    simulator.chunk_minimum = minimum
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top)
    assert kept(simulator) == contents(source)


@pytest.mark.parametrize(
    "location",
    [
        "{upload}",
        "/v2/{repository}/blobs/uploads/{upload}?state=a%2Bb&x=1",
        "{upload}?state=1",
        "http://{host}/v2/{repository}/blobs/uploads/{upload}?state=1",
    ],
)
def test_a_location_may_be_relative_and_have_a_query(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None, location: str
) -> None:
    simulator.location = location.replace("{host}", simulator.host)
    source, top = image(tmp_path, noise(70_000, 1), b"small")
    pushed(source, top)
    assert kept(simulator) == contents(source)
    if "a%2Bb" in location:
        assert all("state=a%2Bb&x=1" in record.path for record in simulator.asked("(PATCH|PUT .*uploads)"))


@pytest.fixture
def storage() -> Iterator[Simulator]:
    """Another host, to which uploads are sent."""
    with registry_simulator.running() as other:
        yield other


def test_uploads_to_another_host_go_without_credentials(
    simulator: Simulator, storage: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    simulator.basic = BASIC
    storage.uploads, storage.blobs = simulator.uploads, simulator.blobs
    location = f"http://{storage.host}/v2/{{repository}}/blobs/uploads/{{upload}}?state=s3cret"
    simulator.location = storage.location = location
    source, top = image(tmp_path, noise(70_000, 1), b"small")
    pushed(source, top, logins={simulator.host: Login(USER, SECRET)})
    assert kept(simulator) == contents(source)
    assert len(storage.log) > 3
    assert not [record for record in storage.log if "authorization" in record.headers]


@pytest.mark.parametrize("location", ["ftp://x/{upload}", "http://[x", "http://x:0/", ""])
def test_a_location_that_leads_nowhere_is_refused(
    simulator: Simulator, pushed: Any, two_platforms: Any, location: str
) -> None:
    simulator.location = location
    with pytest.raises(EnvbuildError, match="redirects to where it should not"):
        pushed(*two_platforms)


PATCH, PUT, POST, HEAD = "PATCH .*uploads", "PUT .*uploads", "POST .*uploads", "HEAD .*blobs"


@pytest.mark.parametrize("fault", [drops, answers(503), answers(429, Retry_After="1")], ids=["drop", "503", "429"])
@pytest.mark.parametrize("where", [HEAD, POST, PATCH, PUT, "PUT .*manifests", "HEAD .*manifests"])
def test_what_fails_for_a_while_is_gone_on_with(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None, where: str, fault: Any
) -> None:
    simulator.fail(where, fault, times=3)
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top, "1")
    assert kept(simulator) == contents(source)


def test_sending_goes_on_where_the_connection_broke(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    simulator.fail(PATCH, changes(keep=13_000), after=1)
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top)
    ranges = [record.headers["content-range"] for record in simulator.asked("PATCH")]
    assert ranges == ["0-19999", "20000-39999", "33000-52999", "53000-69999"]
    assert kept(simulator) == contents(source)


def test_an_answer_that_is_lost_costs_nothing_twice(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    for where in (PATCH, PUT, "PUT .*manifests"):
        simulator.fail(where, changes(silent=True))
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top, "1")
    assert kept(simulator) == contents(source)
    assert sum(record.received for record in simulator.asked(PATCH)) == 70_000


def test_a_registry_that_forgets_bytes_is_sent_them_again(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    simulator.fail(PATCH, changes(forget=5_000), times=2)
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top)
    assert kept(simulator) == contents(source)


def test_a_registry_that_forgets_everything_is_given_up(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    simulator.fail(PATCH, changes(forget=CHUNK), times=1000)
    source, top = image(tmp_path, noise(70_000, 1))
    with pytest.raises(EnvbuildError, match="does not keep what is sent"):
        pushed(source, top)
    assert len(simulator.asked("PATCH")) <= 5
    assert not simulator.manifests


def test_bytes_that_are_lost_silently_are_noticed_at_the_end_and_sent_anew(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    def lose(exchange: Exchange) -> None:
        exchange.forget, exchange.more = 1, {"Range": exchange.record.headers["content-range"].replace("60000", "0")}

    simulator.fail(PATCH, lose, after=3)
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top)
    assert kept(simulator) == contents(source)
    assert [record.status for record in simulator.asked(PUT)].count(400) == 1


def test_a_registry_that_has_more_than_was_sent_is_not_believed(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    simulator.fail(PATCH, changes(more={"Range": "0-65000"}))
    with pytest.raises(EnvbuildError, match="cannot be pushed to") as caught:
        pushed(*image(tmp_path, noise(70_000, 1)))
    assert "more of blob" in caught.value.why[0]


@pytest.mark.parametrize("where", [PATCH, PUT])
def test_an_upload_that_the_registry_has_lost_is_begun_anew(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None, where: str
) -> None:
    def lose(exchange: Exchange) -> None:
        exchange.registry.uploads.clear()

    simulator.fail(where, lose, after=0 if where == PUT else 2)
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top)
    assert kept(simulator) == contents(source)


def test_a_chunk_at_the_wrong_place_makes_the_client_ask_for_the_right_one(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    def swallow(exchange: Exchange) -> bool:
        """Takes half of a chunk and says that something went wrong."""
        (upload,) = exchange.registry.uploads.values()
        upload.data += exchange.body()[:10_000]
        return exchange.error(416, "BLOB_UPLOAD_INVALID")

    simulator.fail(PATCH, swallow, after=1)
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top)
    assert kept(simulator) == contents(source)
    assert len(simulator.asked("GET .*uploads")) == 1


def test_a_pause_that_the_registry_asks_for_is_kept_within_bounds(
    simulator: Simulator, pushed: Any, two_platforms: Any
) -> None:
    pauses: list[float] = []
    simulator.fail("POST", answers(429, Retry_After="7"))
    simulator.fail("PUT .*manifests", answers(503, Retry_After="86400"))
    pushed(*two_platforms, sleep=pauses.append)
    assert pauses == [7, 60]


def test_a_registry_that_does_not_answer_in_time_is_asked_again(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    given_up = threading.Event()

    def stall(exchange: Exchange) -> bool:
        exchange.body()
        given_up.wait(30)
        return drops(exchange)

    for where in (HEAD, POST, PATCH, PUT):
        simulator.fail(where, stall)
    source, top = image(tmp_path, noise(70_000, 1))
    pushed(source, top, timeout=0.2)
    given_up.set()
    assert kept(simulator) == contents(source)


class Recorder(Silent):
    """Adds up what is told."""

    def __init__(self) -> None:
        self.totals: list[int | None] = []
        self.amounts: list[int] = []

    def start(self, label: str, total: int | None = None) -> None:
        self.totals.append(total)

    def advance(self, label: str, amount: int) -> None:
        self.amounts.append(amount)


def test_progress_comes_to_its_total_whatever_is_sent_twice(
    simulator: Simulator, registries: Any, two_platforms: Any, small_chunks: None
) -> None:
    source, top = two_platforms
    simulator.fail(PATCH, changes(keep=13_000), times=3)
    simulator.fail(PUT, drops, times=2)
    simulator.add_blob("team/image", noise(50_000, 1))
    recorder = Recorder()
    push(registries(), Reference.parse(f"{simulator.host}/team/image"), top, Origin(source), progress=recorder)
    assert recorder.totals == [sum(map(len, simulator.blobs["team/image"].values()))]
    assert sum(recorder.amounts) == recorder.totals[0]
    assert min(recorder.amounts) >= 0


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_a_login_is_given_where_it_is_asked_for(simulator: Simulator, pushed: Any, tmp_path: Path, scheme: str) -> None:
    if scheme == "basic":
        simulator.basic = BASIC
    else:
        simulator.token_service = f"http://{simulator.host}/token"
    source, top = image(tmp_path, b"a", b"b")
    pushed(source, top, "1", logins={simulator.host: Login(USER, SECRET)})
    assert kept(simulator) == contents(source)
    if scheme == "bearer":
        assert list(simulator.tokens.values()) == [["repository:team/image:pull,push"]]
        assert [record.headers["authorization"] for record in simulator.asked("GET /token")] == [BASIC]


def test_a_token_that_expires_in_the_middle_is_fetched_anew(
    simulator: Simulator, pushed: Any, tmp_path: Path, small_chunks: None
) -> None:
    def expire(exchange: Exchange) -> None:
        exchange.registry.tokens.clear()

    simulator.token_service = f"http://{simulator.host}/token"
    for where in (PATCH, PUT, "PUT .*manifests"):
        simulator.fail(where, expire, after=1)
    source, top = image(tmp_path, noise(70_000, 1), noise(70_000, 2))
    pushed(source, top, "1", "2")
    assert kept(simulator) == contents(source)
    assert len(simulator.asked("GET /token")) == 4


def test_a_registry_that_refuses_every_token_is_given_up(simulator: Simulator, pushed: Any, two_platforms: Any) -> None:
    simulator.token_service = f"http://{simulator.host}/token"
    simulator.fail("[A-Z]+ /v2", lambda exchange: exchange.registry.tokens.clear(), times=1000)
    with pytest.raises(EnvbuildError, match="cannot be pushed to: not by this login") as caught:
        pushed(*two_platforms)
    assert f"docker login {simulator.host}" in str(caught.value.hint)
    assert len(simulator.log) < 100


def test_nobody_who_may_push_has_to_be_let_look(simulator: Simulator, pushed: Any, two_platforms: Any) -> None:
    simulator.fail("HEAD", answers(403, "DENIED"), times=1000)
    pushed(*two_platforms)
    assert kept(simulator) == contents(two_platforms[0])


BASE = b"the layer of a base" * 1000


@pytest.fixture
def on_a_base(simulator: Simulator, tmp_path: Path) -> tuple[Layout, Descriptor, dict[Digest, Reference]]:
    """An image whose lowest layer is in the repository `team/base` alone."""
    source, top = image(tmp_path, BASE, b"own")
    simulator.add_blob("team/base", BASE)
    source.discard(Digest.of(BASE))
    return source, top, {Digest.of(BASE): Reference.parse(f"{simulator.host}/team/base:1")}


def test_a_layer_of_the_same_registry_is_mounted(simulator: Simulator, pushed: Any, on_a_base: Any) -> None:
    source, top, elsewhere = on_a_base
    simulator.token_service = f"http://{simulator.host}/token"
    result = pushed(source, top, elsewhere=elsewhere)
    assert result.blobs == {"mounted": 1, "sent": 2}
    assert kept(simulator) == contents(source) | {str(Digest.of(BASE)): BASE}
    assert sorted(scope for scopes in simulator.tokens.values() for scope in scopes) == [
        "repository:team/base:pull",
        "repository:team/image:pull,push",
        "repository:team/image:pull,push",
    ]
    assert not simulator.asked("GET .*blobs")


@pytest.mark.parametrize("refusal", ["upload", "status", "token"])
def test_a_mount_that_is_refused_becomes_an_upload(
    simulator: Simulator, pushed: Any, on_a_base: Any, refusal: str
) -> None:
    source, top, elsewhere = on_a_base
    if refusal == "upload":
        simulator.mounts = False
    elif refusal == "status":
        simulator.fail("POST .*mount=", answers(404, "NAME_UNKNOWN"))
    else:
        simulator.token_service = f"http://{simulator.host}/token"
        simulator.fail("GET /token.*base", answers(403))
    result = pushed(source, top, elsewhere=elsewhere)
    assert result.blobs == {"sent": 3}
    assert kept(simulator) == contents(source) | {str(Digest.of(BASE)): BASE}


def test_a_layer_of_another_registry_is_passed_on_without_being_kept(
    simulator: Simulator, storage: Simulator, pushed: Any, on_a_base: Any, small_chunks: None
) -> None:
    source, top, _ = on_a_base
    storage.add_blob("team/base", BASE)
    simulator.fail(PATCH, changes(keep=1_000))
    simulator.fail(PUT, drops)
    storage.fail("GET .*blobs", changes(damage=lambda data: data[:9_000]))
    result = pushed(source, top, elsewhere={Digest.of(BASE): Reference.parse(f"{storage.host}/team/base:1")})
    assert result.blobs == {"sent": 3}
    assert kept(simulator) == contents(source) | {str(Digest.of(BASE)): BASE}
    assert not source.has(Digest.of(BASE), len(BASE))
    assert not simulator.asked("POST .*mount=")


def test_a_layer_that_is_damaged_elsewhere_is_not_passed_on(
    simulator: Simulator, storage: Simulator, pushed: Any, on_a_base: Any
) -> None:
    source, top, _ = on_a_base
    storage.add_blob("team/base", BASE)
    storage.blobs["team/base"][str(Digest.of(BASE))] = BASE.replace(b"layer", b"laser")
    with pytest.raises(DigestMismatchError):
        pushed(source, top, elsewhere={Digest.of(BASE): Reference.parse(f"{storage.host}/team/base:1")})
    assert str(Digest.of(BASE)) not in kept(simulator)
    assert not simulator.manifests


def test_a_damaged_blob_is_not_pushed_and_leaves_the_store(simulator: Simulator, pushed: Any, tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create()
    layer = noise(5000, 1)
    top = add_image(store, "amd64", layer)
    store.path(Digest.of(layer)).write_bytes(layer[::-1])
    with pytest.raises(DigestMismatchError, match="does not have the bytes") as caught:
        pushed(store, top)
    assert "run the command again" in str(caught.value.hint)
    assert not store.has(Digest.of(layer), 5000)
    assert str(Digest.of(layer)) not in kept(simulator)
    store.write(layer)
    pushed(store, top)
    assert kept(simulator) == contents(store)


def test_a_blob_that_is_missing_is_named(simulator: Simulator, pushed: Any, tmp_path: Path) -> None:
    source, top = image(tmp_path, b"layer")
    source.discard(Digest.of(b"layer"))
    with pytest.raises(EnvbuildError, match=str(Digest.of(b"layer"))):
        pushed(source, top)
    assert not simulator.manifests


@pytest.mark.parametrize(
    ("status", "code", "message", "told"),
    [
        (403, "DENIED", "requested access is denied", "ask for the right to push"),
        (404, "NAME_UNKNOWN", "no such project", "made before"),
        (413, "SIZE_INVALID", "quota of 10 GB exceeded", "more space"),
        (405, "UNSUPPORTED", "read only", "only read"),
        (400, "NAME_INVALID", "too deep", ""),
    ],
)
def test_a_refusal_says_what_the_registry_said_and_what_to_do(
    simulator: Simulator, pushed: Any, two_platforms: Any, status: int, code: str, message: str, told: str
) -> None:
    simulator.fail("POST", answers(status, code, message), times=1000)
    with pytest.raises(EnvbuildError, match=f"`{simulator.host}/team/image` cannot be pushed to") as caught:
        pushed(*two_platforms)
    assert caught.value.why == (f"the registry answered {status} {code}", message)
    assert told in (caught.value.hint or "")
    assert len(simulator.asked("POST")) <= 8


def test_no_credential_is_repeated(simulator: Simulator, pushed: Any, two_platforms: Any) -> None:
    def echo(exchange: Exchange) -> bool:
        given = exchange.record.headers.get("authorization", "")
        exchange.body()
        if not given:
            return exchange.error(401, "UNAUTHORIZED", WWW_Authenticate="Basic")
        return exchange.error(403, "DENIED", f"{given} is not {SECRET}" + "x" * 10_000)

    simulator.fail("[A-Z]+", echo, times=1000)
    with pytest.raises(EnvbuildError) as caught:
        pushed(*two_platforms, logins={simulator.host: Login(USER, SECRET)})
    shown = f"{caught.value} {caught.value.hint}"
    assert "403 DENIED" in shown
    assert SECRET not in shown
    assert BASIC.partition(" ")[2] not in shown


def test_a_registry_that_keeps_another_document_is_told(simulator: Simulator, pushed: Any, two_platforms: Any) -> None:
    simulator.fail("PUT .*manifests/1", changes(more={"Docker-Content-Digest": f"sha256:{'0' * 64}"}))
    with pytest.raises(DigestMismatchError, match="keeps another document"):
        pushed(*two_platforms, "1")


def test_tags_move_when_all_is_there(simulator: Simulator, pushed: Any, two_platforms: Any, tmp_path: Path) -> None:
    source, top = two_platforms
    fill(simulator, "team/image", new_layout(tmp_path / "old"), add_image(source, "amd64", b"old"), "1")
    before = dict(simulator.tags["team/image"])
    simulator.fail(PUT, answers(403), times=1000)
    with pytest.raises(EnvbuildError):
        pushed(source, top, "1")
    assert simulator.tags["team/image"] == before


def test_what_is_no_image_is_not_pushed(simulator: Simulator, pushed: Any, tmp_path: Path) -> None:
    source = new_layout(tmp_path)
    odd = Descriptor("application/x-helm", source.write(b"{}"), 2)
    with pytest.raises(EnvbuildError, match="cannot be pushed"):
        pushed(source, add_index(source, odd))
    assert not simulator.blobs


FAULTS = {
    "drop": drops,
    "500": answers(500),
    "429": answers(429, Retry_After="3"),
    "416": answers(416),
    "400": answers(400, "DIGEST_INVALID"),
    "404": answers(404, "BLOB_UPLOAD_UNKNOWN"),
    "401": answers(401, "UNAUTHORIZED"),
    "cut": changes(keep=7_000),
    "silent": changes(silent=True),
    "forget": changes(forget=3_000),
    "expire": lambda exchange: exchange.registry.tokens.clear(),
    "lose": lambda exchange: exchange.registry.uploads.clear(),
    "lie": changes(more={"Range": "0-41"}),
    "no range": changes(more={"Range": ""}),
    "no location": changes(more={"Location": ""}),
}
METHODS = ["[A-Z]+", "HEAD", "GET", "POST", "PATCH", PUT, "PUT .*manifests"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    faults=st.lists(
        st.tuples(st.sampled_from(METHODS), st.sampled_from(sorted(FAULTS)), st.integers(1, 6), st.integers(0, 9)),
        max_size=6,
    ),
    tokens=st.booleans(),
)
def test_whatever_fails_all_is_pushed_or_told_and_a_second_push_finishes(
    registries: Any, two_platforms: Any, small_chunks: None, faults: list[tuple[str, str, int, int]], tokens: bool
) -> None:
    source, top = two_platforms
    with registry_simulator.running() as simulator:
        simulator.token_service = f"http://{simulator.host}/token" if tokens else None
        simulator.faults = [Fault(where, FAULTS[name], times, after) for where, name, times, after in faults]
        destination = Reference.parse(f"{simulator.host}/team/image")
        try:
            push(registries(), destination, top, Origin(source), ["1"])
        except EnvbuildError:
            assert not isinstance(simulator.tags.get("team/image", {}).get("1"), str) or kept(simulator) == contents(
                source
            )
        else:
            assert kept(simulator) == contents(source)
        simulator.faults.clear()
        push(registries(), destination, top, Origin(source), ["1"])
        assert kept(simulator) == contents(source)
        assert simulator.tags["team/image"] == {"1": str(top.digest)}
