"""Every interpreter with what is built of source, the whole way: locked, built, run, built again, bundled, synced."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conda_channel import serve
from git_repositories import make_repository
from simple_index import File, SimpleIndex, serve_index
from source_packages import extension_project, flit_project, make_sdist
from standalone_archive import HERE, make_standalone_archive

from builder.fetch.mirrors import STANDALONE_PYTHONS
from builder.lock.artifact import Wheel
from builder.lock.folder import read_lock
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.run.embedded import EmbeddedEngine

ROOT = Path(__file__).parents[3]
AMD64, ARM64 = Platform("amd64"), Platform("arm64")
MINOR = ".".join(HERE.split(".")[:2])
LIBRARIES = "zlib1g, libssl3, libffi8, libbz2-1.0, liblzma5, libexpat1"
"""What the interpreter in the archive of the tests is linked with."""
STANDALONE = f"python: {{version: '{MINOR}', source: standalone}}\ndebian: [{LIBRARIES}]\n"
CONDA = "conda: {{channels: [https://conda.example.com/team], dependencies: [python 3.11.*, {}]}}\n"
COMPILER = "build-debian: [gcc, libc6-dev]\n"


@dataclass(frozen=True)
class Machine:
    """The command as a user runs it, with a store."""

    store: Path
    variables: Mapping[str, str]

    def __call__(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "builder", *map(str, arguments)]
        environment = {**os.environ, **self.variables, "ENVBUILD_CACHE": str(self.store)}
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == code, f"{' '.join(line)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="module", autouse=True)
def namespaces() -> None:
    reason = EmbeddedEngine().unavailable()
    if reason and not os.environ.get("CI"):
        pytest.skip(reason)


@pytest.fixture(scope="module")
def packages() -> Iterator[SimpleIndex]:
    """An index with sources that no earlier run has built."""
    with serve_index() as index:
        for name, files in (
            ("tiny-ext", extension_project()),
            ("small-thing", flit_project("small-thing", "1.0", "six>=1; python_version > '3'")),
        ):
            file, data = make_sdist(name, "1.0", {**files, "told-apart": secrets.token_hex()})
            index.projects[name] = {file: File(data)}
        yield index


@pytest.fixture(scope="module")
def machine(
    tmp_path_factory: pytest.TempPathFactory, store: Path, team_channel: Mapping[str, str]
) -> Iterator[Machine]:
    """A machine with mirrors for conda's packages and for standalone interpreters, of which one is published."""
    folder = tmp_path_factory.mktemp("published")
    listed = []
    for processor in ("x86_64", "aarch64"):
        data = make_standalone_archive(HERE, processor)
        name = f"cpython-{HERE}-{processor}-unknown-linux-gnu-install_only_stripped.tar.gz"
        (folder / name).write_bytes(data)
        told = {"url": f"{STANDALONE_PYTHONS[0]}{name}", "sha256": hashlib.sha256(data).hexdigest()}
        listed.append({**told, "platform": "linux", "arch": processor, "install_only": True})
    python = dict(zip(("major", "minor", "micro"), map(int, HERE.split(".")), strict=True))
    package = folder / "installed/pbs_installer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    python |= {"implementation": "cpython", "freethreaded": False}
    (package / "versions.json").write_text(json.dumps([{"python_version": python, "files": listed}]))
    with serve(folder) as server:
        paths = os.pathsep.join(map(str, (package.parent, ROOT)))
        yield Machine(store, {**team_channel, "ENVBUILD_PYTHON_MIRROR": server.url, "PYTHONPATH": paths})


@pytest.fixture
def project(workplace: Path, packages: SimpleIndex) -> Callable[..., Path]:
    """Makes a project with one command, which runs `code`."""

    def make(below: str, requirements: list[str], code: str, resolver: str = "uv") -> Path:
        own = f"indexes: [{{name: team, url: '{packages.url}', packages: [tiny-ext, small-thing]}}]"
        pypi = f"pypi: {{requirements: {json.dumps(requirements)}, resolver: {resolver}, {own}}}\n"
        environment = "".join(f"  {line}\n" for line in f"base: {{suite: bookworm}}\n{below}{pypi}".splitlines())
        folder = workplace / "project"
        folder.mkdir()
        (folder / "main.py").write_text(code)
        command = "code: [main.py]\ncommands: {go: {run: python main.py}}\n"
        (folder / "envbuild.yaml").write_text(f"environment:\n{environment}{command}")
        return folder

    return make


def locked(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "lock").iterdir()}


def built_wheels(folder: Path, platform: Platform = AMD64) -> dict[str, Wheel]:
    return {wheel.name: wheel for wheel in read_lock(folder / "lock").wheels[platform] if wheel.built}


@pytest.mark.parametrize(
    "below",
    [
        pytest.param(f"platforms: [linux/amd64]\n{STANDALONE}{COMPILER}", id="standalone"),
        pytest.param(f"platforms: [linux/amd64]\n{CONDA.format('python-headers')}{COMPILER}", id="conda"),
    ],
)
def test_an_extension_is_built_for_the_interpreter_and_goes_the_whole_way(
    project: Callable[..., Path], machine: Machine, workplace: Path, below: str
) -> None:
    folder = project(below, ["tiny-ext"], "import sys, tiny_ext; print(tiny_ext.answer(), sys.version.split()[0])")
    machine("lock", folder)
    before = locked(folder)
    version = read_lock(folder / "lock").document.platforms[AMD64].interpreter.version
    assert machine("run", folder, "go").stdout == f"42 {version}\n"
    assert "the same digest" in machine("verify", "--rebuild", folder).stderr

    machine("lock", "--upgrade", folder)
    assert locked(folder) == before
    machine("lock", "--check", folder)

    bundle = workplace / "bundle.tar"
    machine("bundle", folder, "--platform", "linux/amd64", "-o", bundle)
    elsewhere = replace(machine, store=workplace / "elsewhere")
    assert elsewhere("run", "--offline", bundle, "go").stdout == f"42 {version}\n"

    (wheel,) = built_wheels(folder).values()
    with zipfile.ZipFile(Store(machine.store).path(wheel.digest)) as archive:
        (library,) = (archive.read(name) for name in archive.namelist() if name.endswith(".so"))
    machine("sync", folder)
    (synced,) = (folder / ".venv").rglob("tiny_ext*.so")
    assert synced.read_bytes() == library
