"""Engines and tools that know nothing of attached records take a bundle that has some as the one image that it is."""

from __future__ import annotations

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.bundle.attached.attach import attach, attached
from builder.bundle.reading.reader import open_bundle
from builder.oci.attachments import ATTACHED, Attachment

pytestmark = pytest.mark.slow  # tools read a bundle that has records in test_readers.py too

REVIEW = Attachment("application/vnd.team.review", "text/plain", b"approved\n", {"org.example.by": "somebody"})


@pytest.fixture(scope="module")
def recorded(bundle, tmp_path_factory: pytest.TempPathFactory):
    """The example's bundle with its provenance, and with records about the whole and about an image."""
    file = Path(shutil.copy(bundle.file, tmp_path_factory.mktemp("recorded") / "bundle.tar"))
    opened = open_bundle(file)
    for subject in (opened.top, next(iter(opened.images.values())).descriptor):
        attach(file, subject, [REVIEW])
    types = {record.artifact_type for _, record in attached(file, opened.top.digest)}
    assert types == {"application/vnd.in-toto+json", REVIEW.artifact_type}
    return replace(bundle, file=file)


@pytest.fixture(params=["docker", "containerd_docker"])
def engine(request: pytest.FixtureRequest):
    return request.getfixturevalue(request.param)


def test_docker_loads_one_image(recorded, engine) -> None:
    """The engine of Debian 12 under two names; that with images in containerd has no images without a name besides."""
    before = engine("image", "ls", "--all", "--quiet").stdout.split()
    loaded = engine("load", "-i", recorded.file).stdout.splitlines()
    assert f"Loaded image: {recorded.name}" in loaded
    assert not [line for line in loaded if "Loaded image ID" in line]
    assert len({*engine("image", "ls", "--all", "--quiet").stdout.split()} - {*before}) <= 1


def test_podman_loads_the_bundle_itself(recorded, podman) -> None:
    podman("load", "--quiet", "--input", recorded.file)
    shown = json.loads(podman("image", "inspect", recorded.name).stdout)
    assert shown[0]["Digest"] == recorded.digest


def test_skopeo_needs_no_name(recorded, program: Callable) -> None:
    raw = program("skopeo")("inspect", "--raw", f"oci-archive:{recorded.file}", text=False).stdout
    assert f"sha256:{hashlib.sha256(raw).hexdigest()}" == recorded.digest


def test_umoci_lists_one_name(recorded, program: Callable, tmp_path: Path) -> None:
    with tarfile.open(recorded.file) as archive:
        names = [name for name in archive.getnames() if not name.startswith("blobs/")]
        archive.extractall(tmp_path, [archive.getmember(name) for name in names], filter="data")
    (tmp_path / "blobs/sha256").mkdir(parents=True)
    assert ATTACHED in json.loads((tmp_path / "index.json").read_bytes())["annotations"]
    assert program("umoci")("ls", "--layout", tmp_path).stdout.split() == [recorded.name]
