"""Conda packages in layers are what rattler makes of them in a prefix, file by file."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from conda_channel import PLACEHOLDER, File, Package, build_channel, write_channel
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


LONG = "d" * 80
_MENU = b'{"menu_name": "Made", "menu_items": []}\n'
_HOME = f"{PLACEHOLDER}/share/made".encode()
AWKWARD = (
    Package(
        "libmade",
        "1.0",
        "linux-64",
        files={
            "lib/libmade.so.1.2": File(
                b"\x7fELF" + _HOME + b"\0rest\0" + _HOME + b":" + _HOME + b"\0\xff", 0o755, prefix="binary"
            ),
            "lib/libmade.so.1": File(link="libmade.so.1.2", mode=0o777),
            "lib/libmade.so": File(link="libmade.so.1", mode=0o777),
            "bin/made": File(b"made\n", 0o755),
            "bin/made-too": File(b"made\n", 0o755, same="bin/made"),
            "etc/made.conf": File(_HOME + b"\n" + _HOME, prefix="text"),
            "etc/made.cmd": File(b"rem " + _HOME + b"\r\n", prefix="text"),
            "bin/long-shebang": File(b"#!" + _HOME + b"/" + b"x" * 120 + b"/perl -w\nprint 1;\n", 0o755, prefix="text"),
            "bin/python-shebang": File(f"#!{PLACEHOLDER}/bin/python -I\nprint()\n".encode(), 0o755, prefix="text"),
            "share/empty": File(),
            "share/nothing/": File(mode=0o755),
            "share/gr\u00fc\u00dfe/\u03a9.txt": File(b"hello\n"),
            f"share/{LONG}/{LONG}/{LONG}.txt": File(b"far\n"),
            "share/secret": File(b"mode\n", 0o600),
            "share/dangling": File(link="nowhere/at/all", mode=0o777),
            "Menu/made.json": File(_MENU),
            "etc/conda/activate.d/made.sh": File(b"export MADE=1\n"),
        },
    ),
    Package(
        "old-made",
        "1.0",
        "linux-64",
        old=True,
        depends=("libmade",),
        files={
            "bin/old-made": File(f"#!{PLACEHOLDER}/bin/made\n".encode(), 0o755, prefix="text"),
            "bin/old-made-too": File(link="old-made", mode=0o777),
            "share/clobbered": File(b"by old-made\n"),
        },
    ),
    Package("clobbering", "1.0", depends=("old-made",), files={"share/clobbered": File(b"by clobbering\n")}),
    Package("python", "3.11.2", "linux-64", files={"bin/python3.11": File(b"python\n", 0o755)}),
    Package(
        "pure",
        "1.0",
        depends=("python",),
        python=True,
        entry_points=("pure = pure.deep:main", "pure-too = pure:main.really"),
        files={
            "site-packages/pure/__init__.py": File(),
            "site-packages/pure/deep.py": File(b"def main(): print('pure')\n"),
            "site-packages/pure/where.txt": File(_HOME + b"\n", prefix="text"),
            "site-packages/pure/__pycache__/deep.cpython-311.pyc": File(b"old"),
            "python-scripts/pure-shipped": File(b"#!/usr/bin/env python\n", 0o755),
            "share/pure/data": File(b"data\n"),
        },
    ),
)
"""Packages that have, each somewhere, all that a package may have in it."""


EXTRA = Package(
    "extra",
    "1.0",
    depends=("python",),
    python=True,
    entry_points=("extra = extra:main",),
    files={"site-packages/extra.py": File(_HOME, prefix="text")},
)


def made_packages(folder: Path, *packages: Package) -> tuple[CondaPackage, ...]:
    """Packages of a channel, as a lock has them."""
    made = write_channel(folder, packages)
    return tuple(locked(path) for path in sorted((*made.glob("*/*.conda"), *made.glob("*/*.tar.bz2"))))


def written_out(files: Tree, prefix: Path) -> None:
    """Make a prefix of what layers hold."""
    for path, (kind, data, executable) in files.items():
        place = prefix / path
        place.parent.mkdir(parents=True, exist_ok=True)
        if kind == "link":
            place.symlink_to(os.fsdecode(data))
        else:
            place.write_bytes(data)
            place.chmod(0o755 if executable else 0o644)


def without_other_kinds(files: Tree) -> Tree:
    """Without what only a real prefix has: bytecode, a tag for backups, and the place of files that others replace."""
    left = {path: found for path, found in without_records(files).items() if path != "CACHEDIR.TAG"}
    return {path: found for path, found in left.items() if "__pycache__" not in path and "__clobbers__" not in path}


@pytest.fixture(scope="module")
def awkward(tmp_path_factory: pytest.TempPathFactory) -> tuple[CondaPackage, ...]:
    return made_packages(tmp_path_factory.mktemp("awkward"), *AWKWARD)


def test_awkward_packages_are_linked_as_in_a_real_prefix(awkward: tuple[CondaPackage, ...], tmp_path: Path) -> None:
    real, ours = tree(installed(awkward, tmp_path)), layered(awkward)
    assert without_other_kinds(ours) == without_other_kinds(real)
    made, expected = records(ours), records(real)
    for record in made.values():
        del record["md5"], record["constrains"]
    for name in ("old-made-1.0-0.json", "pure-1.0-0.json"):  # the clobbered one, the one with bytecode
        kept = [
            path for path in expected["conda-meta/" + name]["files"] if "__" not in path.removesuffix("__init__.py")
        ]
        assert set(kept) <= set(made["conda-meta/" + name]["files"])
        del made["conda-meta/" + name], expected["conda-meta/" + name]
    assert made == expected


def test_the_contents_are_as_awkward_as_they_are_chosen_for(awkward: tuple[CondaPackage, ...]) -> None:
    ours = layered(awkward)
    assert ours["lib/libmade.so.1.2"][1].count(b"/opt/env/share/made") == 3
    assert ours["etc/made.conf"][1] == b"/opt/env/share/made\n/opt/env/share/made"
    assert ours["bin/made-too"] == ours["bin/made"] == ("file", b"made\n", True)
    assert ours["share/dangling"] == ("link", b"nowhere/at/all", True)
    assert ours["share/clobbered"][1] == b"by clobbering\n"
    assert b"from pure import main" in ours["bin/pure-too"][1]
    assert not any("__pycache__" in path for path in ours)
    libmade = json.loads(ours["conda-meta/libmade-1.0-0.json"][1])
    paths = {path["_path"]: path for path in libmade["paths_data"]["paths"]}
    assert {path["path_type"] for path in paths.values()} == {"hardlink", "softlink"}
    content = ours["etc/made.conf"][1]
    assert paths["etc/made.conf"]["sha256_in_prefix"] == hashlib.sha256(content).hexdigest()


def test_a_real_tool_manages_the_prefix_afterwards(awkward: tuple[CondaPackage, ...], tmp_path: Path) -> None:
    wanted = [package for package in awkward if package.name not in ("pure", "clobbering")]
    wanted += made_packages(tmp_path / "channel", EXTRA)
    prefix, ours = tmp_path / "ours/prefix", layered(awkward)
    written_out(ours, prefix)
    kept = (prefix / "bin/python3.11").stat().st_ino
    assert installed(wanted, tmp_path / "ours") == prefix
    managed, fresh = tree(prefix), tree(installed(wanted, tmp_path / "fresh"))
    lost = {"share/clobbered"}  # of old-made; `clobbering`, which replaced it, has taken it away
    assert without_other_kinds(managed) == {
        path: found for path, found in without_other_kinds(fresh).items() if path not in lost
    }
    assert records(managed).keys() == records(fresh).keys()
    assert (prefix / "bin/python3.11").stat().st_ino == kept
