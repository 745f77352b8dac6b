from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from docker_registry import Registry, login_at, serving

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Mirrors
from builder.fetch.transport import Transport
from builder.history.kept import Result, has, keep_all, restore, result_of
from builder.history.kept.place import Kept
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.registry import Registries
from builder.oci.store import Store
from builder.pipeline.shared import Shared, open_shared

KEY = "0" * 63 + "1"
LARGE = b"w" * (1 << 20)
FILES = {"a": b"a", "deep/b": b"b", "deep/large": LARGE, "same": b"a"}
TARGETS = ("/app/out", "/app/metrics.json")
Opened = tuple[Shared, list[str]]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture
def login(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(login_at(registry.host))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(params=["folder", "registry"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "shared")
    request.getfixturevalue("login")
    return f"oci://{request.getfixturevalue('registry').host}/team/{request.node.name.lower().translate(_NAMES)}"


_NAMES = str.maketrans({"[": "-", "]": None})


def registries() -> Registries:
    return Transport(Mirrors()).registries()


def opened(place: str) -> Opened:
    told: list[str] = []
    return open_shared(place, registries, lambda what, error: told.append(f"{what}: {error}")), told


def new_store(folder: Path) -> Store:
    store = Store(folder)
    store.create()
    return store


def made(store: Store, files: dict[str, bytes] = FILES) -> Result:
    with store.scratch() as scratch:
        for path, data in {**{f"out/{path}": data for path, data in files.items()}, "metrics.json": b"{}"}.items():
            (scratch / path).parent.mkdir(parents=True, exist_ok=True)
            (scratch / path).write_bytes(data)
        (scratch / "out/a").chmod(0o755)
        contents = keep_all(store, scratch, ["out", "metrics.json"])
    outputs = {"/app/out": contents["out"], "/app/metrics.json": contents["metrics.json"]}
    return Result(outputs, "20260131T235959Z-train-3f9a01", {"auc": 0.9})


def test_what_one_machine_made_another_takes(place: str, tmp_path: Path) -> None:
    first, second = new_store(tmp_path / "first"), new_store(tmp_path / "second")
    result = made(first)
    shared, told = opened(place)
    assert shared.result_of(second, KEY, TARGETS) is None
    shared.keep(first, KEY, result)
    shared.keep(first, KEY, result)
    assert shared.result_of(second, KEY, TARGETS) == result
    assert told == []
    assert result_of(second, KEY) == result
    restore(second, result.outputs["/app/out"], tmp_path / "out")
    found = {str(path.relative_to(tmp_path / "out")): path for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {name: path.read_bytes() for name, path in found.items()} == FILES
    assert [name for name, path in found.items() if path.stat().st_mode & 0o100] == ["a"]
    assert not list(Kept.of(second).temporary.iterdir())


def test_what_is_there_already_is_not_moved_again(login: None, registry: Registry, tmp_path: Path) -> None:
    del login
    store, other = new_store(tmp_path / "store"), new_store(tmp_path / "other")
    shared, told = opened(f"oci://{registry.host}/team/twice")
    shared.keep(store, KEY, made(store))
    before = len(registry.asked())
    shared.keep(store, KEY[::-1], made(store, {"a": b"new", "large": LARGE}))
    uploads = [line for line in registry.asked()[before:] if line.startswith("PUT team/twice/blobs/uploads")]
    assert len(uploads) == 2  # the document and the small files: the large one is there
    made(other)
    before = len(registry.asked())
    assert shared.result_of(other, KEY, TARGETS)
    assert len([line for line in registry.asked()[before:] if line.startswith("GET")]) == 2  # manifest and document
    assert told == []


def test_a_damaged_file_is_told_computed_and_replaced(tmp_path: Path) -> None:
    first, second = new_store(tmp_path / "first"), new_store(tmp_path / "second")
    result = made(first)
    shared, told = opened(str(tmp_path / "shared"))
    shared.keep(first, KEY, result)
    blob = tmp_path / "shared/blobs/sha256" / Digest.of(LARGE).hex
    blob.chmod(0o644)
    blob.write_bytes(b"x" * len(LARGE))
    assert shared.result_of(second, KEY, TARGETS) is None
    assert "have the digest" in told.pop()
    assert result_of(second, KEY) is None
    shared.keep(second, KEY, made(second))
    assert shared.result_of(new_store(tmp_path / "third"), KEY, TARGETS) == result
    assert told == []


def _document(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(shared: Path) -> None:
        path = shared / f"results/{KEY}.json"
        value = json.loads(path.read_bytes())
        change(value)
        path.write_bytes(canonical_json(value))

    return apply


def _rows(value: dict, rows: list[list[object]]) -> None:
    from builder.history.content import listing_digest

    size = sum(row[2] for row in rows)
    output = {"kind": "folder", "sha256": listing_digest([tuple(row) for row in rows]), "size": size, "files": rows}
    value["outputs"]["/app/out"] = {**output, "executable": []}


_A = Digest.of(b"a").hex
HOSTILE: dict[str, tuple[Callable[[Path], None], str]] = {
    "path-out": (_document(lambda value: _rows(value, [["../../a", _A, 1]])), "cannot be a path"),
    "absolute": (_document(lambda value: _rows(value, [["/a", _A, 1]])), "cannot be a path"),
    "file-and-folder": (_document(lambda value: _rows(value, [["a", _A, 1], ["a/b", _A, 1]])), "a file and a folder"),
    "twice": (_document(lambda value: _rows(value, [["a", _A, 1], ["a", _A, 1]])), "twice"),
    "wrong-size": (_document(lambda value: _rows(value, [["a", _A, 2]])), "is not of 2 bytes"),
    "two-sizes": (_document(lambda value: _rows(value, [["a", _A, 1], ["b", _A, 2]])), "two sizes"),
    "huge": (_document(lambda value: _rows(value, [["big", "f" * 64, 1 << 60]])), "no room"),
    "other-outputs": (_document(lambda value: value["outputs"].pop("/app/out")), "other outputs"),
    "other-key": (_document(lambda value: value.update(key="f" * 64)), "of this key"),
    "no-files": (_document(lambda value: value["outputs"]["/app/out"].update(files=None)), "without its files"),
    "metric": (_document(lambda value: value.update(metrics={"a\x1b[2J": 1})), "cannot be printed"),
    "run": (_document(lambda value: value.update(run="../../x")), "its run is none"),
    "cut-short": (lambda shared: (shared / f"results/{KEY}.json").write_bytes(b'{"format":'), "not valid JSON"),
    "no-object": (lambda shared: (shared / f"results/{KEY}.json").write_bytes(b"[]"), "no result of a stage"),
    "file-gone": (lambda shared: (shared / f"blobs/sha256/{_A}").unlink(), "is not in"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_result_is_told_and_not_used(case: str, tmp_path: Path) -> None:
    first, second = new_store(tmp_path / "first"), new_store(tmp_path / "second")
    shared, told = opened(str(tmp_path / "shared"))
    shared.keep(first, KEY, made(first))
    change, message = HOSTILE[case]
    change(tmp_path / "shared")
    assert shared.result_of(second, KEY, TARGETS) is None
    assert message in told.pop()
    assert result_of(second, KEY) is None


def test_a_registry_that_is_not_there_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.oci.registry.patience.Patience.wait", _give_up)
    shared, told = opened("oci://127.0.0.1:1/team/results")
    store = new_store(tmp_path / "store")
    result = made(store)
    assert shared.result_of(store, KEY, TARGETS) is None
    shared.keep(store, KEY, result)
    assert len(told) == 1
    assert all(has(store, content) for content in result.outputs.values())


def _give_up(_self: object, _failures: int, error: Exception) -> None:
    raise error


def test_an_image_under_the_key_is_no_result(login: None, registry: Registry, tmp_path: Path) -> None:
    del login
    config = canonical_json({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    kind = "application/vnd.oci.image.manifest.v1+json"
    descriptor = {
        "mediaType": "application/vnd.oci.image.config.v1+json", "digest": str(Digest.of(config)), "size": len(config)
    }  # fmt: skip
    manifest = canonical_json({"schemaVersion": 2, "mediaType": kind, "config": descriptor, "layers": []})
    registry.put(f"team/images:{KEY}", [config], [(kind, manifest)])
    shared, told = opened(f"oci://{registry.host}/team/images")
    assert shared.result_of(new_store(tmp_path / "store"), KEY, TARGETS) is None
    assert "is no result of a stage" in told.pop()


def test_what_cannot_be_written_to_is_a_warning(tmp_path: Path) -> None:
    store = new_store(tmp_path / "store")
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared/blobs").write_text("in the way")
    shared, told = opened(str(tmp_path / "shared"))
    shared.keep(store, KEY, made(store))
    assert "could not be shared" in told.pop()


@pytest.mark.parametrize(
    "text",
    ["https://cache.example/x", "oci://host.example/name:tag", "oci://user:password@host.example/name", "oci://", "",
     "/nowhere/at/all"],
    ids=["https", "tag", "login", "nothing", "empty", "no-parent"],
)  # fmt: skip
def test_what_is_no_place_is_refused_without_telling_a_login(text: str) -> None:
    with pytest.raises(EnvbuildError) as caught:
        opened(text)
    assert "password" not in str(caught.value)


def test_a_digest_that_is_wrong_is_one_error(tmp_path: Path) -> None:
    kept = Kept.of(new_store(tmp_path / "store"))
    (tmp_path / "file").write_bytes(b"abc")
    with open(tmp_path / "file", "rb", buffering=0) as file, pytest.raises(DigestMismatchError):
        kept.take(file, Digest.of(b"abd"), 3)
    assert not list(kept.blobs())
    assert not list(kept.temporary.iterdir())


def test_two_machines_may_share_the_same_at_once(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    stores = [new_store(tmp_path / f"store-{number}") for number in range(4)]
    results = [made(store) for store in stores]
    places = [opened(str(tmp_path / "shared")) for _ in stores]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at, store, result: at[0].keep(store, KEY, result), places, stores, results))
    assert [told for _, told in places] == [[]] * 4
    reader, told = opened(str(tmp_path / "shared"))
    assert reader.result_of(new_store(tmp_path / "reader"), KEY, TARGETS) == results[0]
    assert told == []
