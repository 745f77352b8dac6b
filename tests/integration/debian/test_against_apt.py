"""The closure is the one that apt computes from the same indexes, on an empty system, line for line."""

from __future__ import annotations

import difflib
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

import pytest

from builder.lock.debian.release import KEYRING
from builder.lock.debian.suites import SUITES

SETS = {
    "python": ["python3-venv"],
    "runtime": ["python3-minimal", "ca-certificates", "libgomp1"],
    "opencv": ["libopencv-dev"],
    "ffmpeg": ["ffmpeg"],
    "java": ["default-jre-headless"],
    "r": ["r-base-core"],
    "compilers": ["build-essential", "cmake", "gfortran"],
    "git": ["git", "curl", "openssh-client"],
    "postgresql": ["postgresql-client", "libpq-dev"],
    "latex": ["texlive-latex-base"],
    "imagemagick": ["imagemagick"],
    "nginx": ["nginx"],
    "gdal": ["gdal-bin", "python3-gdal"],
    "systemd": ["systemd", "dbus"],
    "mail": ["exim4-daemon-light", "mailutils"],
    "scientific": ["python3-scipy", "python3-pandas", "python3-matplotlib"],
    "desktop": ["libreoffice-calc", "chromium"],
    "virtual": ["mawk", "base-files", "default-mta"],
}
TRIXIE = ("runtime", "opencv", "ffmpeg", "java", "r", "compilers", "gdal", "desktop")

CASES = [
    *(("bookworm", architecture, name) for name in SETS for architecture in ("amd64", "arm64")),
    *(("trixie", architecture, name) for name in TRIXIE for architecture in ("amd64", "arm64")),
]

Apt = Callable[[str, str, list[str]], list[str]]

_URI = re.compile(r"'file:[^']*/(debian(?:-security)?/pool/[^']+)' \S+ ([0-9]+) SHA256:([0-9a-f]{64})")


@pytest.fixture(scope="session")
def apt(archives, tmp_path_factory) -> Apt:
    if shutil.which("apt-get") is None:
        if os.environ.get("CI"):
            pytest.fail("apt-get is needed to compare with")
        pytest.skip("apt-get is not on this machine")
    prepared: dict[tuple[str, str], list[str]] = {}

    def closure(suite: str, architecture: str, names: list[str]) -> list[str]:
        key = suite, architecture
        if key not in prepared:
            prepared[key] = _prepare(archives.copy.root, tmp_path_factory.mktemp("apt"), suite, architecture)
        output = _run([*prepared[key], "--print-uris", "--yes", "install", "--no-install-recommends", *names])
        return sorted(f"{unquote(path)} {size} {digest}" for path, size, digest in _URI.findall(output))

    return closure


def _prepare(copy: Path, folder: Path, suite: str, architecture: str) -> list[str]:
    """An apt of its own: an empty status, these indexes, nothing of the machine's configuration."""
    for name in ("etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "etc/sources.list").write_text(
        "".join(
            f"deb [signed-by={KEYRING}] file:{copy}/{archive.repository.name} {archive.codename} main\n"
            for archive in SUITES[suite].archives
        )
    )
    options = {
        "Dir::Etc": folder / "etc",
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "APT::Solver": "internal",
        "Acquire::ForceHash": "SHA256",
        "Acquire::Languages": "none",
        "Acquire::Check-Valid-Until": "false",
    }
    (folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in options.items()))
    command = ["env", f"APT_CONFIG={folder}/apt.conf", "apt-get", "-q"]
    _run([*command, "update"])
    return command


def _run(command: list[str]) -> str:
    process = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "LC_ALL": "C"})
    assert process.returncode == 0, f"{process.stdout}\n{process.stderr}"
    return process.stdout


@pytest.mark.parametrize(("suite", "architecture", "name"), CASES)
def test_closure_is_what_apt_would_install(apt, archives, suite, architecture, name):
    resolution = archives.resolver(suite).resolve(suite, architecture, SETS[name])
    ours = sorted(
        f"{package.urls[0].removeprefix('http://deb.debian.org/')} {package.size} {package.digest.hex}"
        for package in resolution.packages
    )

    theirs = apt(suite, architecture, SETS[name])

    difference = [line for line in difflib.unified_diff(theirs, ours, "apt", "ours", n=0, lineterm="")]
    assert not difference, "\n".join(difference)
    assert theirs
