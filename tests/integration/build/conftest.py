"""The example project, its locked files in a store, and the command as a user runs it: a process of its own."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from builder.lock.folder import read_lock

ROOT = Path(__file__).parents[3]
PLATFORM = "linux/amd64"


@dataclass(frozen=True)
class Bundled:
    """What tells one bundle from another."""

    printed: str
    sha256: str
    """Of the whole file."""


@dataclass(frozen=True)
class Envbuild:
    """The command with a store of its own."""

    store: Path
    program: Sequence[str] = (sys.executable, "-m", "builder")
    environment: Mapping[str, str] = field(default_factory=dict)
    prefix: Sequence[str] = ()
    """Programs that run the command: `unshare -n`."""
    user: int | None = None
    umask: int = -1

    @property
    def command(self) -> dict[str, object]:
        """What subprocess needs to start it, but for the arguments."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(self.store), **self.environment}
        users = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        return {"cwd": ROOT, "env": environment, "umask": self.umask, **users}

    def __call__(self, *arguments: str | Path, code: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command line, which must exit with `code`."""
        line = [*self.prefix, *self.program, *map(str, arguments)]
        done = subprocess.run(line, capture_output=True, text=True, timeout=300, **{**self.command, **options})
        assert done.returncode == code, f"{' '.join(line)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str | Path) -> subprocess.Popen[bytes]:
        """Start a command line in a process group of its own."""
        line = [*self.prefix, *self.program, *map(str, arguments)]
        return subprocess.Popen(
            line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True, **self.command
        )

    def bundle(self, project: Path, folder: Path, *arguments: str | Path, **options: object) -> Bundled:
        """A bundle of one platform."""
        file = folder / "bundle.tar"
        printed = self("bundle", project, "--platform", PLATFORM, "-o", file, *arguments, **options).stdout
        return Bundled(printed.strip(), hashlib.sha256(file.read_bytes()).hexdigest())

    def digest(self, project: Path, *arguments: str | Path, **options: object) -> str:
        """What `build` prints for one platform."""
        return self("build", project, "--platform", PLATFORM, *arguments, **options).stdout.strip()


@pytest.fixture(scope="session")
def project(projects: Path) -> Path:
    """A copy of the example."""
    return projects / "examples/penguins"


@pytest.fixture(scope="session")
def with_shared_store(store: Path) -> Envbuild:
    """The command with the shared store, which has seen other builds."""
    return Envbuild(store)


@pytest.fixture(scope="session")
def reference(project: Path, store: Path) -> str:
    """What building the example prints, in the shared store, which has seen other builds."""
    return Envbuild(store).digest(project)


@pytest.fixture(scope="session")
def bundled(project: Path, store: Path, reference: str, tmp_path_factory: pytest.TempPathFactory) -> Bundled:
    """What every bundle of the example must be."""
    return Envbuild(store).bundle(project, tmp_path_factory.mktemp("bundled"))


@pytest.fixture(scope="session")
def artifacts(project: Path, store: Path, reference: str) -> tuple[str, ...]:
    """The hexadecimal digests of the locked files of one platform, which are in the shared store."""
    lock = read_lock(project.parents[1] / "environments/sklearn/lock")
    platform = next(platform for platform in lock.platforms if str(platform) == PLATFORM)
    locked = (*lock.document.platforms[platform].debian, *lock.wheels[platform])
    return tuple(artifact.digest.hex for artifact in locked)


@pytest.fixture
def new_store(workplace: Path, store: Path, artifacts: tuple[str, ...]) -> Callable[[str], Path]:
    """Makes stores that hold the locked files and nothing that was made of them."""

    def make(name: str = "store") -> Path:
        blobs = workplace / name / "blobs/sha256"
        blobs.mkdir(parents=True)
        for digest in artifacts:
            _link_or_copy(store / "blobs/sha256" / digest, blobs / digest)
        return workplace / name

    return make


@pytest.fixture
def envbuild(new_store: Callable[[str], Path]) -> Envbuild:
    """The command with a store that holds the locked files alone."""
    return Envbuild(new_store("store"))


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


@pytest.fixture(scope="session")
def install() -> Iterator[Callable[[str], Path]]:
    """Installs the project for an interpreter, where every user can walk: the folder of its programs."""
    top = Path(tempfile.mkdtemp(prefix="envbuild-installed-"))
    top.chmod(0o755)
    source = top / "source"
    shutil.copytree(
        ROOT, source, ignore=shutil.ignore_patterns(".*", "tests", "build", "dist", "out", "__pycache__", "*.tar")
    )
    uv = [sys.executable, "-m", "uv", "--no-progress", "--quiet"]

    def make(python: str) -> Path:
        folder = top / python.strip("/").replace("/", "-")
        if not folder.exists():
            subprocess.run([*uv, "venv", "--python", python, folder], check=True, umask=0o022)
            options = ["--python", folder / "bin/python", "--link-mode", "copy"]
            subprocess.run([*uv, "pip", "install", *options, source], check=True, umask=0o022)
        return folder / "bin"

    yield make
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(scope="session")
def interpreters() -> dict[str, str]:
    """Every Python that this machine has and envbuild supports, by path, with its minor version."""
    folders = [Path(folder) for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    folders += sorted(Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob("*/bin"))
    found = {}
    for folder in (Path("/usr/bin"), *folders):
        for minor in range(11, 15):
            path = folder / f"python3.{minor}"
            if path.exists() and folder.name != "shims":
                found[str(path)] = f"3.{minor}"
    return found
