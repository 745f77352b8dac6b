"""What tests of the whole product share: one store that downloads go to once, and a copy of the examples."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def pytest_configure() -> None:
    """A shell's background jobs ignore the interrupts that tests send, so they are taken again here."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all tests of this run use, in every process."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shared"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def store(shared: Path) -> Path:
    """A store that downloads go to once."""
    return Path(os.environ.get("ENVBUILD_TEST_CACHE", shared / "store"))


@pytest.fixture(scope="session")
def team_channel(shared: Path, store: Path) -> Iterator[dict[str, str]]:
    """Serves the conda channel of the environments; gives the variables by which a machine asks there."""
    from conda_channel import build_channel, serve

    folder = shared / "channels"
    folder.mkdir(exist_ok=True)
    build_channel(folder / "team", store)
    with serve(folder) as server:
        settings = shared / f"condarc-{server.port}"
        settings.write_text(f"mirrored_channels:\n  https://conda.example.com/team: [{server.url}/team]\n")
        yield {"CONDARC": str(settings)}


@pytest.fixture(scope="session")
def projects(shared: Path, store: Path, team_channel: dict[str, str]) -> Path:
    """A copy of the examples and their environments. In CI the locks are made afresh, as archives drop old versions."""
    folder = shared / "projects"
    with open(shared / "projects.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = shared / "projects-draft"
            shutil.rmtree(draft, ignore_errors=True)
            ignored = shutil.ignore_patterns("out", "__pycache__", "*.tar")
            for name in ("environments", "examples"):
                shutil.copytree(ROOT / name, draft / name, ignore=ignored)
            if os.environ.get("CI"):
                line = [sys.executable, "-m", "builder", "lock", "--upgrade", "--all", str(draft / "environments")]
                environment = {**os.environ, **team_channel, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)}
                subprocess.run(line, env=environment, check=True, timeout=300)
            draft.rename(folder)
    return folder


@pytest.fixture(scope="session")
def conda_channel(shared: Path, store: Path) -> Path:
    """A conda channel of real contents; the folder above it can be served."""
    from conda_channel import build_channel

    return build_channel(shared / "conda" / "channel", store)


@pytest.fixture
def workplace() -> Iterator[Path]:
    """A folder that every user can walk into, which `tmp_path` is not."""
    path = Path(tempfile.mkdtemp(prefix="envbuild-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)
