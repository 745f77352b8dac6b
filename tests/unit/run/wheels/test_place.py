"""Built wheels in a team's place: taken by digest before anything is built, and written there."""

from __future__ import annotations

import base64
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from made_locks import AMD64, made_lock

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.workshop import Workshop
from builder.lock.artifact import Build, Sdist, Wheel
from builder.lock.document import Lock
from builder.oci.digest import Digest
from builder.oci.store import BUILT_WHEELS, Store
from builder.run.wheels import WheelBuilder, ensure_built
from builder.run.wheels.place import Filled, fill_place
from builder.spec import Environment

DATA = b"the bytes of a wheel"
SDIST = Sdist("odd", "1.0+local", "odd-1.0.tar.gz", Digest.of(b"sdist"), 5, "https://files.example/odd-1.0.tar.gz")
WHEEL = Wheel(
    "odd", "1.0+local", "odd-1.0+local-py3-none-any.whl", Digest.of(DATA), len(DATA), "", built=Build(SDIST, ())
)
PATH = f"/wheels/{WHEEL.digest.hex}/odd-1.0%2Blocal-py3-none-any.whl"


@dataclass
class Place:
    """A web server with the files that a test gives it."""

    files: dict[str, bytes] = field(default_factory=dict)
    password: str = ""
    status: int = 404
    """Of what is not there."""
    asked: list[str] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        login = f"team:{self.password}@" if self.password else ""
        return f"http://{login}127.0.0.1:{self.port}/wheels"


@pytest.fixture
def place() -> Iterator[Place]:
    state = Place()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            login = "Basic " + base64.b64encode(f"team:{state.password}".encode()).decode()
            refused = state.password and self.headers.get("Authorization") != login
            data = b"" if refused else state.files.get(self.path, b"")
            self.send_response(401 if refused else 200 if data else state.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.port = server.server_port
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield state
        server.shutdown()


@dataclass
class Machine:
    """One that lacks the wheel and cannot build it."""

    store: Store
    variables: dict[str, str]
    said: list[str] = field(default_factory=list)
    offline: bool = False

    def ensure(self) -> None:
        fetcher = Fetcher(self.store, Mirrors.from_environment(self.variables), offline=self.offline)
        builder = WheelBuilder(
            Workshop(self.store, fetcher), AMD64, self.said.append, unavailable=lambda: "nothing can run here"
        )
        ensure_built(lock_of(WHEEL), [AMD64], builder)


def lock_of(*wheels: Wheel) -> Lock:
    lock = made_lock(Environment("3.11"), [], [], [AMD64])
    lock.wheels[AMD64] = wheels  # type: ignore[index]
    return lock


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "store")
    made.create()
    return made


def test_a_built_wheel_is_taken_from_the_place_of_the_team_instead_of_built(store: Store, place: Place) -> None:
    place.files[PATH] = DATA
    machine = Machine(store, {"ENVBUILD_WHEELS": place.url})
    machine.ensure()
    machine.ensure()
    assert store.path(WHEEL.digest).read_bytes() == DATA
    assert (place.asked, machine.said) == ([PATH], [])
    assert store.named_blobs([BUILT_WHEELS]) == {WHEEL.digest}, "cleaning the store must keep it"


def test_other_bytes_at_the_place_are_refused_and_the_place_is_named(store: Store, place: Place) -> None:
    place.files[PATH] = b"x" * len(DATA)
    place.password = "hunter2"
    machine = Machine(store, {"ENVBUILD_WHEELS": place.url})
    with pytest.raises(DigestMismatchError, match=r"the wheel of odd 1.0\+local at `http://127") as caught:
        machine.ensure()
    assert caught.value.exit_code == 5
    assert "hunter2" not in str(caught.value)
    assert not store.path(WHEEL.digest).exists()
    assert store.named_blobs([BUILT_WHEELS]) == frozenset()


@pytest.mark.parametrize("status", [404, 500, 403])
def test_what_the_place_does_not_give_is_built(
    store: Store, place: Place, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.fetch.connections._ATTEMPTS", 0)
    place.status = status
    machine = Machine(store, {"ENVBUILD_WHEELS": place.url})
    store.write(b"sdist")
    with pytest.raises(EnvbuildError, match=r"source of odd"):  # the build has begun: that was no sdist
        machine.ensure()
    assert [text for text in machine.said if "cannot be had" in text] == machine.said
    assert bool(machine.said) == (status != 404)
    if machine.said:
        assert f"{status}" in machine.said[0]


def test_offline_the_place_is_not_asked(store: Store, place: Place) -> None:
    place.files[PATH] = DATA
    with pytest.raises(EnvbuildError, match="this run is offline"):
        Machine(store, {"ENVBUILD_WHEELS": place.url}, offline=True).ensure()
    assert place.asked == []


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_folder_is_filled_and_taken_from(store: Store, tmp_path: Path, form: str) -> None:
    store.write(DATA)
    folder = tmp_path / "a place"
    assert fill_place([WHEEL, WHEEL], store, folder) == Filled(1, 0)
    assert fill_place([WHEEL], store, folder) == Filled(0, 1)
    assert [str(path.relative_to(folder)) for path in folder.rglob("*.*")] == [
        f"{WHEEL.digest.hex}/odd-1.0+local-py3-none-any.whl"
    ]
    other = Store(tmp_path / "other")
    other.create()
    Machine(other, {"ENVBUILD_WHEELS": form.format(str(folder).replace(" ", " " if form == "{}" else "%20"))}).ensure()
    assert other.path(WHEEL.digest).read_bytes() == DATA


def test_a_damaged_file_of_the_place_is_replaced_and_one_of_the_store_is_not_written(
    store: Store, tmp_path: Path
) -> None:
    store.write(DATA)
    fill_place([WHEEL], store, tmp_path / "place")
    (written,) = (tmp_path / "place").rglob("*.whl")
    written.write_bytes(b"cut")
    store.path(WHEEL.digest).write_bytes(b"x" * len(DATA))
    with pytest.raises(DigestMismatchError, match="in the store is damaged"):
        fill_place([WHEEL], store, tmp_path / "place")
    assert written.read_bytes() == b"cut"
    assert len([*written.parent.iterdir()]) == 1
    store.path(WHEEL.digest).write_bytes(DATA)
    assert fill_place([WHEEL], store, tmp_path / "place") == Filled(1, 0)
    assert written.read_bytes() == DATA
