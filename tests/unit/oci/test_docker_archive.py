"""Archives as `docker save` of older engines writes them: a folder a layer, repeated ones as links."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest
from made_up_image import file, layer

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.docker_archive import DockerArchive, is_docker_archive
from builder.oci.documents import ImageConfig, Platform
from builder.oci.validate import validate

LAYERS = [layer(file("a", b"1")), layer(file("b", b"2"))]


def save(path: Path, layers: list[bytes] = LAYERS, diff_ids: list[bytes] = LAYERS, names: int = 3) -> Path:
    """An image of three layers, the last of which is the first once more."""
    ids = tuple(Digest.of(data) for data in (*diff_ids, diff_ids[0]))
    config = ImageConfig(Platform("amd64"), "1980-01-02T00:00:00Z", ids, ("x", "y", "z")).to_bytes()
    listed = [f"{number}/layer.tar" for number in range(names)]
    entry = {"Config": "config.json", "RepoTags": ["a:1"], "Layers": listed}
    with tarfile.open(path, "w") as archive:
        for name, data in [("config.json", config), *zip(listed, layers, strict=False)]:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        again = tarfile.TarInfo("2/layer.tar")
        again.type, again.linkname = tarfile.SYMTYPE, "../0/layer.tar"
        archive.addfile(again)
        data = json.dumps([entry]).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(data)
        archive.addfile(info, io.BytesIO(data))
    return path


def test_a_saved_image_is_read_and_its_layers_checked(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tar")
    assert is_docker_archive(path)
    archive = DockerArchive(path)
    report = validate(archive, archive.tops)
    assert report.problems == ()
    assert {name for name, _ in report.images[0].files.below(b"")} == {b"a", b"b"}


def test_a_saved_layer_that_is_not_its_diff_id_is_found(tmp_path: Path) -> None:
    archive = DockerArchive(save(tmp_path / "a.tar", [LAYERS[0], layer(file("b", b"3"))]))
    (problem,) = validate(archive, archive.tops).problems
    assert f"not to its diff_id {Digest.of(LAYERS[1])}" in problem.message


def test_an_archive_that_names_what_it_has_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError, match=r"has no `3/layer\.tar`"):
        DockerArchive(save(tmp_path / "a.tar", names=4))


@pytest.mark.parametrize(
    "document", ["[]", "{}", "[1]", '[{"Layers": [], "Config": 1}]', '[{"Config": "x"}]', "nothing"]
)
def test_a_list_of_images_that_is_none_is_refused(document: str, tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("manifest.json")
        info.size = len(document)
        archive.addfile(info, io.BytesIO(document.encode()))
    with pytest.raises(EnvbuildError):
        DockerArchive(tmp_path / "a.tar")


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_text("nothing")
    with pytest.raises(EnvbuildError, match="cannot be read as an image"):
        is_docker_archive(tmp_path / "a.tar")


def test_an_archive_with_two_files_of_one_name_is_refused(tmp_path: Path) -> None:
    with tarfile.open(save(tmp_path / "a.tar"), "a") as archive:
        archive.addfile(tarfile.TarInfo("./config.json"), io.BytesIO())
    with pytest.raises(EnvbuildError, match=r"has 'config\.json' twice"):
        DockerArchive(tmp_path / "a.tar")
