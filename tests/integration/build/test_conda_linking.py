"""Conda packages in layers are what rattler makes of them in a prefix, file by file."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conda_channel import File, Package, build_channel, write_channel
from conda_images import AMD64, environment, locked, written

from builder.image.filesystem import Owner, merge
from builder.layers.conda import conda_order, open_conda
from builder.layers.wheel_layout import WheelTarget
from builder.lock.artifact import CondaPackage

TARGET = WheelTarget(python_version=(3, 11))
NAMES = ("numpy", "greeter", "pip", "prefixed", "old-format", "above-small")
INSTALL = """
import asyncio, os, sys, rattler
async def install(prefix, cache, *paths):
    records = [await rattler.RepoDataRecord.from_package_archive(path) for path in paths]
    await rattler.install(
        records, target_prefix=prefix, cache_dir=cache, platform=rattler.Subdir("linux-64"),
        alternative_target_prefix="/opt/env", execute_link_scripts=False, show_progress=False,
    )
asyncio.run(install(*sys.argv[1:]))
os._exit(0)
"""
HOST = ("channel", "url", "extracted_package_dir", "link")
"""What rattler says of this machine in its records."""

Tree = dict[str, tuple[str, bytes, bool]]


@pytest.fixture(scope="module")
def channel(shared: Path, store: Path) -> Path:
    return build_channel(shared / "conda-channel", store)


@pytest.fixture(scope="module")
def packages(channel: Path) -> tuple[CondaPackage, ...]:
    return environment(channel, AMD64, *NAMES)


def path_of(package: CondaPackage) -> Path:
    return Path(package.url.removeprefix("file://"))


def installed(packages: Sequence[CondaPackage], folder: Path) -> Path:
    """A prefix that rattler makes."""
    prefix = folder / "prefix"
    line = [sys.executable, "-c", INSTALL, prefix, folder / "cache", *map(path_of, packages)]
    subprocess.run(line, check=True, umask=0o022)
    return prefix


def tree(prefix: Path) -> Tree:
    """Kind, content and whether it can be executed, of each file and link."""
    found = {}
    for path in prefix.rglob("*"):
        status = path.lstat()
        executable = bool(status.st_mode & 0o111)
        if stat.S_ISLNK(status.st_mode):
            found[str(path.relative_to(prefix))] = ("link", os.fsencode(path.readlink()), True)
        elif stat.S_ISREG(status.st_mode):
            found[str(path.relative_to(prefix))] = ("file", path.read_bytes(), executable)
    return found


def layered(packages: Sequence[CondaPackage]) -> Tree:
    """The same of what the layers of an image hold together."""
    opened = {package: open_conda(path_of(package), package, TARGET) for package in conda_order(packages)}
    filesystem = merge([], [Owner(package.file_name, one.contents()) for package, one in opened.items()])
    found: Tree = {}
    for package, one in opened.items():
        with one:
            for path, (info, data) in written(one, filesystem.left_out.get(package.file_name, ())).items():
                assert path not in found
                kind, data = ("link", info.linkname.encode()) if info.issym() else ("file", data)
                found[path.removeprefix("opt/env/")] = (kind, data, bool(info.mode & 0o111))
    return found


def without_records(files: Tree) -> Tree:
    return {path: found for path, found in files.items() if not path.startswith("conda-meta/")}


def records(files: Tree) -> dict[str, Any]:
    found = {path: json.loads(data) for path, (_, data, _) in files.items() if path.startswith("conda-meta/") and data}
    for record in found.values():
        for key in HOST:
            record.pop(key, None)
        record["files"].sort()
        record["paths_data"]["paths"].sort(key=lambda path: path["_path"])
    return found


@pytest.fixture(scope="module")
def real(packages: tuple[CondaPackage, ...], tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return tree(installed(packages, tmp_path_factory.mktemp("real")))


@pytest.fixture(scope="module")
def ours(packages: tuple[CondaPackage, ...]) -> Tree:
    return layered(packages)


def test_files_links_and_executables_are_those_of_a_real_prefix(real: Tree, ours: Tree) -> None:
    expected = {path: found for path, found in without_records(real).items() if path != "CACHEDIR.TAG"}
    assert sorted(without_records(ours)) == sorted(expected)
    assert [path for path, found in without_records(ours).items() if found != expected[path]] == []
    assert len(ours) > 1000


def test_records_are_those_of_a_real_prefix_but_for_the_machine(
    packages: tuple[CondaPackage, ...], real: Tree, ours: Tree
) -> None:
    made = records(ours)
    assert {record.pop("md5") for record in made.values()} == {package.md5 for package in packages}
    assert [record.pop("constrains") for record in made.values()] == [[]] * len(packages)
    assert made == records(real)


SHARED = "share/shared"


@pytest.mark.parametrize("needs", [("b",), ()])
def test_of_two_packages_with_one_path_the_same_one_provides_it(needs: tuple[str, ...], tmp_path: Path) -> None:
    made = write_channel(
        tmp_path / "channel",
        [
            Package("a", "1", depends=needs, files={SHARED: File(b"of a")}),
            Package("b", "1", files={SHARED: File(b"of b")}),
            Package("c", "1", depends=("a",), files={"share/c": File(b"c")}),
        ],
    )
    packages = [locked(path) for path in sorted((made / "noarch").glob("*.conda"))]
    real, ours = tree(installed(packages, tmp_path)), layered(packages)
    assert ours[SHARED] == real[SHARED]
