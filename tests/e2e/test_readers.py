"""Every reader of images sees the same files in a bundle: names, kinds, modes, owners, times and bytes."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import stat
import subprocess
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from builder.bundle.reading.reader import Bundle, open_bundle
from builder.image.kept import Image
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.run.unpack import unpack_image

MADE_BY_ENGINES = {".dockerenv", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab", "dev", "proc", "sys"}
"""Paths that a container gets from its engine."""
PODMAN = ["--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]
LIMITS = ["--ulimit", "nofile=4096:4096", "--ulimit", "nproc=4096:4096"]

Tree = dict[str, tuple[object, ...]]

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can unpack files of several owners")


@dataclass(frozen=True)
class Unpacked:
    """The blobs of the image for this machine."""

    bundle: Bundle
    image: Image
    layers: tuple[Path, ...]
    """Lowest first: gzip files, and plain tars of weights and data."""
    diff_ids: tuple[str, ...]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="envbuild-readers-") as path:
        yield Path(path)


@pytest.fixture(scope="module")
def bundle(released):
    """The example's bundle with a model of large and small files, scanned and signed."""
    return released


@pytest.fixture(scope="module")
def model_files(released) -> str:
    """Its model, as `read_model` lists it."""
    model = released.project / "out/model"
    files = sorted(path for path in model.rglob("*") if path.is_file())
    return "".join(f"{path.relative_to(model)} {path.stat().st_size}\n" for path in files)


@pytest.fixture(scope="module")
def image(docker, bundle) -> str:
    """Its image in the engine, which got it by `docker load`."""
    assert bundle.name in docker("load", "-i", bundle.file).stdout
    return docker.identity(bundle.name)


def read_model(image: str) -> list[str]:
    """What is to be run of an image to list its model."""
    code = "import pathlib; root = pathlib.Path('/model'); files = (p for p in root.rglob('*') if p.is_file())"
    code += "; print(*sorted(f'{p.relative_to(root)} {len(p.read_bytes())}' for p in files), sep='\\n')"
    return ["--entrypoint", "/opt/env/bin/python", image, "-c", code]


