"""Killing builds at many moments; the store that is left is always one that the next build finishes."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = """
python: "3.11"
platforms: [linux/amd64]
base: {suite: bookworm}
debian: [libgomp1]
pypi:
  requirements: [numpy, uvicorn, fastapi]
"""


def run(store: Path, *arguments: str | Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)}
    line = [sys.executable, "-m", "builder", *map(str, arguments)]
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A locked environment, a store with its files alone, and its reference."""
    folder = tmp_path_factory.mktemp("environment")
    (folder / "environment.yaml").write_text(ENVIRONMENT)
    store = folder / "store"
    run(store, "lock", folder)
    reference = run(store, "build", folder)
    locked = (folder / "lock/envbuild.lock.json").read_text() + (folder / "lock/pylock.linux-amd64.toml").read_text()
    files = folder / "files/blobs/sha256"
    files.mkdir(parents=True)
    for blob in (store / "blobs/sha256").iterdir():
        if blob.name in locked:
            os.link(blob, files / blob.name)
    return folder, folder / "files", reference


@pytest.mark.parametrize("seed", range(30))
def test_a_build_that_is_killed_again_and_again_ends_with_the_same_digest(made, tmp_path, seed):
    folder, files, reference = made
    store = tmp_path / "store"
    shutil.copytree(files, store, copy_function=os.link)
    chance = random.Random(seed)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)}
    for _ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-m", "builder", "build", folder], env=environment, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            process.wait(chance.uniform(0.05, 1.5))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert run(store, "build", folder) == reference
    run(store, "cache", "prune")
    assert not list((store / "tmp").iterdir())
    run(store, "verify", folder)
