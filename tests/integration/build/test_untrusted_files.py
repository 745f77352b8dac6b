"""Locked files that are not what the lock says, or hold what nobody expects."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from builder.lock.folder import read_lock
from builder.lock.integrity import sealed
from builder.oci.canonical import readable_json


def replace_file(path: Path, data: bytes) -> None:
    """Put other bytes in the place of a blob, whose file may be linked to from other stores."""
    path.unlink()
    path.write_bytes(data)


def flip_byte(path: Path, offset: int) -> None:
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    replace_file(path, bytes(data))


@pytest.fixture
def wheel(envbuild, project) -> tuple[Path, str]:
    """A locked wheel in the store, and its name."""
    lock = read_lock(project.parents[1] / "environments/sklearn/lock")
    platform = next(platform for platform in lock.platforms if str(platform) == "linux/amd64")
    found = next(wheel for wheel in lock.wheels[platform] if wheel.name == "uvicorn")
    return envbuild.store / "blobs/sha256" / found.digest.hex, found.name


@pytest.mark.parametrize("change", ["everything", "a byte of a file"])
def test_a_locked_file_that_was_changed_in_the_store_is_refused_and_deleted(envbuild, project, wheel, change):
    path, name = wheel
    if change == "everything":
        replace_file(path, os.urandom(path.stat().st_size))
    else:
        flip_byte(path, path.stat().st_size // 3)
    failed = envbuild("build", project, "--platform", "linux/amd64", "--offline", code=5)
    assert name in failed.stderr
    assert "damaged" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert not path.exists()
    assert list((envbuild.store / "tmp").iterdir()) == []


def test_a_rebuild_checks_the_digest_of_every_locked_file(envbuild, project, wheel):
    """A mode in a wheel's directory has no checksum of its own: only the digest of the whole tells."""
    path, name = wheel
    data = path.read_bytes()
    entry = data.rindex(b"PK\x01\x02")
    flip_byte(path, entry + 38)  # external attributes (APPNOTE.TXT 4.4.15), which a build does not read in this bit
    envbuild("build", project, "--platform", "linux/amd64", "--offline")
    failed = envbuild("verify", "--rebuild", project, "--platform", "linux/amd64", code=5)
    assert name in failed.stderr


def locked_anew(project: Path, workplace: Path, change) -> Path:
    """A copy of the project whose lock was changed, and whose checks of itself are right."""
    shutil.copytree(project.parents[1], workplace / "copy")
    file = workplace / "copy/environments/sklearn/lock/envbuild.lock.json"
    document = json.loads(file.read_bytes())
    change(document)
    for platform in document["platforms"].values():
        platform["debian"] = [sealed(package) for package in platform["debian"]]
    file.write_bytes(readable_json(document))
    return workplace / "copy/examples/penguins"


@pytest.mark.parametrize(
    "data", [b"", b"not a package\n" * 100, b"!<arch>\n", b"!<arch>\ndebian-binary   " + b"\0" * 500]
)
def test_a_locked_package_that_is_none_is_refused_by_name(envbuild, project, workplace, data):
    digest = hashlib.sha256(data).hexdigest()
    (envbuild.store / "blobs/sha256" / digest).write_bytes(data)

    def change(document):
        package = next(
            package for package in document["platforms"]["linux/amd64"]["debian"] if package["name"] == "libgomp1"
        )
        package.update(sha256=digest, size=len(data))

    copy = locked_anew(project, workplace, change)
    failed = envbuild("build", copy, "--platform", "linux/amd64", "--offline", code=1)
    assert "libgomp1" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_a_file_that_the_server_changed_is_refused_and_not_kept(envbuild, project, workplace):
    (workplace / "served").write_bytes(b"something else")
    digest = "0" * 64

    def change(document):
        package = next(
            package for package in document["platforms"]["linux/amd64"]["debian"] if package["name"] == "libgomp1"
        )
        package.update(sha256=digest, size=14, urls=[(workplace / "served").as_uri()])

    copy = locked_anew(project, workplace, change)
    failed = envbuild("build", copy, "--platform", "linux/amd64", code=5)
    assert "libgomp1" in failed.stderr
    assert not (envbuild.store / "blobs/sha256" / digest).exists()