@contextmanager
def tar_of(path: Path) -> Iterator[IO[bytes]]:
    """The tar that a layer is, or inflates to."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if is_gzip else path.open("rb") as stream:
        yield stream


@pytest.fixture(scope="module")
def opened(bundle, folder: Path) -> Unpacked:
    found = open_bundle(bundle.file)
    image = found.image(Platform("amd64"))
    store = Store(folder / "store")
    store.create()
    found.import_image(Platform("amd64"), store)
    layers = tuple(store.path(layer.digest) for layer in image.manifest.layers)
    return Unpacked(found, image, layers, tuple(diff_id.hex for diff_id in image.config.diff_ids))


def of_file(mode: int, uid: int, gid: int, mtime: float, data: IO[bytes]) -> tuple[object, ...]:
    checksum, size = hashlib.sha256(), 0
    while chunk := data.read(1 << 20):
        checksum.update(chunk)
        size += len(chunk)
    return "file", oct(mode), uid, gid, int(mtime), size, checksum.hexdigest()


def of_tar(stream: IO[bytes]) -> Tree:
    """What a tar stream holds, read by Python."""
    tree: Tree = {}
    with tarfile.open(fileobj=stream, mode="r|*") as archive:
        for member in archive:
            name = member.name.removeprefix("./").strip("/")
            mode = member.mode & 0o7777
            if member.islnk():
                tree[name] = tree[member.linkname.removeprefix("./").strip("/")]
            elif member.issym():
                tree[name] = ("link", member.uid, member.gid, member.linkname)
            elif member.isdir():
                tree[name] = ("folder", oct(mode), member.uid, member.gid)
            elif member.isfile():
                tree[name] = of_file(mode, member.uid, member.gid, member.mtime, archive.extractfile(member))
            else:
                tree[name] = ("other", member.type)
    tree.pop("", None)
    return tree


def of_folder(root: Path) -> Tree:
    """What is in a folder of the disk."""
    tree: Tree = {}
    for parent, folders, files in os.walk(root):
        for name in (*folders, *files):
            path = Path(parent, name)
            found = path.lstat()
            mode = stat.S_IMODE(found.st_mode)
            shown = path.relative_to(root).as_posix()
            if stat.S_ISLNK(found.st_mode):
                tree[shown] = ("link", found.st_uid, found.st_gid, os.readlink(path))
            elif stat.S_ISDIR(found.st_mode):
                tree[shown] = ("folder", oct(mode), found.st_uid, found.st_gid)
            elif stat.S_ISREG(found.st_mode):
                with path.open("rb") as file:
                    tree[shown] = of_file(mode, found.st_uid, found.st_gid, found.st_mtime, file)
            else:
                tree[shown] = ("other", found.st_mode)
    return tree


def differences(one: Tree, other: Tree) -> dict[str, object]:
    """Where two trees differ, the first twenty."""
    paths = sorted(path for path in one.keys() | other.keys() if one.get(path) != other.get(path))
    return {path: (one.get(path), other.get(path)) for path in paths[:20]}


def without_engines_own(tree: Tree) -> Tree:
    return {path: entry for path, entry in tree.items() if not {path, path.partition("/")[0]} & MADE_BY_ENGINES}


@pytest.fixture(scope="module")
def expected(opened: Unpacked) -> Tree:
    """What the layers hold, one on the other, read by Python alone."""
    tree: Tree = {}
    for path in opened.layers:
        with tar_of(path) as stream:
            tree |= of_tar(stream)
    return tree


def test_each_layer_names_every_path_once_and_every_parent(opened):
    for path in opened.layers:
        with tar_of(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            names = [member.name.strip("/") for member in archive]
        assert len(names) == len(set(names))
        parents = {parent.as_posix() for name in names for parent in Path(name).parents} - {"."}
        assert parents <= set(names)


def test_no_upper_layer_changes_a_folder_or_a_link_of_a_lower_one(opened):
    seen: Tree = {}
    for path in opened.layers:
        with tar_of(path) as stream:
            layer = of_tar(stream)
        clashes = {name: (seen[name], layer[name]) for name in seen.keys() & layer.keys() if seen[name] != layer[name]}
        assert clashes == {}
        seen |= layer


def test_weights_are_plain_layers_that_are_their_own_diff_ids(opened):
    history = opened.image.config.history
    plain = [name for name, path, diff_id in zip(history, opened.layers, opened.diff_ids, strict=True)
             if path.name == diff_id]  # fmt: skip
    assert plain == ["model model.safetensors", "model shards/b.bin", "model", "data penguins"]


def test_python_reads_the_bytes_of_the_diff_ids(opened):
    for path, diff_id in zip(opened.layers, opened.diff_ids, strict=True):
        with tar_of(path) as stream:
            assert hashlib.file_digest(stream, "sha256").hexdigest() == diff_id


def test_unpigz_reads_the_bytes_of_the_diff_ids(opened, program):
    unpigz = program("unpigz").name
    for path, diff_id in zip(opened.layers, opened.diff_ids, strict=True):
        if path.name == diff_id:  # it is not compressed
            continue
        with path.open("rb") as file, subprocess.Popen([unpigz, "-c"], stdin=file, stdout=subprocess.PIPE) as process:
            assert hashlib.file_digest(process.stdout, "sha256").hexdigest() == diff_id
        assert process.returncode == 0


def test_gnu_tar_unpacks_the_same_files(opened, program, folder, expected):
    tar = program("tar")
    root = folder / "gnu-tar"
    root.mkdir()
    options = ["--extract", "--same-permissions", "--same-owner", "--numeric-owner"]
    for path in opened.layers:
        assert tar(*options, "--directory", root, "--file", path).stderr == ""
    assert differences(expected, of_folder(root)) == {}


def test_the_embedded_engine_unpacks_the_same_files(opened, folder, expected):
    store = Store(folder / "store")
    tree: Tree = {}
    for layer in unpack_image(store, opened.image.manifest, opened.image.config):
        tree |= of_folder(layer)
    assert differences(expected, tree) == {}


@pytest.fixture(scope="module")
def layout(bundle, folder, program) -> Path:
    """The bundle as skopeo copies it, for this machine."""
    skopeo = program("skopeo")
    options = ["--insecure-policy", "--override-arch", "amd64", "copy", "--quiet"]
    skopeo(*options, f"oci-archive:{bundle.file}", f"oci:{folder / 'layout'}:image")
    return folder / "layout"


def test_skopeo_inspects_the_bundle(bundle, opened, program):
    skopeo = program("skopeo")
    shown = json.loads(skopeo("--override-arch", "amd64", "inspect", f"oci-archive:{bundle.file}").stdout)
    assert shown["Layers"] == [str(layer.digest) for layer in opened.image.manifest.layers]
    raw = skopeo("inspect", "--raw", f"oci-archive:{bundle.file}", text=False).stdout
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == bundle.digest


def test_skopeo_copies_every_blob_unchanged(bundle, opened, folder, program):
    target = folder / "directory"
    options = ["--insecure-policy", "--override-arch", "amd64", "copy", "--quiet", "--preserve-digests"]
    program("skopeo")(*options, f"oci-archive:{bundle.file}", f"dir:{target}")
    found = {hashlib.sha256(path.read_bytes()).hexdigest() for path in target.iterdir()}
    manifest = opened.image.manifest
    wanted = {blob.digest.hex for blob in (*manifest.layers, manifest.config, opened.image.descriptor)}
    assert wanted <= found


def test_skopeo_copies_both_platforms(bundle, folder, program):
    options = ["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]
    program("skopeo")(*options, f"oci-archive:{bundle.file}", f"oci:{folder / 'both'}:image")
    index = json.loads((folder / "both/index.json").read_bytes())
    assert [entry["digest"] for entry in index["manifests"]] == [bundle.digest]


@pytest.mark.parametrize("form", ["raw", pytest.param("none", marks=pytest.mark.slow)])
def test_images_do_not_depend_on_how_the_model_is_listed(form, envbuild, bundle, opened, folder, program):
    project, file = bundle.project, folder / f"{form}.tar"
    envbuild("bundle", project, "-o", file, "--modelpack", form)
    other = open_bundle(file)
    assert {one: image.descriptor for one, image in other.images.items()} == {
        one: image.descriptor for one, image in opened.bundle.images.items()
    }
    assert len(other.artifacts) == (form == "raw")
    target = folder / f"{form}-layout"
    options = ["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]
    program("skopeo")(*options, f"oci-archive:{file}", f"oci:{target}:image")
    for artifact in other.artifacts:
        for layer in other.layout.manifest(artifact).layers:
            path = project / "out/model" / layer.annotations["org.cncf.model.filepath"]
            assert (target / "blobs/sha256" / layer.digest.hex).read_bytes() == path.read_bytes()


@pytest.mark.slow
def test_umoci_unpacks_the_same_files(layout, folder, program, expected):
    target = folder / "umoci"
    program("umoci")("unpack", "--image", f"{layout}:image", target)
    assert differences(expected, of_folder(target / "rootfs")) == {}


def test_docker_exports_the_same_files(docker, image, expected):
    container = docker("create", image).stdout.strip()
    try:
        with docker.start("export", container, text=False, stderr=subprocess.DEVNULL) as process:
            tree = of_tar(process.stdout)
        assert process.returncode == 0
    finally:
        docker("rm", container)
    assert differences(without_engines_own(expected), without_engines_own(tree)) == {}


@pytest.mark.slow
def test_podman_loads_and_trains(bundle, data, folder, program, reset_podman, tmp_path):
    podman = program("podman")
    places = ["--root", folder / "podman", "--runroot", folder / "podman-run", "--tmpdir", folder / "podman-tmp"]
    line = [*places, *PODMAN]
    try:
        assert bundle.name in podman(*line, "load", "--input", bundle.file).stdout
        mounts = ["-v", f"{tmp_path}:/out", "-v", f"{data}:/data/penguins:ro"]
        user = f"{os.getuid()}:{os.getgid()}"
        podman(*line, "run", "--rm", "--network", "none", *LIMITS, *mounts, "--user", user, bundle.name, "train")
        assert json.loads((tmp_path / "metrics.json").read_text())["accuracy"] > 0.9
    finally:
        reset_podman(podman, *line)


@pytest.fixture(scope="module")
def pushed(bundle, program, folder, free_port, read_until) -> Iterator[str]:
    """The bundle in Debian's docker-registry, where skopeo copied it: its reference."""
    port = free_port()
    config = folder / "registry.yml"
    storage = {"filesystem": {"rootdirectory": str(folder / "registry")}}
    config.write_text(json.dumps({"version": 0.1, "storage": storage, "http": {"addr": f"127.0.0.1:{port}"}}))
    with program("docker-registry").start("serve", config) as registry:
        assert "listening on" in read_until(registry.stdout, "listening on")
        rest = threading.Thread(target=registry.stdout.read, daemon=True)
        rest.start()
        try:
            reference = f"127.0.0.1:{port}/{bundle.name}"
            options = ["--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests"]
            target = f"docker://{reference}"
            program("skopeo")(*options, "--dest-tls-verify=false", f"oci-archive:{bundle.file}", target)
            yield reference
        finally:
            registry.terminate()
            registry.wait()
            rest.join()


