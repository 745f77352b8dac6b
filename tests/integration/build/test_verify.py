"""`verify` proves a digest by building again, and names what was changed behind its back."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest


def flip_byte(path: Path, offset: int) -> None:
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))


def largest_layer(store: Path, printed: str) -> str:
    """Of the image, or of the one image of the index, whose reference was printed."""
    document = json.loads((store / "blobs/sha256" / printed.rpartition(":")[2]).read_bytes())
    if "manifests" in document:
        return largest_layer(store, document["manifests"][0]["digest"])
    return max(document["layers"], key=lambda layer: layer["size"])["digest"].partition(":")[2]


def test_rebuilding_into_an_empty_store_gives_the_same_digest(envbuild, project, reference):
    done = envbuild("verify", "--rebuild", project, "--platform", "linux/amd64")
    assert done.stdout.strip() == reference.rpartition("@")[2]
    assert not list((envbuild.store / "tmp").iterdir())


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_changed_byte_of_a_layer_in_the_store_is_found(envbuild, project, place):
    layer = largest_layer(envbuild.store, envbuild.digest(project))
    path = envbuild.store / "blobs/sha256" / layer
    size = path.stat().st_size
    flip_byte(path, {"first": 0, "middle": size // 2, "last": size - 1}[place])
    done = envbuild("verify", project, "--platform", "linux/amd64", code=5)
    assert layer in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_changed_byte_of_a_layer_in_a_bundle_is_found(envbuild, project, workplace, store, place):
    printed = envbuild.bundle(project, workplace).printed
    layer = largest_layer(envbuild.store, printed)
    with tarfile.open(workplace / "bundle.tar") as archive:
        member = archive.getmember(f"blobs/sha256/{layer}")
    flip_byte(
        workplace / "bundle.tar",
        member.offset_data + {"first": 0, "middle": member.size // 2, "last": -1 + member.size}[place],
    )
    done = envbuild("verify", workplace / "bundle.tar", code=5)
    assert layer in done.stderr


def test_a_changed_byte_of_a_bundles_documents_is_found(envbuild, project, workplace):
    digest = envbuild.bundle(project, workplace).printed.rpartition(":")[2]
    with tarfile.open(workplace / "bundle.tar") as archive:
        member = archive.getmember(f"blobs/sha256/{digest}")
    flip_byte(workplace / "bundle.tar", member.offset_data + member.size // 2)
    assert digest in envbuild("verify", workplace / "bundle.tar", code=5).stderr


def test_a_damaged_layer_is_never_packed(envbuild, project, workplace, bundled):
    layer = largest_layer(envbuild.store, envbuild.digest(project))
    flip_byte(envbuild.store / "blobs/sha256" / layer, 4711)
    failed = envbuild("bundle", project, "--platform", "linux/amd64", "-o", workplace / "bundle.tar", code=5)
    assert layer in failed.stderr
    assert not (workplace / "bundle.tar").exists()
    assert envbuild.bundle(project, workplace) == bundled


def test_a_bundle_that_was_cut_short_is_refused(envbuild, project, workplace):
    envbuild.bundle(project, workplace)
    path = workplace / "bundle.tar"
    for size in (path.stat().st_size // 2, 1000, 0):
        with open(path, "r+b") as file:
            file.truncate(size)
        done = envbuild("verify", path, code=1)
        assert "Traceback" not in done.stderr
        assert str(path) in done.stderr
