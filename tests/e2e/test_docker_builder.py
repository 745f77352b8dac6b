"""`envbuild build --builder docker|buildkit`: what the engine has afterwards, what is printed, what is left behind."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.oci.documents import Platform
from builder.run.embedded.diagnosis import check_platform

pytestmark = pytest.mark.slow
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
NAMES = ["docker", "buildkit"]


@pytest.fixture(scope="module")
def folder(projects) -> Path:
    return projects / "environments/plain"


@pytest.fixture(scope="module")
def build(with_docker, folder, debian_base) -> Callable[..., object]:
    def run(*options: str | Path, base: str = debian_base, **given: object):
        line = ["build", folder, "--platform", "linux/amd64", "--base", base, *options]
        return with_docker(*line, **given)

    return run


@pytest.fixture(scope="module")
def made(build) -> dict[str, dict]:
    """What is recorded of an image by each builder."""
    return {name: json.loads(build("--builder", name, "--json").stdout) for name in NAMES}


@pytest.fixture
def left(docker, store) -> Callable[[], tuple[str, ...]]:
    """What an engine and the store have that may be left behind."""

    def look() -> tuple[str, ...]:
        images = docker("images", "--all", "--quiet", "--no-trunc").stdout.split()
        containers = docker("ps", "--all", "--quiet").stdout.split()
        drafts = [path.name for path in (store / "tmp").iterdir()]
        return (*sorted(set(images)), *containers, *drafts)

    return look


@pytest.fixture(scope="module")
def empty_base(docker, tmp_path_factory) -> str:
    """An image in which no command can run."""
    path = tmp_path_factory.mktemp("empty") / "layer.tar"
    path.write_bytes(bytes(10240))
    docker("import", path, "envbuild-empty:1")
    return "envbuild-empty:1"


@pytest.mark.parametrize("name", NAMES)
def test_the_record_says_what_was_built_by_what_and_the_engine_has_it(name, made, docker, folder):
    record = made[name]
    identity = record["digest"]
    lock = json.loads(docker("image", "inspect", identity).stdout)[0]["Config"]["Labels"]["dev.envbuild.lock"]
    assert record["images"] == {"linux/amd64": identity}
    assert (record["name"], record["builder"], record["lock"]) == ("plain:latest", name, lock)
    assert re.search(r"Docker Engine \d+\.\d+", record["engine"])
    assert ("BuildKit by" in record["engine"]) == (name == "buildkit")
    assert docker.identity(f"plain:{identity.removeprefix('sha256:')[:12]}") == identity


@pytest.mark.parametrize("name", NAMES)
def test_the_image_runs_as_nobody_and_has_the_packages(name, made, docker):
    code = "import httpx, os, ssl, tenacity, yaml; print(os.getuid(), yaml.__with_libyaml__, os.getcwd())"
    run = ["run", "--rm", "--network", "none", "--read-only", made[name]["digest"]]
    assert docker(*run, "python", "-c", code).stdout == "65532 True /app\n"


@pytest.mark.parametrize("name", NAMES)
def test_building_again_changes_nothing_and_prints_a_reference(name, made, build, left):
    before = left()
    done = build("--builder", name)
    assert done.stdout == f"plain@{made[name]['digest']}\n"
    assert "Docker Engine" in done.stderr
    assert left() == before


def test_verbose_shows_each_step_and_line(build, made):
    shown = build("--builder", "docker", "--verbose").stderr
    assert re.search(r"linux/amd64: 1/\d+ ARG BASE|linux/amd64: \d+/\d+ FROM", shown)
    assert "--no-index" in shown


def test_what_the_engine_made_is_packed_verified_and_known_to_engines_again(
    made, build, docker, envbuild, folder, tmp_path
):
    file = tmp_path / "plain.tar"
    build("--builder", "docker", "-o", file)
    assert "sha256:" in envbuild("verify", file).stdout
    compared = json.loads(envbuild("verify", file, "--lock", folder, "--json").stdout)
    assert compared["problems"] == []
    assert any("Debian packages of the base are not locked" in note["message"] for note in compared["notes"])
    identity = made["docker"]["digest"]
    docker("image", "rm", "--force", identity)
    docker("load", "-i", file)
    assert docker.identity("plain:latest") == identity


@pytest.mark.parametrize("name", NAMES)
def test_a_build_that_fails_says_where_and_leaves_nothing(name, build, empty_base, left):
    before = left()
    done = build("--builder", name, base=empty_base, code=1)
    assert done.stdout == ""
    assert re.search(r"error: the build failed in the step `.*(sha256sum|COPY|WORKDIR).*`", done.stderr)
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr
    assert left() == before


@pytest.mark.parametrize("name", NAMES)
def test_a_base_that_is_nowhere_is_told_with_the_way_out(name, build, left):
    before = left()
    done = build("--builder", name, base="127.0.0.1:9/nothing:here", code=1)
    assert "127.0.0.1:9" in done.stderr
    assert "Name a base image that the engine has or can pull with `--base`" in done.stderr
    assert left() == before


def test_a_failure_is_json_too(build, empty_base):
    error = json.loads(build("--builder", "docker", "--json", base=empty_base, code=1).stdout)["error"]
    assert error["what"].startswith("the build failed in the step")
    assert error["exit-code"] == 1


def test_an_interrupted_build_leaves_nothing(with_docker, docker, folder, base_archive, left, read_until):
    docker("import", base_archive, "envbuild-debian:fresh")  # by another id, so that no step was made before
    before = left()
    line = ["build", folder, "--platform", "linux/amd64", "--builder", "docker", "--base", "envbuild-debian:fresh"]
    with with_docker.start(*line, "--verbose") as process:
        shown = read_until(process.stdout, "Selecting previously unselected")
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert "Selecting previously unselected" in shown
    assert process.returncode == 130, rest
    assert "sha256sum" in shown
    assert eventually(left, before) == before


def eventually(look: Callable[[], object], wanted: object) -> object:
    """What is seen once it is what is wanted, or after a minute: the engine ends an abandoned step by itself."""
    end = time.monotonic() + 60
    while (seen := look()) != wanted and time.monotonic() < end:
        time.sleep(0.2)
    return seen


def test_a_platform_that_the_engine_cannot_run_is_refused_before_work_begins(with_docker, folder, left):
    try:
        check_platform(Platform("arm64"))
    except EnvbuildError:
        before = left()
        done = with_docker("build", folder, "--builder", "docker", code=1)
        assert "this engine cannot build for linux/arm64" in done.stderr
        assert "hint: Add `--platform linux/amd64`" in done.stderr
        assert left() == before
        return
    pytest.skip("programs for arm64 run here")


def test_an_engine_that_does_not_answer_is_told(envbuild, folder):
    silent = replace(envbuild, environment={"DOCKER_HOST": "unix:///nowhere/docker.sock"})
    for name in NAMES:
        done = silent("build", folder, "--builder", name, code=1)
        assert "no Docker Engine answers at unix:///nowhere/docker.sock" in done.stderr


def test_a_base_without_an_engine_is_wrong_usage(envbuild, folder):
    assert "--builder docker" in envbuild("build", folder, "--base", "x", code=2).stderr


def test_progress_of_steps_is_shown_on_a_terminal(with_docker, folder, debian_base, made):
    leader, follower = pty.openpty()
    line = ["build", folder, "--platform", "linux/amd64", "--builder", "docker", "--base", debian_base]
    options = {**with_docker.options, "stderr": follower, "stdout": follower}
    process = subprocess.Popen([*with_docker.line, *map(str, line)], **options)
    os.close(follower)
    shown = b""
    try:
        while data := os.read(leader, 1 << 16):
            shown += data
    except OSError:  # the other end is closed
        pass
    os.close(leader)
    assert process.wait(60) == 0
    assert re.search(rb"\x1b\[Klinux/amd64: \d+/\d+ ", shown)
    assert DIGEST.search(shown.decode())
