"""Every command on a project with conda packages, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conda_channel import build_channel

from builder.cli.machine import host_platform

ROOT = Path(__file__).parents[3]
SPEC = """\
name: made
environment:
  platforms: [{platform}]
  base: {{suite: bookworm}}
  conda:
    channels: ["{channel}"]
    dependencies: [python 3.11.*, greeter]
code: [say.py]
commands:
  greet: {{run: greet}}
  say: {{run: python /app/say.py}}
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def run(store: Path) -> Run:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)}

    def call(*arguments: str | Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "builder", *map(str, arguments)]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
        assert code is None or done.returncode == code, done.stdout + done.stderr
        return done

    return call


@pytest.fixture(scope="module")
def project(run: Run, shared: Path, store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that is locked."""
    channel = build_channel(shared / "conda-channel", store)
    folder = tmp_path_factory.mktemp("project")
    (folder / "envbuild.yaml").write_text(SPEC.format(platform=host_platform(), channel=channel.as_uri()))
    (folder / "say.py").write_text("import small, sys; print(small.version, sys.prefix)\n")
    run("lock", folder)
    return folder


def test_a_build_is_proved_by_building_again(run: Run, project: Path) -> None:
    built = run("build", project).stdout.strip()
    assert run("verify", "--rebuild", project).stdout.strip() == built.partition("@")[2]
    assert "conda: python 3.11.2" in run("build", "--dry-run", project).stdout


def test_a_bundle_tells_what_it_is_made_of_and_runs(run: Run, project: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "made.tar"
    run("bundle", project, "-o", bundle)
    run("verify", bundle)
    assert "conda: python 3.11.2" in run("inspect", "--layers", bundle).stdout
    done = run("run", bundle, "greet", code=None)
    if "cannot" in done.stderr and not os.environ.get("CI"):
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert (done.returncode, done.stdout) == (0, "hello from conda\n")
    assert run("run", bundle, "say").stdout == "2.0 /opt/env\n"


def test_a_prefix_of_this_machine_has_the_same_packages(run: Run, project: Path) -> None:
    assert "is not there" in run("sync", "--check", project, code=3).stderr
    made = run("sync", project)
    prefix = Path(made.stdout.strip())
    assert f"made `{prefix}`\n" in made.stderr
    assert "is not there" not in made.stderr
    run("sync", "--check", project)
    line = [prefix / "bin/python", project / "say.py"]
    assert subprocess.run(line, capture_output=True, text=True).stdout == f"2.0 {prefix}\n"
    run("sync", "--python", sys.executable, project)  # nothing differs, so nothing is made with it
    next((prefix / "conda-meta").glob("small-*.json")).unlink()
    assert "`small` 2.0 (conda) is missing" in run("sync", "--check", project, code=3).stderr
    assert "one of the locked conda packages" in run("sync", "--python", sys.executable, project, code=1).stderr
    run("sync", project)
    run("sync", "--check", project)
