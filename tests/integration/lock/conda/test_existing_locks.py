from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conda_channel import ChannelServer, Package, serve, write_channel

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.conda.package_file import read_index
from builder.oci.documents import Platform

AMD, ARM = Platform("amd64"), Platform("arm64")
BIN = Path(sys.executable).parent


def run(place: Any, *arguments: str) -> subprocess.CompletedProcess[str]:
    """conda-lock itself, with a conda that answers for its version alone, and names that are its own."""
    conda = place.folder.parent / "conda"
    conda.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "conda 24.1.0" && exit 0\nexit 97\n')
    conda.chmod(0o755)
    names = place.folder.parent / "names.json"
    names.write_text('{"pip": {"conda_name": "pip", "pypi_name": "pip"}}')
    more = ["--conda", str(conda), "--pypi_to_conda_lookup_file", names.as_uri()] if arguments[0] == "lock" else []
    return subprocess.run(
        [BIN / "conda-lock", *arguments, *more],
        cwd=place.folder,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def locked(place: Any, server: ChannelServer) -> Any:
    """An environment that was locked of an `environment.yml` with selectors."""
    (place.folder / "environment.yml").write_text(
        f"name: x\nchannels:\n  - {server.url}/channel\n  - nodefaults\ndependencies:\n"
        "  - python=3.11\n  - greeter >=1\n  - prefixed\n  - intel-only  # [linux64]\n"
    )
    place.write({"file": "environment.yml"})
    place.lock()
    return place


def explicit_lists(place: Any) -> dict[str, str]:
    """What `conda-lock render` makes of the lock, by subdir."""
    finished = run(place, "render", "--kind", "explicit", "lock/conda-lock.yml")
    assert finished.returncode == 0, finished.stderr
    return {subdir: (place.folder / f"conda-{subdir}.lock").read_text() for subdir in ("linux-64", "linux-aarch64")}


@pytest.mark.slow
def test_conda_lock_renders_what_was_locked_and_knows_its_input_again(locked: Any) -> None:
    listed = explicit_lists(locked)
    for platform, subdir in ((AMD, "linux-64"), (ARM, "linux-aarch64")):
        wanted = {f"{package.url}#{package.md5}" for package in locked.read().conda[platform]}
        assert {line for line in listed[subdir].splitlines() if "#" in line[1:]} == wanted
    line = ("lock", "--check-input-hash", "-f", "environment.yml", "--lockfile", "lock/conda-lock.yml")
    before = locked.files
    finished = run(locked, *line, "-p", "linux-64", "-p", "linux-aarch64")
    assert "Spec hash already locked for ['linux-64', 'linux-aarch64']" in finished.stderr
    assert finished.returncode == 0
    assert locked.files == before
    path = locked.folder / "environment.yml"
    path.write_text(path.read_text().replace("greeter >=1", "greeter >=0"))
    assert "already locked for ['linux-64'" not in run(locked, *line, "-p", "linux-64").stderr


def test_a_conda_lock_is_taken_as_it_is(locked: Any, server: ChannelServer) -> None:
    before = locked.read().conda
    (locked.folder / "conda-lock.yml").write_bytes(locked.files["conda-lock.yml"])
    locked.write({"lockfile": "conda-lock.yml"})
    taken = locked.locked()
    assert taken.lock.conda == before
    assert taken.lock.document.inputs.keys() == {"conda-lock.yml"}
    assert not locked.locked().changed
    path = locked.folder / "conda-lock.yml"
    path.write_bytes(path.read_bytes() + b"\n")
    assert "`conda-lock.yml` was changed" in locked.locked().reasons


def test_explicit_lists_are_taken_as_they_are(locked: Any) -> None:
    before, lists = locked.read().conda, explicit_lists(locked)
    by_sha256 = "@EXPLICIT\n" + "".join(f"{each.url}#sha256:{each.digest.hex}\n" for each in before[ARM])
    (locked.folder / "amd.lock").write_text(lists["linux-64"])
    (locked.folder / "arm.lock").write_text(by_sha256)
    locked.write({"lockfile": {"linux/amd64": "amd.lock", "linux/arm64": "arm.lock"}})
    assert locked.locked().lock.conda == before


def test_one_explicit_list_is_for_one_platform(locked: Any) -> None:
    before, lists = locked.read().conda, explicit_lists(locked)
    (locked.folder / "list.txt").write_text(lists["linux-64"])
    locked.write({"lockfile": "list.txt"}, platforms=["linux/amd64"])
    assert locked.locked().lock.conda == {AMD: before[AMD]}
    locked.write({"lockfile": "list.txt"})
    with pytest.raises(EnvbuildError, match=r"list\.txt` has") as caught:
        locked.lock()
    assert "is for `linux-64`, not for `linux-aarch64`" in str(caught.value)


def test_packages_are_read_themselves_where_the_channel_keeps_no_index_of_them(
    locked: Any, server: ChannelServer, channels: Path, tmp_path: Path
) -> None:
    before, lists = locked.read().conda, explicit_lists(locked)
    files = tmp_path / "files"
    (files / "channel").mkdir(parents=True)
    for subdir in ("linux-64", "noarch"):
        (files / "channel" / subdir).mkdir()
        for path in (channels / "channel" / subdir).iterdir():
            if path.suffix in (".conda", ".bz2"):
                (files / "channel" / subdir / path.name).symlink_to(path)
    with serve(files) as bare:
        text = lists["linux-64"].replace(server.url, bare.url)
        old = "channel/noarch/old-format-1.0-0.tar.bz2"
        text += f"{bare.url}/{old}#{_md5(channels / old)}\n"
        (locked.folder / "list.txt").write_text(text)
        locked.write({"lockfile": "list.txt"}, platforms=["linux/amd64"])
        found = locked.lock()[AMD]
    assert found.pop("old-format").license == "BSD-3-Clause"
    assert [(each.name, each.digest, each.md5, each.size, each.depends, each.license) for each in before[AMD]] == [
        (each.name, each.digest, each.md5, each.size, each.depends, each.license) for each in found.values()
    ]


def test_a_channel_that_has_another_file_than_was_locked_is_noticed(locked: Any, server: ChannelServer) -> None:
    package = next(each for each in locked.read().conda[AMD] if each.name == "greeter")
    for fragment in ("0" * 32, "sha256:" + "0" * 64):
        (locked.folder / "list.txt").write_text(f"@EXPLICIT\n{package.url}#{fragment}\n")
        locked.write({"lockfile": "list.txt"}, platforms=["linux/amd64"])
        with pytest.raises(DigestMismatchError, match=r"list\.txt:2: `greeter-1\.0-0\.conda` is not the file"):
            locked.lock()


def test_a_package_that_cannot_be_had_is_told_with_its_line(place: Any, server: ChannelServer) -> None:
    (place.folder / "list.txt").write_text(f"@EXPLICIT\n{server.url}/channel/noarch/gone-1.0-0.conda#{'0' * 32}\n")
    place.write({"lockfile": "list.txt"}, platforms=["linux/amd64"])
    with pytest.raises(EnvbuildError, match=r"list\.txt:2: `gone-1\.0-0\.conda` cannot be had") as caught:
        place.lock()
    assert "404" in str(caught.value)


def test_a_lock_is_resolved_against_no_other_python_than_its_own(locked: Any) -> None:
    (locked.folder / "conda-lock.yml").write_bytes(locked.files["conda-lock.yml"])
    locked.write({"lockfile": "conda-lock.yml"}, python="3.12")
    with pytest.raises(EnvbuildError, match=r"bring Python 3.11.2, where the environment wants 3.12"):
        locked.lock()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"x" * 1000, b"PK\x05\x06" + b"\0" * 18])
