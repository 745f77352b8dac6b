"""Data of artifacts in Debian's docker-registry, as ORAS and ModelPack push them, for who knows the password."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import zstandard
from data_projects import DataProject
from docker_registry import SECRET, Registry, login_at, serving
from registry_simulator import changes, running

from builder.bundle.parts.data import packed_data
from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.data.entry import DataEntry, LockedFile
from builder.lock.data.locking import entries
from builder.lock.data.online import look_up_data
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_EMPTY, MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, Descriptor, Manifest
from builder.run.data import data_path

TITLE, UNPACK, MODEL_PATH = (
    "org.opencontainers.image.title",
    "io.deis.oras.content.unpack",
    "org.cncf.model.filepath",
)
CSV, PARQUET = b"a,b\n1,2\n" * 1000, b"PAR1" * 5000
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
def logged_in(registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(login_at(registry.host))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return registry


def archive(files: Mapping[str, bytes], *others: tarfile.TarInfo) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for other in others:
            tar.addfile(other)
    return buffer.getvalue()


def special(name: str, kind: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, "/etc/passwd"
    return member


def push(registry: Registry, name: str, *layers: tuple[str, bytes, dict[str, str]]) -> str:
    """Push an artifact; its digest."""
    described = [Descriptor(kind, Digest.of(data), len(data), texts) for kind, data, texts in layers]
    config = Descriptor(MEDIA_TYPE_EMPTY, Digest.of(b"{}"), 2)
    manifest = Manifest(config, tuple(described), artifact_type="application/vnd.example.data").to_bytes()
    registry.put(name, [b"{}", *(data for _, data, _ in layers)], [(MANIFEST, manifest)])
    return str(Digest.of(manifest))


def locked(project: DataProject, url: str, **fields: object) -> DataEntry:
    project.spec({"train": {"url": url, **fields}})
    return entries(project.loaded, project.lock()).data["train"]


def files_of(entry: DataEntry) -> list[str]:
    return [file.path for file in entry.files]


def elsewhere(project: DataProject, tmp_path: Path) -> DataProject:
    """The same project where nothing was fetched yet."""
    other = DataProject(tmp_path / "elsewhere", tmp_path / "empty-store")
    (other.folder / "envbuild.yaml").write_bytes((project.folder / "envbuild.yaml").read_bytes())
    (other.folder / "lock").mkdir()
    other.lock_file.write_bytes(project.lock_file.read_bytes())
    return other


def content(project: DataProject) -> dict[str, bytes]:
    """What a command would read, by path."""
    (packed,) = packed_data(project.loaded, entries(project.loaded).data, "full", project.fetcher)
    return {
        file.path.removeprefix("data/train").lstrip("/"): Path(file.source or "").read_bytes() for file in packed.files
    }


def test_a_file_is_locked_by_its_layer_and_fetched_when_it_is_needed(
    logged_in: Registry, project: DataProject, tmp_path: Path
) -> None:
    # ORAS gives plain files the type of a layer
    digest = push(logged_in, "data/file:v1", (MEDIA_TYPE_LAYER, CSV, {TITLE: "train.csv"}))
    before = len(logged_in.asked())
    entry = locked(project, f"oci://{logged_in.host}/data/file:v1")
    assert (entry.kind, entry.digest, entry.size) == ("file", Digest.of(CSV), len(CSV))
    assert entry.pinned == f"oci://{logged_in.host}/data/file@{digest}/train.csv"
    assert not [line for line in logged_in.asked()[before:] if "/blobs/" in line]
    assert SECRET not in project.lock_file.read_text()

    other = elsewhere(project, tmp_path)
    assert content(other) == {"": CSV}
    reference = {"sha256": entry.digest.hex, "size": entry.size, "urls": [entry.source], "local": None}
    path = data_path("train", reference, other.folder, other.fetcher, lambda: entry)
    assert path.read_bytes() == CSV


def test_a_tag_that_moves_does_not_move_what_is_locked(
    logged_in: Registry, project: DataProject, tmp_path: Path
) -> None:
    push(logged_in, "data/moving:latest", ("text/csv", CSV, {TITLE: "a.csv"}))
    locked(project, f"oci://{logged_in.host}/data/moving")
    push(logged_in, "data/moving:latest", ("text/csv", PARQUET, {TITLE: "a.csv"}))
    assert content(elsewhere(project, tmp_path)) == {"": CSV}
    assert project.make(upgrade=True).data["train"].digest == Digest.of(PARQUET)


ARCHIVES = {"tar": bytes, "tar+gzip": lambda data: gzip.compress(data, mtime=0), "tar+zstd": zstandard.compress}


@pytest.mark.parametrize("form", ARCHIVES)
def test_a_folder_is_of_files_and_archives(
    logged_in: Registry, project: DataProject, tmp_path: Path, form: str
) -> None:
    packed = ARCHIVES[form](
        archive({"parts/b.parquet": PARQUET, "./parts/c d.csv": b"1"}, special("parts/", tarfile.DIRTYPE))
    )
    digest = push(
        logged_in,
        f"data/{form.replace('+', '-')}:v1",
        ("application/vnd.cncf.model.dataset.v1.raw", CSV, {MODEL_PATH: "raw/a b.csv"}),
        (f"application/vnd.cncf.model.dataset.v1.{form}", packed, {MODEL_PATH: "parts"}),
    )
    entry = locked(project, f"oci://{logged_in.host}/data/{form.replace('+', '-')}@{digest}")
    assert (entry.kind, files_of(entry)) == ("folder", ["parts/b.parquet", "parts/c d.csv", "raw/a b.csv"])
    expected = {"parts/b.parquet": PARQUET, "parts/c d.csv": b"1", "raw/a b.csv": CSV}
    assert content(elsewhere(project, tmp_path)) == expected


def test_a_folder_of_oras_is_unpacked_and_a_file_that_is_an_archive_is_not(
    logged_in: Registry, project: DataProject
) -> None:
    data = gzip.compress(archive({"images/1.png": b"1"}), mtime=0)
    push(logged_in, "data/oras:v1", (MEDIA_TYPE_LAYER_GZIP, data, {TITLE: "images", UNPACK: "true"}))
    assert files_of(locked(project, f"oci://{logged_in.host}/data/oras:v1")) == ["images/1.png"]
    push(logged_in, "data/oras:v2", (MEDIA_TYPE_LAYER_GZIP, data, {TITLE: "images.tar.gz"}))
    assert locked(project, f"oci://{logged_in.host}/data/oras:v2").digest == Digest.of(data)


def test_an_archive_is_read_once_whatever_number_of_files_is_missing(
    logged_in: Registry, project: DataProject, tmp_path: Path
) -> None:
    data = archive({f"{number:03}.csv": b"%d" % number for number in range(50)})
    layer = ("application/vnd.cncf.model.dataset.v1.tar", data, {})
    push(logged_in, "data/many:v1", layer)
    locked(project, f"oci://{logged_in.host}/data/many:v1")
    other, before = elsewhere(project, tmp_path), len(logged_in.asked())
    assert len(content(other)) == 50
    asked = [line for line in logged_in.asked()[before:] if "/blobs/" in line and line.endswith(" 200")]
    assert len(asked) == 1


def test_what_is_there_needs_no_registry(logged_in: Registry, project: DataProject) -> None:
    data = archive({"a.csv": CSV})
    push(logged_in, "data/kept:v1", ("application/vnd.cncf.model.dataset.v1.tar", data, {}))
    locked(project, f"oci://{logged_in.host}/data/kept:v1")
    before = len(logged_in.asked())
    assert content(project) == {"a.csv": CSV}
    assert len(logged_in.asked()) == before


@pytest.mark.parametrize(
    ("layers", "said"),
    [
        ([("a/tar", archive({"../a": b"1"}), {})], "is not a path below a folder"),
        ([("a/tar", archive({"/a": b"1"}), {})], "is not a path below a folder"),
        ([("x.tar", archive({}, special("a", tarfile.SYMTYPE)), {})], "is neither a file nor a folder"),
        ([("x.tar", archive({}, special("a", tarfile.CHRTYPE)), {})], "is neither a file nor a folder"),
        ([("x.tar", archive({"a": b"1"})[:600], {})], "cannot be read"),
        ([("x.tar", b"no archive" * 100, {})], "cannot be read"),
        ([("text/csv", b"1", {TITLE: "../a"}), ("text/csv", b"2", {TITLE: "b"})], "is not a path below a folder"),
        ([("text/csv", b"1", {TITLE: "a"}), ("text/csv", b"2", {TITLE: "a"})], "stands twice"),
        ([("text/csv", b"1", {TITLE: "a"}), ("text/csv", b"2", {})], "nothing says what its layer"),
        ([], "it has 0 layers"),
    ],
    ids=["up", "root", "link", "device", "cut", "none", "named up", "twice", "nameless", "empty"],
)  # fmt: skip
def test_what_can_be_no_folder_is_refused(
    logged_in: Registry, project: DataProject, layers: list[tuple[str, bytes, dict[str, str]]], said: str
) -> None:
    layers = [(kind.replace("a/tar", "x.tar"), data, texts) for kind, data, texts in layers]
    push(logged_in, "data/hostile:v1", *layers)
    with pytest.raises(EnvbuildError, match=said):
        locked(project, f"oci://{logged_in.host}/data/hostile:v1")
    assert not project.lock_file.exists()


def test_an_index_is_no_data(logged_in: Registry, project: DataProject) -> None:
    digest = push(logged_in, "data/index:part", ("text/csv", CSV, {TITLE: "a.csv"}))
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}
    size = len(logged_in.raw("data/index:part"))
    index["manifests"] = [{"mediaType": MANIFEST, "digest": digest, "size": size}]
    logged_in.put("data/index:v1", [], [("application/vnd.oci.image.index.v1+json", json.dumps(index).encode())])
    with pytest.raises(EnvbuildError, match="is not an artifact with files"):
        locked(project, f"oci://{logged_in.host}/data/index:v1")


def test_another_digest_than_the_spec_promises_is_told(
    logged_in: Registry, project: DataProject, tmp_path: Path
) -> None:
    push(logged_in, "data/promised:v1", ("text/csv", CSV, {TITLE: "a.csv"}))
    project.spec({"train": {"url": f"oci://{logged_in.host}/data/promised:v1", "sha256": "a" * 64}})
    with pytest.raises(DigestMismatchError):
        content(project)
    promised = hashlib.sha256(CSV).hexdigest()
    project.spec({"train": {"url": f"oci://{logged_in.host}/data/promised:v1", "sha256": promised}})
    assert content(project) == {"": CSV}


def test_who_is_not_logged_in_is_told_so_and_no_secret(registry: Registry, project: DataProject) -> None:
    with pytest.raises(EnvbuildError) as caught:
        locked(project, f"oci://{registry.host}/data/file:v1")
    assert "docker login" in f"{caught.value}{caught.value.hint}"
    assert SECRET not in str(caught.value)


def test_a_check_asks_whether_artifacts_are_still_there(logged_in: Registry, project: DataProject) -> None:
    layer = ("application/vnd.cncf.model.dataset.v1.tar", archive({"a.csv": CSV}), {})
    digest = push(logged_in, "data/online:v1", layer)
    push(logged_in, "data/online:v2", ("text/csv", CSV, {TITLE: "a.csv"}))
    for tag in ("v1", "v2"):
        locked(project, f"oci://{logged_in.host}/data/online:{tag}")
        lock = entries(project.loaded)
        look_up_data(lock, project.fetcher).check("the data")
    locked(project, f"oci://{logged_in.host}/data/online:v1")
    logged_in._send("DELETE", f"data/online/manifests/{digest}", b"")
    with pytest.raises(EnvbuildError, match="can no longer be had"):
        look_up_data(entries(project.loaded), project.fetcher).check("the data")


def test_rows_of_a_lock_are_fetched_by_digest(logged_in: Registry, project: DataProject, tmp_path: Path) -> None:
    push(logged_in, "data/rows:v1", ("a/b.tar", archive({"a.csv": CSV}), {}))
    entry = locked(project, f"oci://{logged_in.host}/data/rows:v1")
    assert entry.files == (LockedFile("a.csv", Digest.of(CSV), len(CSV)),)


def test_a_file_is_gone_on_with_where_the_connection_broke(
    project: DataProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.fetch.download.time.sleep", lambda _: None)
    big = CSV * 40
    with running() as registry:
        config = registry.add_blob("data", b"{}")
        layers = [Descriptor("text/csv", Digest.of(big), len(big), {TITLE: "a.csv"})]
        registry.add_blob("data", big)
        manifest = Manifest(Descriptor(MEDIA_TYPE_EMPTY, Digest.parse(config), 2), tuple(layers)).to_bytes()
        registry.add_manifest("data", manifest, MANIFEST, "v1")
        locked(project, f"oci://{registry.host}/data:v1")
        registry.fail(f"GET .*{Digest.of(big).hex}", changes(damage=lambda data: data[:200_000]))
        assert content(project) == {"": big}
        ranges = [record.headers.get("range") for record in registry.asked(f"GET .*{Digest.of(big).hex}")]
    assert ranges[0] is None
    assert 0 < int((ranges[1] or "")[len("bytes=") : -1]) <= 200_000
