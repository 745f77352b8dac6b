"""Thin bundles: what they do without is made again from the lock inside, byte by byte, or refused."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from docker_registry import Registry, login_at, serving
from signed_bundles import new_key

from builder.bundle.reading.fetches import Fetch, will_fetch
from builder.bundle.reading.reader import open_bundle

PLATFORM = ("--platform", "linux/amd64")


@pytest.fixture(scope="module")
def files(project: Path, with_shared_store: Any, reference: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example's bundle in all its forms, and what was printed of each."""
    folder = tmp_path_factory.mktemp("thin")
    for target, option in {"full.tar": "--full", "thin.tar": "--thin", "thin": "--thin"}.items():
        done = with_shared_store("bundle", project, *PLATFORM, option, "-o", folder / target)
        (folder / f"{target}.txt").write_text(done.stdout + done.stderr)
    return folder


@pytest.fixture
def thin_folder(files: Path, workplace: Path) -> Path:
    """A thin bundle that a test may change."""
    return Path(shutil.copytree(files / "thin", workplace / "thin"))


def digest(file: Path) -> str:
    return file.with_name(f"{file.name}.txt").read_text().splitlines()[0].rpartition("@")[2]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


def test_small_data_are_in_an_image_unless_it_is_to_be_thin(
    files: Path, project: Path, reference: str, with_shared_store: Any
) -> None:
    (full,), (thin,) = (open_bundle(files / name).images.values() for name in ("full.tar", "thin.tar"))
    assert reference == f"penguins@{full.descriptor.digest}"
    assert with_shared_store.digest(project, "--thin") == f"penguins@{thin.descriptor.digest}" != reference
    assert digest(files / "thin.tar") == digest(files / "thin") != digest(files / "full.tar")


def test_a_thin_file_has_no_layer_of_the_environment_and_nothing_for_docker(files: Path) -> None:
    assert (files / "thin.tar").stat().st_size < 1_000_000 < (files / "full.tar").stat().st_size
    with tarfile.open(files / "thin.tar") as archive:
        assert "manifest.json" not in archive.getnames()
    assert "`docker load` cannot read it" in (files / "thin.tar.txt").read_text()


def test_of_a_thin_bundle_that_is_not_signed_as_asked_nothing_is_made(
    envbuild: Any, files: Path, workplace: Path
) -> None:
    new_key(workplace / "key")
    for line in (("verify", files / "thin.tar", "--key"), ("reproduce", files / "thin.tar", "--require-signature")):
        done = envbuild(*line, workplace / "key.pub", code=4)
        assert "nobody signed" in done.stderr
        assert "making the layers" not in done.stderr
        assert "building" not in done.stderr


def test_a_thin_bundle_is_verified_once_its_layers_were_made(envbuild: Any, files: Path) -> None:
    for name in ("thin.tar", "thin"):
        done = envbuild("verify", files / name)
        assert done.stdout.strip() == digest(files / name)
        assert "every digest, size and diff_id holds" in done.stderr
        assert ("is thin: making the layers" in done.stderr) == (name == "thin.tar"), "the second time, they are there"


def test_a_thin_bundle_is_pushed_whole(
    with_shared_store: Any, files: Path, registry: Registry, workplace: Path
) -> None:
    (workplace / "docker").mkdir()
    (workplace / "docker/config.json").write_text(login_at(registry.host))
    envbuild = replace(with_shared_store, environment={"DOCKER_CONFIG": str(workplace / "docker")})
    printed = envbuild("push", files / "thin.tar", f"{registry.host}/team/penguins:thin").stdout.strip()
    assert printed.rpartition("@")[2] == digest(files / "thin.tar")
    (image,) = open_bundle(files / "thin.tar").images.values()
    envbuild("pull", printed, "-o", workplace / "pulled.tar")
    pulled = open_bundle(workplace / "pulled.tar")
    assert all(pulled.layout.has(layer.digest, layer.size) for layer in image.manifest.layers)


def test_will_fetch_tells_what_a_thin_bundle_is_made_of_and_nothing_of_a_full_one(
    files: Path, artifacts: tuple[str, ...]
) -> None:
    assert will_fetch(open_bundle(files / "full.tar")) == ()
    found = will_fetch(open_bundle(files / "thin.tar"))
    assert found[0] == Fetch("data penguins", (), 15241)
    assert len(found) == 1 + len(artifacts)
    assert all(fetch.size and fetch.urls[0].startswith("http") for fetch in found[1:])


def rewritten(folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A layout folder whose image has another manifest, under digests that are right."""

    def write(descriptor: dict[str, Any], document: dict[str, Any]) -> None:
        data = json.dumps(document).encode()
        descriptor["digest"], descriptor["size"] = f"sha256:{hashlib.sha256(data).hexdigest()}", len(data)
        (blobs / hashlib.sha256(data).hexdigest()).write_bytes(data)

    def read(descriptor: dict[str, Any]) -> dict[str, Any]:
        return json.loads((blobs / descriptor["digest"][7:]).read_bytes())

    blobs, top = folder / "blobs/sha256", json.loads((folder / "index.json").read_bytes())
    top.pop("annotations", None)
    index = read(top["manifests"][0])
    manifest = read(index["manifests"][0])
    change(manifest)
    write(index["manifests"][0], manifest)
    write(top["manifests"][0], index)
    (folder / "index.json").write_text(json.dumps(top))
    return folder


def test_layers_that_the_lock_does_not_give_are_refused(with_shared_store: Any, thin_folder: Path) -> None:
    folder = rewritten(thin_folder, lambda manifest: manifest["layers"][0].update(digest="sha256:" + "a" * 64))
    for command in (("verify", folder), ("run", folder, "train", "--engine", "embedded")):
        done = with_shared_store(*command, code=5)
        assert "the lock inside does not give the layers" in done.stderr
        assert "a" * 64 in done.stderr


def test_a_full_bundle_that_lost_a_layer_is_damaged_and_not_thin(
    with_shared_store: Any, files: Path, workplace: Path
) -> None:
    (image,) = open_bundle(files / "full.tar").images.values()
    lost = image.manifest.layers[0].digest.hex
    with tarfile.open(files / "full.tar") as whole, tarfile.open(workplace / "lost.tar", "w") as rest:
        for member in whole:
            if lost not in member.name:
                rest.addfile(member, whole.extractfile(member))
    done = with_shared_store("verify", workplace / "lost.tar", code=5)
    assert lost in done.stderr
    assert "is thin" not in done.stderr


def test_what_is_changed_in_a_thin_bundle_is_found(with_shared_store: Any, thin_folder: Path) -> None:
    (image,) = open_bundle(thin_folder).images.values()
    code = image.layers[image.config.history.index("code")]
    path = thin_folder / "blobs/sha256" / code.descriptor.digest.hex
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    assert code.descriptor.digest.hex in with_shared_store("verify", thin_folder, code=5).stderr


def test_a_thin_bundle_says_what_it_lacks_where_nothing_may_be_fetched(
    with_shared_store: Any, files: Path, workplace: Path
) -> None:
    empty = replace(with_shared_store, store=workplace / "empty")
    done = empty("run", files / "thin.tar", "train", "--offline", "--engine", "embedded", code=1)
    assert "is not in the store, and this run is offline" in done.stderr
