"""`verify` of images in a registry and of images that other tools wrote: no false alarm, and nothing gets through."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from docker_registry import Registry, login_at, run, serving

from builder.oci.digest import Digest

PLATFORM = "linux/amd64"


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[Registry]:
    folder = tmp_path_factory.mktemp("registry")
    with serving(folder) as registry:
        (folder / "config.json").write_text(login_at(registry.host))
        yield registry


@pytest.fixture(scope="module")
def environment(projects) -> Path:
    return projects / "environments/plain"


@pytest.fixture(scope="module")
def image(envbuild, environment, tmp_path_factory) -> Path:
    """Of the environment, in a file."""
    path = tmp_path_factory.mktemp("image") / "plain.tar"
    envbuild("build", environment, "--platform", PLATFORM, "-o", path)
    return path


@pytest.fixture(scope="module")
def verify(envbuild, registry):
    machine = replace(envbuild, environment={"DOCKER_CONFIG": str(registry.log.parent)})
    return lambda *arguments, code=0: machine("verify", *arguments, code=code)


def test_an_image_in_a_registry_is_streamed_and_compared_with_its_lock(verify, registry, image, environment):
    registry.push(f"oci-archive:{image}", "team/plain:1.0")
    done = verify(f"{registry.host}/team/plain:1.0", "--lock", environment, "--rebuild")
    assert "contents are those of the lock" in done.stderr
    assert "the same digest" in done.stderr
    assert done.stdout.strip() == str(Digest.of(registry.raw("team/plain:1.0")))


def test_a_blob_that_a_registry_changed_is_found(verify, registry, image):
    registry.push(f"oci-archive:{image}", "team/changed:1.0")
    layers = json.loads(run("skopeo", "inspect", f"oci-archive:{image}"))["Layers"]
    digest = layers[-1].removeprefix("sha256:")
    data = registry.data / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data"
    before = data.read_bytes()
    data.write_bytes(before[:100] + bytes([before[100] ^ 1]) + before[101:])
    try:
        done = verify(f"oci://{registry.host}/team/changed:1.0", code=5)
    finally:
        data.write_bytes(before)
    assert digest in done.stderr


def test_what_skopeo_made_of_an_image_passes(verify, image, environment, tmp_path):
    run("skopeo", "copy", "-q", f"oci-archive:{image}", f"docker-archive:{tmp_path / 'saved.tar'}:plain:1.0")
    assert "contents are those of the lock" in verify(tmp_path / "saved.tar", "--lock", environment).stderr
    run("skopeo", "copy", "-q", f"docker-archive:{tmp_path / 'saved.tar'}", f"oci:{tmp_path / 'layout'}:plain")
    assert "contents are those of the lock" in verify(tmp_path / "layout", "--lock", environment).stderr


def test_an_image_that_umoci_made_passes_and_is_said_not_to_be_compared(verify, tmp_path):
    layout, root = tmp_path / "layout", tmp_path / "root"
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:x")
    run("umoci", "unpack", "--rootless", "--image", f"{layout}:x", root)
    (root / "rootfs/etc").mkdir(parents=True)
    (root / "rootfs/etc/x").write_text("1")
    run("umoci", "repack", "--image", f"{layout}:x", root)
    shutil.rmtree(root / "rootfs/etc")
    run("umoci", "repack", "--image", f"{layout}:x", root)
    done = verify(layout)
    assert "every layer is in order" in done.stderr
    assert "contents were NOT compared with a lock" in done.stderr
    assert verify(layout, "--json").stdout.count("not compared") == 1


def test_a_layer_that_docker_would_add_is_named(verify, image, environment, tmp_path):
    layout, root = tmp_path / "layout", tmp_path / "root"
    run("skopeo", "copy", "-q", f"oci-archive:{image}", f"oci:{layout}:x")
    run("umoci", "unpack", "--rootless", "--image", f"{layout}:x", root)
    (root / "rootfs/usr/bin/evil").write_text("#!/bin/sh\n")
    run("umoci", "repack", "--image", f"{layout}:x", root)
    done = verify(layout, "--lock", environment, code=3)
    assert "where the lock gives no such layer" in done.stderr
    assert "Traceback" not in done.stderr
