"""Requests as they are made from wishes, and what no engine can do."""

from __future__ import annotations

import json

import pytest

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_CONFIG, MEDIA_TYPE_MANIFEST, Descriptor, ImageConfig, Manifest, Platform
from builder.oci.store import Store
from builder.run.interface import LocalImage, PortMapping, RunRequest
from builder.run.prepare import Wish, prepare

DOCUMENT = {"commands": {"train": {"inputs": [], "outputs": []}}, "data": {}}
CONFIG = ImageConfig(Platform("amd64"), "1970-01-01T00:00:00Z", (), (), entrypoint=("run",))


@pytest.fixture
def image(tmp_path):
    digest = Digest.of(b"")
    manifest = Manifest(Descriptor(MEDIA_TYPE_CONFIG, digest, 0), ())
    return LocalImage(Store(tmp_path), Descriptor(MEDIA_TYPE_MANIFEST, digest, 0), manifest, CONFIG, "test")


def test_the_launcher_is_told_who_started_it_and_whether_code_is_mounted(image, tmp_path):
    told = prepare(Wish("train"), image, DOCUMENT, tmp_path, None).environment
    assert told == {"ENVBUILD_RUN": "1", "ENVBUILD_IMAGE_DIGEST": str(image.descriptor.digest)}
    mounted = prepare(Wish("train", code=tmp_path), image, DOCUMENT, tmp_path, None).environment
    assert json.loads(mounted["ENVBUILD_CODE_MOUNTED"]) == 1


def test_no_port_is_published_without_a_network():
    with pytest.raises(EnvbuildError) as caught:
        RunRequest(network="none", ports=(PortMapping("127.0.0.1", 8080, 8080),))
    assert caught.value.why == ("no port can be reached with `--network none`",)


def test_an_image_without_commands_says_so(image, tmp_path):
    with pytest.raises(EnvbuildError, match="there is no command `train`, nor any other"):
        prepare(Wish("train"), image, {}, tmp_path, None)


def test_packed_data_are_not_mounted_unless_others_are_given(image, tmp_path):
    entry = {"path": "/data/a", "packed": True, "urls": [], "sha256": "a" * 64, "size": 1, "local": "a.csv"}
    document = {"commands": {"train": {"inputs": ["a"], "outputs": []}}, "data": {"a": entry}}
    assert prepare(Wish("train"), image, document, tmp_path, None).mounts == ()
    other = tmp_path / "other.csv"
    other.write_bytes(b"1")
    (mount,) = prepare(Wish("train", data={"a": other}), image, document, tmp_path, None).mounts
    assert (mount.source, mount.target, mount.read_only) == (other, "/data/a", True)
