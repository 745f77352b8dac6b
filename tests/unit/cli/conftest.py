"""Running command lines in process and in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.cli import invoke

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith(("UV_", "PIP_", "ENVBUILD_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The current folder."""
    return tmp_path / "work"


@pytest.fixture
def envbuild(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs a command line in this process: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = invoke(list(arguments))
        captured = capfd.readouterr()
        assert "Traceback" not in captured.out + captured.err
        assert "something unexpected happened" not in captured.err
        return int(code), captured.out, captured.err

    return call


@pytest.fixture
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a command line in a process of its own."""

    def call(*arguments: str, prefix: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, sys.executable, "-m", "builder", *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return call


@pytest.fixture
def locked(work: Path) -> Path:
    """The committed environment of this repository, with its lock, in the current folder."""
    import shutil

    shutil.copytree(ROOT / "environments/sklearn", work / "env")
    return work / "env"
