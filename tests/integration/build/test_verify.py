"""`verify` proves a digest by building again, and names what was changed behind its back."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from builder.lock.folder import read_lock
from builder.oci.documents import Platform
from builder.plan import make_plan


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


@pytest.fixture
def plain(projects):
    """A small environment."""
    return projects / "environments/plain"


@pytest.fixture
def layout(envbuild, plain, store, tmp_path):
    """Its image as a layout folder, to be changed."""
    replace(envbuild, store=store)("build", plain, "--platform", "linux/amd64", "-o", tmp_path / "layout")
    return Changed(tmp_path / "layout")


@dataclass
class Changed:
    """A layout folder whose one image is written anew after a change, so that every digest holds again."""

    folder: Path

    def read(self, descriptor):
        return json.loads(self.blob(descriptor["digest"]).read_bytes())

    def blob(self, digest: str) -> Path:
        return self.folder / "blobs/sha256" / digest.removeprefix("sha256:")

    def keep(self, descriptor, data: bytes):
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blob(digest).write_bytes(data)
        return {**descriptor, "digest": digest, "size": len(data)}

    def change(self, edit) -> None:
        """`edit` is given the manifest and the config, and may keep other blobs."""
        index = json.loads((self.folder / "index.json").read_bytes())
        images = self.read(index["manifests"][0])
        manifest = self.read(images["manifests"][0])
        config = self.read(manifest["config"])
        edit(manifest, config)
        manifest["config"] = self.keep(manifest["config"], json.dumps(config).encode())
        images["manifests"][0] = self.keep(images["manifests"][0], json.dumps(manifest).encode())
        index["manifests"][0] = self.keep(index["manifests"][0], json.dumps(images).encode())
        (self.folder / "index.json").write_text(json.dumps(index))

    def rewrite(self, name: str, edit) -> None:
        """The layer whose history begins with `name`, with its members as `edit` gives them."""

        def layer(manifest, config):
            number = [entry["created_by"] for entry in config["history"]].index(name)
            data = gzip.decompress(self.blob(manifest["layers"][number]["digest"]).read_bytes())
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                members = [(info, archive.extractfile(info).read() if info.isfile() else b"") for info in archive]
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w") as archive:
                for info, content in edit(members):
                    info.size = len(content)
                    archive.addfile(info, io.BytesIO(content))
            config["rootfs"]["diff_ids"][number] = f"sha256:{hashlib.sha256(out.getvalue()).hexdigest()}"
            manifest["layers"][number] = self.keep(manifest["layers"][number], gzip.compress(out.getvalue(), 1))

        self.change(layer)


def python_layer(lock: Path) -> str:
    """The name of a layer of wheels."""
    plan = make_plan(read_lock(lock), Platform("amd64"))
    return next(layer.name for layer in plan.layers if layer.wheels)


def test_an_image_is_compared_with_the_lock_that_is_named_or_that_is_not_done_is_said(envbuild, layout, plain):
    done = envbuild("verify", layout.folder, "--json")
    assert json.loads(done.stdout)["contents"].startswith("not compared")
    assert "contents were NOT compared with a lock" in done.stderr
    done = envbuild("verify", layout.folder, "--lock", plain, "--json")
    assert json.loads(done.stdout)["contents"] == "compared"
    assert json.loads(done.stdout)["problems"] == []


def test_an_image_is_not_of_another_lock(envbuild, layout, project):
    failed = envbuild("verify", layout.folder, "--lock", project, "--json", code=3)
    document = json.loads(failed.stdout)
    assert [problem["kind"] for problem in document["problems"]] == ["contents"]
    assert document["contents"] == "not compared: it is of another lock"
    assert "says that it is of the lock" in failed.stderr


def test_layers_that_were_swapped_are_found(envbuild, layout):
    def swap(manifest, config):
        layers = manifest["layers"]
        layers[0], layers[1] = layers[1], layers[0]

    layout.change(swap)
    failed = envbuild("verify", layout.folder, code=5)
    assert failed.stderr.count("not to its diff_id") == 2


def test_a_change_under_right_digests_is_a_failed_check_and_named_by_a_rebuild(envbuild, layout, plain, store):
    name = python_layer(plain / "lock")
    changed = []

    def edit(members):
        for info, content in members:
            if info.name.endswith(".py") and content and not changed:
                changed.append(info.name)
                yield info, content + b"# more\n"
            else:
                yield info, content

    layout.rewrite(name, edit)
    failed = envbuild("verify", layout.folder, "--lock", plain, "--json", code=3)
    (problem,) = json.loads(failed.stdout)["problems"]
    assert problem["path"] == changed[0]
    assert "bytes and should have" in problem["message"]
    failed = envbuild("verify", layout.folder, "--lock", plain, "--rebuild", code=5)
    assert f"(`{name}`) differs in the image and by the lock: `{changed[0]}` has size" in failed.stderr


def test_an_image_that_is_compressed_in_another_way_has_every_package_and_another_digest(envbuild, layout, plain):
    def compress(manifest, config):
        data = gzip.decompress(layout.blob(manifest["layers"][0]["digest"]).read_bytes())
        manifest["layers"][0] = layout.keep(manifest["layers"][0], gzip.compress(data, 1))

    layout.change(compress)
    envbuild("verify", layout.folder, "--lock", plain)
    failed = envbuild("verify", layout.folder, "--lock", plain, "--rebuild", code=5)
    assert "compressed in another way, bytes" in failed.stderr


def test_an_image_cannot_be_rebuilt_from_itself(envbuild, layout):
    assert "--lock" in envbuild("verify", layout.folder, "--rebuild", code=1).stderr


def test_a_bundle_is_compared_with_the_lock_inside_and_rebuilt_from_its_project(envbuild, project, workplace, bundled):
    envbuild.bundle(project, workplace)
    bundle = workplace / "bundle.tar"
    assert "contents are those of the lock" in envbuild("verify", bundle).stderr
    done = envbuild("verify", bundle, "--lock", project, "--rebuild")
    assert "the same digest" in done.stderr
    assert done.stdout.strip() == bundled.printed.rpartition("@")[2]
