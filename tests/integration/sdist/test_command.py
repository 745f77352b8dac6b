"""From a spec to an image with a package that was built of a commit, by the command as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import git_repositories
import pytest
from source_packages import flit_project

from builder.lock.folder import read_lock
from builder.oci.documents import Platform
from builder.oci.store import Store

SPEC = """\
platforms: [linux/amd64, linux/arm64]
base: {suite: bookworm}
python: "3.11"
pypi: {file: requirements.in}
"""


def envbuild(store: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ENVBUILD_CACHE": str(store), **variables}
    return subprocess.run(
        [sys.executable, "-m", "builder", *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    commit = git_repositories.make_repository(
        tmp_path / "thing.git",
        {name: text.encode() for name, text in flit_project("pure-thing", "2.1", more=f"# {tmp_path}").items()},
    )
    folder = tmp_path / "environment"
    folder.mkdir()
    (folder / "environment.yaml").write_text(SPEC)
    (folder / "requirements.in").write_text(f"pure-thing @ git+file://{tmp_path}/thing.git@{commit}\n")
    return folder


@pytest.mark.usefixtures("namespaces")
@pytest.mark.slow
def test_a_commit_is_built_locked_and_built_again_elsewhere(environment: Path, store: Path) -> None:
    refused = envbuild(store, "lock", "--no-sdist", str(environment))
    assert refused.returncode == 1
    assert "--no-sdist" in refused.stderr
    assert not (environment / "lock").exists()

    locked = envbuild(store, "lock", str(environment))
    assert locked.returncode == 0, locked.stderr
    assert locked.stderr.count("building pure-thing 2.1 from source") == 1
    lock = read_lock(environment / "lock")
    (wheel,) = lock.wheels[Platform("amd64")]
    assert lock.wheels[Platform("arm64")][0].digest == wheel.digest
    assert wheel.built is not None
    assert wheel.built.sdist.url.startswith("git+file://")

    images = [envbuild(store, "build", "--platform", "linux/amd64", str(environment))]
    Store(store).discard(wheel.digest)  # as on another machine
    images.append(envbuild(store, "build", "--platform", "linux/amd64", str(environment)))
    assert [image.returncode for image in images] == [0, 0], images[1].stderr
    assert images[0].stdout == images[1].stdout
    assert ["from source" in image.stderr for image in images] == [False, True]

    place = environment.parent / "place"
    filled = envbuild(store, "cache", "wheels", str(environment), "-o", str(place))
    assert "wrote 1 wheel to" in filled.stderr, filled.stderr
    Store(store).discard(wheel.digest)
    taken = envbuild(store, "build", "--platform", "linux/amd64", str(environment), ENVBUILD_WHEELS=str(place))
    assert (taken.stdout, "from source" in taken.stderr) == (images[0].stdout, False)
