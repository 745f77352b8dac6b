"""The closure is the one that apt computes from the same indexes, on an empty system, line for line."""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from collections.abc import Callable
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
    *(("bookworm", "amd64", name) for name in SETS),
    *(pytest.param("bookworm", "arm64", name, marks=() if name == "python" else pytest.mark.slow) for name in SETS),
    *(
        pytest.param("trixie", architecture, name, marks=pytest.mark.slow)
        for name in TRIXIE
        for architecture in ("amd64", "arm64")
    ),
]

Apt = Callable[[str, str, list[str]], list[str]]

_URI = re.compile(r"'file:[^']*/(debian(?:-security)?/pool/[^']+)' \S+ ([0-9]+) SHA256:([0-9a-f]{64})")


@pytest.fixture(scope="session")
def apt(archives, apt_command) -> Apt:
    prepared: dict[tuple[str, str], list[str]] = {}

    def closure(suite: str, architecture: str, names: list[str]) -> list[str]:
        key = suite, architecture
        if key not in prepared:
            root = archives.copy.root
            sources = "".join(
                f"deb [signed-by={KEYRING}] file:{root}/{archive.repository.name} {archive.codename} main\n"
                for archive in SUITES[suite].archives
            )
            prepared[key], _ = apt_command(architecture, sources)
            _run([*prepared[key], "update"])
        output = _run([*prepared[key], "--print-uris", "--yes", "install", "--no-install-recommends", *names])
        return sorted(f"{unquote(path)} {size} {digest}" for path, size, digest in _URI.findall(output))

    return closure


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

    difference = list(difflib.unified_diff(theirs, ours, "apt", "ours", n=0, lineterm=""))
    assert not difference, "\n".join(difference)
    assert theirs


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_table_of_suites_is_what_the_archives_have(archives, suite, architecture):
    known = SUITES[suite]
    names = [f"python{version}" for version in known.pythons]
    resolution = archives.resolver(suite).resolve(suite, architecture, [*names, "python3", "libc6"])
    versions = {package.name: package.version for package in resolution.packages}

    assert versions["python3"].startswith(known.default_python + ".")
    assert versions["libc6"].startswith(known.glibc + "-")
    assert all(versions[f"python{version}"].startswith(version + ".") for version in known.pythons)


@pytest.mark.parametrize("suite", ["forky", "sid"])
def test_moving_suites_verify_and_resolve(archives, suite):
    resolution = archives.resolver(suite).resolve(suite, "arm64", ["python3-minimal"])
    assert {package.architecture for package in resolution.packages} <= {"arm64", "all"}