@pytest.mark.parametrize("name", ["a-1-0.conda", "a-1-0.tar.bz2"])
def test_a_package_that_is_none_cannot_be_read(tmp_path: Path, content: bytes, name: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(EnvbuildError, match="conda package"):
        read_index(tmp_path / name, name)


def test_the_pip_section_is_resolved_against_what_conda_brings(
    place: Any, server: Any, index: Any, monkeypatch: Any
) -> None:
    monkeypatch.setenv("UV_INDEX_URL", index.url)
    index.add("wanted", "1.0", "small>=1", "other")
    index.add("small", "9.0")
    index.add("other", "1.0")
    index.add("only-arm", "1.0")
    (place.folder / "environment.yml").write_text(
        f"channels: [{server.url}/channel]\ndependencies:\n  - python=3.11\n  - small=1.1\n"
        "  - pip:\n    - wanted\n    - only-arm  # [aarch64]\n"
    )
    place.write({"file": "environment.yml"})
    lock = place.locked().lock
    assert [(wheel.name, wheel.version) for wheel in lock.wheels[AMD]] == [("other", "1.0"), ("wanted", "1.0")]
    assert [wheel.name for wheel in lock.wheels[ARM]] == ["only-arm", "other", "wanted"]
    document = yaml.safe_load(place.files["conda-lock.yml"])
    entries = {(each["name"], each["platform"]): each for each in document["package"] if each["manager"] == "pip"}
    assert sorted(name for name, platform in entries if platform == "linux-64") == ["other", "wanted"]
    wheel = next(each for each in lock.wheels[AMD] if each.name == "wanted")
    assert entries["wanted", "linux-64"]["hash"] == {"sha256": wheel.digest.hex}
    assert "hunter2" not in json.dumps(document)
    assert lock.document.inputs["environment.yml"] == [
        f"channel {server.url}/channel", "python=3.11", "small=1.1", "pip wanted", "pip only-arm # [linux-aarch64]",
    ]  # fmt: skip
    line = ("lock", "--check-input-hash", "-f", "environment.yml", "--lockfile", "lock/conda-lock.yml")
    assert "already locked" in run(place, *line, "-p", "linux-64", "-p", "linux-aarch64").stderr
    (place.folder / "conda-lock.yml").write_bytes(place.files["conda-lock.yml"])
    place.write({"lockfile": "conda-lock.yml"})
    again = place.locked().lock
    assert again.conda == lock.conda
    assert [wheel.digest for wheel in again.wheels[ARM]] == [wheel.digest for wheel in lock.wheels[ARM]]


@pytest.mark.slow
def test_the_real_channel_is_locked_for_both_platforms(place: Any, conda_channel: Path) -> None:
    with serve(conda_channel.parent) as real:
        place.write({"channels": [f"{real.url}/channel"], "dependencies": ["python 3.11.*", "numpy", "pip", "greeter"]})
        locked = place.lock()
        assert {"numpy", "openssl", "python", "pip", "small"} <= locked[ARM].keys() == locked[AMD].keys()
        assert "libzlib" in locked[AMD]["python"].dependencies
        assert locked[AMD]["numpy"].digest != locked[ARM]["numpy"].digest
        package = locked[ARM]["numpy"]
        assert place.fetcher().blob(package.source).stat().st_size == package.size


def _md5(path: Path) -> str:
    import hashlib

    return hashlib.md5(path.read_bytes()).hexdigest()


def test_a_channel_is_not_needed_to_take_a_lock_again(locked: Any, server: ChannelServer, tmp_path: Path) -> None:
    folder = tmp_path / "soon-gone"
    write_channel(folder / "c", [Package("python", "3.11.2")])
    with serve(folder) as gone:
        url = f"{gone.url}/c/noarch/python-3.11.2-0.conda"
        (locked.folder / "list.txt").write_text(
            f"@EXPLICIT\n{url}#{_md5(folder / 'c' / 'noarch' / 'python-3.11.2-0.conda')}\n"
        )
        locked.write({"lockfile": "list.txt"}, platforms=["linux/amd64"])
        locked.lock()
    assert not locked.locked().changed
