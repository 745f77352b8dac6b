"""Debian roots to compare: one installed by apt and dpkg, one assembled from the same packages."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.layers.deb import open_deb
from builder.layers.files import FileTree
from builder.layers.interface import Directory, Package
from builder.layers.system import DebFacts, system_directories, system_files

MIRROR = "http://deb.debian.org"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PYTHON = {"bookworm": "python3.11", "trixie": "python3.13"}
SUITES = ["bookworm", pytest.param("trixie", marks=pytest.mark.slow)]
PACKAGES = ["ca-certificates", "netbase", "openssl", "tzdata", "libgomp1", "libopenblas0", "liblapack3"]

BASE = ["base-files", "base-passwd", "libc-bin"]
"""What an image needs beside Python, which depends on none of them: links, accounts, the locale and ldconfig."""
MORE_PACKAGES = [
    "passwd",
    "procps",
    "xz-utils",
    "less",
    "nano",
    "fontconfig",
    "libmariadb3",
    "unixodbc",
    "git",
    "curl",
    "gcc",
]
"""To compare with dpkg: those whose scripts do something, and the tools that are asked for most."""


class Collector:
    """A sink that keeps the tar stream."""

    def __init__(self) -> None:
        self.tar = bytearray()

    def compressed(self, data: bytes | memoryview) -> None:
        pass

    def uncompressed(self, data: bytes | memoryview) -> None:
        self.tar += data


def unpack(segment: bytes, root: Path) -> None:
    """Write a segment's entries below `root`, none of which may be there."""
    with tarfile.open(fileobj=io.BytesIO(segment + bytes(1024))) as archive:
        for member in archive:
            place = root / member.name
            place.parent.mkdir(parents=True, exist_ok=True)
            assert not os.path.lexists(place), f"{member.name} is there twice"
            archive.extract(member, root, numeric_owner=True, filter="fully_trusted")


def segment(package: Package) -> bytes:
    sink = Collector()
    package.write(sink)
    return bytes(sink.tar)


def assemble(debs: Iterable[Path], root: Path, architecture: str = "amd64") -> list[DebFacts]:
    """Make `root` from packages, as an image has it."""
    root.mkdir()
    facts, directories = [], dict[str, Directory]()
    for deb in debs:
        with open_deb(deb) as package:
            unpack(segment(package), root)
            facts.append(package.facts)
            directories |= {directory.path: directory for directory in package.contents().directories}
    unpack(segment(FileTree(system_files(facts, architecture))), root)
    directories |= {directory.path: directory for directory in system_directories(facts, architecture)}
    for path, directory in sorted(directories.items()):
        (root / path).mkdir(parents=True, exist_ok=True)
        os.chown(root / path, directory.uid, directory.gid)
        (root / path).chmod(directory.mode)
    return facts


class Apt:
    """apt of this machine, with a configuration and lists of its own."""

    def __init__(self, suite: str, architecture: str, folder: Path) -> None:
        self.folder = folder
        for name in ("etc/preferences.d", "etc/apt.conf.d", "lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        sources = [("debian", suite), ("debian", f"{suite}-updates"), ("debian-security", f"{suite}-security")]
        self.lines = [f"deb [signed-by={KEYRING}] {MIRROR}/{part} {name} main" for part, name in sources]
        (folder / "etc/sources.list").write_text("\n".join(self.lines) + "\n")
        settings = {
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "",
            "Acquire::Languages": "none",
            "Debug::NoLocking": "true",
            "Dir::Etc": str(folder / "etc"),
            "Dir::State": str(folder),
            "Dir::State::Lists": str(folder / "lists"),
            "Dir::State::status": str(folder / "status"),
            "Dir::Cache": str(folder / "cache"),
        }
        text = "".join(f'{name} "{value}";\n' for name, value in settings.items())
        (folder / "apt.conf").write_text(text)
        self.run("update")

    def run(self, *arguments: str) -> str:
        command = ["apt-get", "-q", "-y", *arguments]
        environment = {**os.environ, "APT_CONFIG": str(self.folder / "apt.conf"), "LC_ALL": "C"}
        result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr[-2000:]
        return result.stdout

    def download(self, *names: str) -> list[Path]:
        """The closure of `names`, by name."""
        found = re.findall(r"^Inst (\S+) \((\S+) .*\[(\w+)\]\)", self.run("install", "-s", *names), re.MULTILINE)
        self.run("install", "-d", *names)
        archives = self.folder / "cache/archives"
        return sorted(
            archives / f"{name.partition(':')[0]}_{version.replace(':', '%3a')}_{kind}.deb"
            for name, version, kind in found
        )


@dataclass(frozen=True)
class Roots:
    suite: str
    installed: Path
    assembled: Path


def _missing() -> str | None:
    if os.geteuid() != 0:
        return "chroot needs root"
    for tool in ("mmdebstrap", "apt-get", "chroot"):
        if shutil.which(tool) is None:
            return f"`{tool}` is not installed"
    if not KEYRING.exists():
        return f"{KEYRING} is not there"
    try:
        urllib.request.urlopen(f"{MIRROR}/debian/dists/stable/Release", timeout=20).close()
    except OSError as error:
        return f"{MIRROR} cannot be reached: {error}"
    return None


@pytest.fixture(scope="session")
def debian() -> None:
    """Whether this machine can install Debian into a folder; in CI it must."""
    reason = _missing()
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


@pytest.fixture(scope="session")
def apt(debian: None, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Apt]:
    known: dict[tuple[str, str], Apt] = {}

    def make(suite: str, architecture: str) -> Apt:
        if (suite, architecture) not in known:
            known[suite, architecture] = Apt(
                suite, architecture, tmp_path_factory.mktemp(f"apt-{suite}-{architecture}")
            )
        return known[suite, architecture]

    return make


@pytest.fixture(scope="session", params=SUITES)
def roots(
    request: pytest.FixtureRequest, apt: Callable[[str, str], Apt], tmp_path_factory: pytest.TempPathFactory
) -> Roots:
    """The essential packages, Python and some more of a suite, installed and assembled."""
    suite: str = request.param
    folder = tmp_path_factory.mktemp(suite)
    names = [PYTHON[suite], *PACKAGES, *MORE_PACKAGES]
    manager = apt(suite, "amd64")
    installed = folder / "installed"
    command = [
        "mmdebstrap", "--quiet", "--mode=root", "--format=directory", "--variant=essential", "--architectures=amd64",
        f"--include={','.join(names)}", suite, str(installed), *manager.lines,
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "LC_ALL": "C"})
    query = ["dpkg-query", f"--admindir={installed}/var/lib/dpkg", "-W", "-f", "${Package}=${Version}\n"]
    real = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split()
    facts = assemble(manager.download(*real), folder / "assembled")
    assert sorted(f"{one.name}={one.version}" for one in facts) == sorted(real)
    return Roots(suite, installed, folder / "assembled")


@pytest.fixture(scope="session", params=SUITES)
def slim_root(
    request: pytest.FixtureRequest, apt: Callable[[str, str], Apt], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """Python and some more, without the essential packages: what an environment has. With `/dev/null`."""
    suite: str = request.param
    root = tmp_path_factory.mktemp(f"slim-{suite}") / "root"
    assemble(apt(suite, "amd64").download(*BASE, PYTHON[suite], *PACKAGES), root)
    for name, minor in (("null", 3), ("urandom", 9)):
        os.mknod(root / "dev" / name, 0o666 | 0o020000, os.makedev(1, minor))
        (root / "dev" / name).chmod(0o666)
    return PYTHON[suite], root