def test_a_registry_serves_the_bundle_back_unchanged(bundle, pushed, program):
    raw = program("skopeo")("inspect", "--raw", "--tls-verify=false", f"docker://{pushed}", text=False).stdout
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == bundle.digest


def test_a_registry_serves_the_model_with_the_layers_of_the_image(opened, pushed, program):
    skopeo = program("skopeo")
    (artifact,) = opened.bundle.artifacts
    repository = pushed.rpartition(":")[0]
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{repository}@{artifact.digest}").stdout
    model = json.loads(raw)
    assert model["artifactType"] == "application/vnd.cncf.model.manifest.v1+json"
    weights = {layer["digest"] for layer in model["layers"]}
    assert len(weights) == 3
    assert weights <= {str(layer.digest) for layer in opened.image.manifest.layers}


def test_docker_pulls_the_image_and_not_the_model(docker, bundle, image, pushed, model_files):
    """An engine that keeps images itself has the image under its config's digest, pulled or loaded."""
    docker("rmi", "--force", image)
    docker("pull", pushed)
    assert docker.identity(pushed) == image
    assert docker("run", "--rm", *read_model(pushed)).stdout == model_files
    docker("tag", pushed, bundle.name)


@pytest.mark.slow
def test_an_engine_with_containerd_loads_and_pulls_the_bundle(containerd_docker, bundle, pushed, model_files):
    loaded = containerd_docker("load", "-i", bundle.file).stdout
    assert bundle.name in loaded
    assert containerd_docker("run", "--rm", *read_model(bundle.name)).stdout == model_files
    containerd_docker("pull", pushed)
    assert containerd_docker("run", "--rm", *read_model(pushed)).stdout == model_files


@pytest.mark.slow
def test_podman_pulls_the_image_and_not_the_model(pushed, model_files, folder, program, reset_podman):
    podman = program("podman")
    places = ["--root", folder / "podman", "--runroot", folder / "podman-run", "--tmpdir", folder / "podman-tmp"]
    line = [*places, *PODMAN]
    try:
        podman(*line, "pull", "--tls-verify=false", pushed)
        options = ["--rm", "--network", "none", *LIMITS]
        assert podman(*line, "run", *options, *read_model(pushed)).stdout == model_files
    finally:
        reset_podman(podman, *line)
