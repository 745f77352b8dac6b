"""A conda prefix of this machine follows the lock, and says what differs."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from conda_channel import File, Package, build_channel, write_package
from conda_images import environment, locked
from wheels import make_wheel

from builder.cli.machine import host_platform
from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.lock.artifact import CondaPackage, Wheel
from builder.lock.programs import uv_program
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.run.local import LocalEnvironment
from builder.run.local_prefix import LocalPrefix

HERE = ".".join(map(str, sys.version_info[:3]))
CONDA_URL = "https://conda.example/made/"


class Place:
    """Packages, a store, and a prefix to be."""

    def __init__(self, folder: Path, packages: tuple[CondaPackage, ...]) -> None:
        self.folder = folder
        self.prefix = folder / "prefix"
        self.packages = packages
        self.store = Store(folder / "store")
        self.store.create()
        self.fetcher = Fetcher(self.store, Mirrors({}))

    def wheel(self, name: str, version: str) -> Wheel:
        data = make_wheel(name, version, "py3-none-any", ())
        path = self.folder / f"{name}-{version}-py3-none-any.whl"
        path.write_bytes(data)
        return Wheel(name, version, path.name, Digest(hashlib.sha256(data).hexdigest()), len(data), path.as_uri())

    def conda(self, version: str, text: bytes = b"") -> CondaPackage:
        """One package more, of the name `extra`."""
        folder = self.folder / "channel" / hashlib.sha256(text).hexdigest()[:8] / "noarch"
        folder.mkdir(parents=True, exist_ok=True)
        return locked(write_package(folder, Package("extra", version, files={"share/extra": File(text)})))

    def local(self, *wheels: Wheel, more: Iterable[CondaPackage] = ()) -> LocalPrefix:
        return LocalPrefix(self.prefix, "3.11.2", (*self.packages, *more), wheels)

    def sync(self, *wheels: Wheel, more: Iterable[CondaPackage] = ()) -> None:
        self.local(*wheels, more=more).sync(self.fetcher, uv_program())

    def run(self, *arguments: str) -> str:
        line = [self.prefix / "bin" / arguments[0], *arguments[1:]]
        finished = subprocess.run(line, capture_output=True, text=True)
        return finished.stdout.strip() or finished.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def channel(shared: Path, store: Path) -> Path:
    return build_channel(shared / "conda-channel", store)


@pytest.fixture
def place(tmp_path: Path, channel: Path) -> Place:
    return Place(tmp_path, environment(channel, host_platform(), "greeter", "prefixed"))


def test_a_folder_that_is_not_there_becomes_a_prefix_with_wheels(place: Place) -> None:
    alpha = place.wheel("alpha", "1.0")
    assert place.local(alpha).differences() == [f"`{place.prefix}` is not there"]
    place.sync(alpha)
    assert place.local(alpha).differences() == []
    assert place.run("python", "-c", "import alpha, small; print(alpha.version, small.version)") == "1.0 2.0"
    assert place.run("greet") == "hello from conda"
    assert place.run("prefixed") == str(place.prefix)


def test_records_name_the_channel_and_nothing_of_this_machine(place: Place) -> None:
    moved = [replace(one, url=f"{CONDA_URL}{one.subdir}/{one.file_name}", channel=CONDA_URL) for one in place.packages]
    place.fetcher.blobs(package.source for package in place.packages)
    place.packages = tuple(moved)
    place.sync()
    for package in moved:
        path = place.prefix / "conda-meta" / f"{package.name}-{package.version}-{package.build}.json"
        record = json.loads(path.read_text())
        assert (record["url"], record["channel"], record["md5"]) == (package.url, CONDA_URL, package.md5)
        assert str(place.folder) not in path.read_text()


def test_what_differs_is_told_and_put_right(place: Place) -> None:
    place.sync(place.wheel("alpha", "1.0"), place.wheel("gone", "1.0"), more=[place.conda("1.0")])
    wheels = place.wheel("alpha", "2.0"), place.wheel("beta", "1.0")
    bumped = [place.conda("2.0", b"two")]
    place.packages = tuple(one for one in place.packages if one.name != "prefixed")
    assert place.local(*wheels, more=bumped).differences() == [
        "`extra` (conda) is 1.0, the lock has 2.0",
        "`prefixed` 1.0 (conda) is not in the lock",
        "`alpha` is 1.0, the lock has 2.0",
        "`beta` 1.0 is missing",
        "`gone` 1.0 is not in the lock",
    ]
    place.sync(*wheels, more=bumped)
    assert place.local(*wheels, more=bumped).differences() == []
    assert (place.prefix / "share/extra").read_bytes() == b"two"
    assert not (place.prefix / "bin/prefixed").exists()
    assert "ModuleNotFoundError" in place.run("python", "-c", "import gone")


def test_the_same_version_of_another_file_is_noticed_and_replaced(place: Place) -> None:
    place.sync(more=[place.conda("1.0", b"one")])
    other = [place.conda("1.0", b"other")]
    assert place.local(more=other).differences() == ["`extra` 1.0 (conda) is another build or file than the lock's"]
    place.sync(more=other)
    assert place.local(more=other).differences() == []
    assert (place.prefix / "share/extra").read_bytes() == b"other"


def test_a_folder_that_something_else_made_is_left_alone(place: Place) -> None:
    (place.prefix / "conda-meta").mkdir(parents=True)
    (place.prefix / "conda-meta/history").write_text("dear")
    with pytest.raises(EnvbuildError, match="was not made by `envbuild sync`"):
        place.sync()
    assert (place.prefix / "conda-meta/history").read_text() == "dear"


def test_a_virtual_environment_gives_way_to_a_prefix_and_the_other_way_round(place: Place) -> None:
    alpha = place.wheel("alpha", "1.0")
    virtual = LocalEnvironment(place.prefix, HERE, (alpha,))
    virtual.sync(place.fetcher, uv_program())
    place.sync(alpha)
    assert not (place.prefix / "pyvenv.cfg").exists()
    assert place.run("greet") == "hello from conda"
    virtual.sync(place.fetcher, uv_program())
    assert virtual.differences() == []
    assert not (place.prefix / "conda-meta").exists()


def test_a_package_with_another_digest_is_not_linked(place: Place) -> None:
    extra = place.conda("1.0", b"one")
    Path(extra.url.removeprefix("file://")).write_bytes(b"x" * extra.size)
    with pytest.raises(DigestMismatchError):
        place.sync(more=[extra])
    assert not (place.prefix / "share/extra").exists()


def test_a_package_that_cannot_be_linked_is_told_in_rattlers_words(place: Place) -> None:
    extra = place.conda("1.0", b"one")
    path = Path(extra.url.removeprefix("file://"))
    path.write_bytes(b"no archive")
    damaged = replace(extra, digest=Digest.of(b"no archive"), size=len(b"no archive"))
    with pytest.raises(EnvbuildError, match="the conda packages could not be linked") as caught:
        place.sync(more=[damaged])
    assert caught.value.why
    assert not any("Traceback" in line for line in caught.value.why)
