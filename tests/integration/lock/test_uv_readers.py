"""Other installers take the lock file of wheels as it is: pip and uv, with built wheels as their sources."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from simple_index import SimpleIndex, serve_index

from builder.lock.artifact import Build, Sdist, Wheel
from builder.lock.programs import uv_program
from builder.lock.pypi.pylock import write_pylock
from builder.oci.digest import Digest


@pytest.fixture
def index() -> Iterator[SimpleIndex]:
    with serve_index() as served:
        yield served


@pytest.fixture
def lock(index: SimpleIndex, tmp_path: Path) -> Path:
    """A wheel of an index, and one that was built of its source."""
    lib = wheel(index, "lib", index.add("lib", "2.0"))
    file = index.add_sdist("app", "1.0", "lib")
    source = Sdist(
        "app", "1.0", file, Digest(index.sha256("app", file)), size(index, "app", file), url(index, "app", file)
    )
    name = "app-1.0-py3-none-any.whl"
    app = Wheel("app", "1.0", name, Digest.of(b"built"), 5, "", ("lib",), "MIT", Build(source, (lib,)))
    python = "{}.{}.{}".format(*sys.version_info)
    path = tmp_path / "pylock.linux-amd64.toml"
    path.write_bytes(write_pylock([app, lib], python, os.uname().machine))
    return path


def size(index: SimpleIndex, project: str, file: str) -> int:
    return len(index.projects[project][file].data)


def url(index: SimpleIndex, project: str, file: str) -> str:
    return index.file_url(project, file)


def wheel(index: SimpleIndex, project: str, file: str) -> Wheel:
    version = file.split("-")[1]
    digest = Digest(index.sha256(project, file))
    return Wheel(project, version, file, digest, size(index, project, file), url(index, project, file))


def run(*command: object, folder: Path) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    variables = {**kept, "PIP_CONFIG_FILE": os.devnull, "UV_CACHE_DIR": str(folder / "uv"), "NO_COLOR": "1"}
    line = list(map(str, command))
    finished = subprocess.run(line, env=variables, cwd=folder, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout + finished.stderr


def test_pip_takes_it(lock: Path, tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip")
    version = run(*pip, "--version", folder=tmp_path).split()[1]
    if tuple(map(int, version.split(".")[:2])) < (26, 1):
        pytest.skip("pip 26.1 is needed")
    told = run(*pip, "install", "--dry-run", "--ignore-installed", "--no-index", "-r", lock, folder=tmp_path)
    assert "Would install app-1.0 lib-2.0" in told


def test_uv_takes_it(lock: Path, tmp_path: Path) -> None:
    uv = uv_program()
    run(uv, "venv", "--no-config", "--python", sys.executable, "venv", folder=tmp_path)
    line = (
        uv,
        "pip",
        "sync",
        "--no-config",
        "--dry-run",
        "--preview-features",
        "pylock",
        "--python",
        "venv/bin/python",
    )
    told = run(*line, lock, folder=tmp_path)
    assert "app==1.0" in told
    assert "lib==2.0" in told
