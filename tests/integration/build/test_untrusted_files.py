"""Locked files that are not what the lock says, or hold what nobody expects."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest

from builder.lock.folder import read_lock
from builder.oci.canonical import readable_json


def wheel_named(project: Path, name: str):
    lock = read_lock(project.parents[1] / "environments/sklearn/lock")
    platform = next(platform for platform in lock.platforms if str(platform) == "linux/amd64")
    return next(wheel for wheel in lock.wheels[platform] if wheel.name == name)


def replace_file(path: Path, data: bytes) -> None:
    """Put other bytes in the place of a blob, whose file may be linked to from other stores."""
    path.unlink()
    path.write_bytes(data)


def with_another_module(data: bytes) -> bytes:
    """A wheel whose first Python file was changed and whose checksums were all made right again, but for RECORD."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        changed = next(name for name in old.namelist() if name.endswith(".py"))
        for member in old.infolist():
            content = old.read(member)
            if member.filename == changed:
                content = content[:-1] + b"#"
            new.writestr(member, content)
    return made.getvalue()


def with_another_record(data: bytes) -> bytes:
    """A wheel that was changed consistently, RECORD and all."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(made, "w") as new:
        record = next(name for name in old.namelist() if name.endswith("dist-info/RECORD"))
        metadata = record.replace("RECORD", "METADATA")
        content = {member.filename: old.read(member) for member in old.infolist()}
        before = content[metadata]
        content[metadata] = before.replace(b"a", b"b", 1)
        import base64

        def line(data: bytes) -> bytes:
            return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")

        content[record] = content[record].replace(line(before), line(content[metadata]))
        for member in old.infolist():
            new.writestr(member, content[member.filename])
    return made.getvalue()


def of_size(data: bytes, size: int) -> bytes:
    """Bring a zip to a size by its comment, where it is shorter."""
    if len(data) >= size:
        pytest.fail("the changed wheel is larger than the first")
    padding = size - len(data)
    return data[:-2] + padding.to_bytes(2, "little") + bytes(padding)


def test_a_wheel_of_another_content_in_the_store_is_refused(envbuild, project):
    wheel = wheel_named(project, "idna")
    path = envbuild.store / "blobs/sha256" / wheel.digest.hex
    replace_file(path, os.urandom(wheel.size))
    failed = envbuild("build", project, "--platform", "linux/amd64", "--offline", code=5)
    assert "idna" in failed.stderr
    assert "Traceback" not in failed.stderr


def locked_anew(project: Path, workplace: Path, change) -> Path:
    """A copy of the project whose lock was changed, and whose digests of itself are right."""
    shutil.copytree(project.parents[1], workplace / "copy")
    file = workplace / "copy/environments/sklearn/lock/envbuild.lock.json"
    document = json.loads(file.read_bytes())
    change(document)
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
