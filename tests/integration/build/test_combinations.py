"""Every interpreter with what is built of source, the whole way: locked, built, run, built again, bundled, synced."""

from __future__ import annotations

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
from standalone_archive import HERE, publish

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
CONDA = "conda: {channels: [https://conda.example.com/team], dependencies: [python 3.11.*, python-headers]}\n"
COMPILER = "build-debian: [gcc, libc6-dev]\n"
ANSWER = "import sys, tiny_ext; print(tiny_ext.answer(), sys.version.split()[0])"


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
        extension = {name: text for name, text in extension_project().items() if "/part" not in name}
        for name, files in (
            ("tiny-ext", extension),
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
    modules = publish(folder)
    with serve(folder) as server:
        paths = os.pathsep.join(map(str, (modules, ROOT)))
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


def test_an_extension_for_a_standalone_interpreter_goes_the_whole_way(
    project: Callable[..., Path], machine: Machine, workplace: Path
) -> None:
    folder = project(f"platforms: [linux/amd64]\n{STANDALONE}{COMPILER}", ["tiny-ext"], ANSWER)
    machine("lock", folder)
    before = locked(folder)
    assert machine("run", folder, "go").stdout == f"42 {HERE}\n"
    assert "the same digest" in machine("verify", "--rebuild", folder).stderr

    machine("lock", "--upgrade", folder)
    assert locked(folder) == before
    machine("lock", "--check", "--online", folder)

    bundle = workplace / "bundle.tar"
    machine("bundle", folder, "--platform", "linux/amd64", "-o", bundle)
    elsewhere = replace(machine, store=workplace / "elsewhere")
    assert elsewhere("run", "--offline", bundle, "go").stdout == f"42 {HERE}\n"

    spec = folder / "envbuild.yaml"
    spec.write_text(spec.read_text().replace("[linux/amd64]", "[linux/amd64, linux/arm64]"))
    refused = machine("lock", folder, code=1).stderr
    assert "tiny-ext 1.0 has no wheel for linux/arm64" in refused
    assert "it is compiled: on linux/amd64 it gives" in refused
    assert locked(folder) == before


def test_what_a_build_lacks_is_named_as_the_interpreter_needs_it(
    project: Callable[..., Path], machine: Machine
) -> None:
    folder = project(f"platforms: [linux/amd64]\n{STANDALONE}", ["tiny-ext"], ANSWER)
    assert "`build-debian: [gcc, libc6-dev]`" in machine("lock", folder, code=1).stderr


def test_an_extension_beside_conda_packages_is_in_image_and_prefix(
    project: Callable[..., Path], machine: Machine
) -> None:
    folder = project(f"platforms: [linux/amd64]\n{CONDA}{COMPILER}", ["tiny-ext"], ANSWER)
    machine("lock", folder)
    assert machine("run", folder, "go").stdout.startswith("42 3.11.")

    (wheel,) = built_wheels(folder).values()
    with zipfile.ZipFile(Store(machine.store).path(wheel.digest)) as archive:
        (library,) = (archive.read(name) for name in archive.namelist() if name.endswith(".so"))
    machine("sync", folder)
    (synced,) = (folder / ".venv").rglob("tiny_ext*.so")
    assert synced.read_bytes() == library

    tree = machine("tree", folder).stdout
    assert all(name in tree for name in ("tiny-ext 1.0", "python-headers 3.11.", "libzlib 1."))
    assert "python-headers" in machine("why", "libzlib", folder).stdout
    assert "python-headers-3.11." in machine("lock", "--export", "explicit", folder).stdout


def test_pip_tools_builds_what_has_no_wheel_as_uv_does(
    project: Callable[..., Path], machine: Machine, workplace: Path
) -> None:
    files = flit_project("git-thing", "2.1", more=f"# {secrets.token_hex()}")
    commit = make_repository(workplace / "thing.git", {name: text.encode() for name, text in files.items()})
    wanted = ["small-thing", f"git-thing @ git+file://{workplace}/thing.git@{commit}"]
    code = "import git_thing, six, small_thing; print(git_thing.__version__)"
    folder = project(f"platforms: [linux/amd64]\n{STANDALONE}", wanted, code, "pip-tools")
    assert machine("lock", folder).stderr.count("from source") == 2
    found = read_lock(folder / "lock").wheels[AMD64]
    assert machine("run", folder, "go").stdout == "2.1\n"

    spec = folder / "envbuild.yaml"
    both = "platforms: [linux/amd64, linux/arm64]"
    spec.write_text(spec.read_text().replace("pip-tools", "uv").replace("platforms: [linux/amd64]", both))
    assert "from source" not in machine("lock", "--upgrade", folder).stderr
    wheels = read_lock(folder / "lock").wheels
    assert wheels[AMD64] == found
    assert [wheel.digest for wheel in wheels[ARM64]] == [wheel.digest for wheel in found]
