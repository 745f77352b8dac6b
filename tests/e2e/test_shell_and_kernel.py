"""Working inside the image with the working tree mounted: a shell, and a kernel that Jupyter's own client speaks to."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from jupyter_client.manager import start_new_kernel

ROOT = Path(__file__).parents[2]
SPEC = """\
python: "3.11"
platforms: [linux/{architecture}]
base: {{suite: bookworm}}
pypi:
  requirements: [ipykernel]
  exclude-newer: 2026-11-15T00:00:00Z
"""


@pytest.fixture(scope="module")
def notebook(envbuild, tmp_path_factory):
    """An environment with a kernel in it, locked."""
    from builder.cli.machine import host_platform

    folder = tmp_path_factory.mktemp("notebook") / "notebook"
    folder.mkdir()
    (folder / "environment.yaml").write_text(SPEC.format(architecture=host_platform().architecture))
    envbuild("lock", folder)
    return folder


@pytest.fixture(scope="module")
def with_engines(with_docker, podman):
    """The command with every engine."""
    return replace(with_docker, environment={**with_docker.environment, **podman.environment})


@pytest.mark.parametrize(
    "engine", ["embedded", *(pytest.param(one, marks=pytest.mark.slow) for one in ("docker", "podman"))]
)
def test_a_command_in_the_shell_sees_and_changes_the_working_tree(engine, with_engines, notebook, workplace):
    (workplace / "read.txt").write_text("hello")
    code = "import pathlib, ipykernel; pathlib.Path('written.txt').write_text(pathlib.Path('read.txt').read_text())"
    shell = replace(with_engines, cwd=str(workplace))
    shell("shell", notebook, "--engine", engine, "--", "python", "-c", code)
    assert (workplace / "written.txt").read_text() == "hello"
    assert (workplace / "written.txt").stat().st_uid == os.getuid()


@pytest.fixture(scope="module")
def packed(envbuild, notebook, tmp_path_factory):
    """A bundle of a project with one file of code."""
    project = tmp_path_factory.mktemp("packed")
    (project / "envbuild.yaml").write_text(f"name: packed\nenvironment: {notebook}\ncode: [packed_code.py]\n")
    (project / "packed_code.py").write_text("ANSWER = 42\n")
    envbuild("bundle", project, "-o", project / "packed.tar")
    return project / "packed.tar"


@pytest.mark.parametrize(
    "engine", ["embedded", *(pytest.param(one, marks=pytest.mark.slow) for one in ("docker", "podman"))]
)
def test_a_shell_in_a_bundle_has_what_was_packed_and_what_is_mounted(engine, with_engines, packed, workplace):
    shell = replace(with_engines, cwd=str(workplace))
    code = "import os, packed_code; print(packed_code.ANSWER, os.getcwd())"
    assert shell("shell", packed, "--engine", engine, "--", "python", "-c", code).stdout == "42 /app\n"
    (workplace / "mine.txt").write_text("mine")
    listed = shell(
        "shell", packed, "--work", ".", "--engine", engine, "--", "python", "-c", "print(open('mine.txt').read())"
    )
    assert listed.stdout == "mine\n"


def test_the_exit_code_of_a_command_in_the_shell_is_its_own(envbuild, notebook):
    envbuild("shell", notebook, "--engine", "embedded", "--", "python", "-c", "raise SystemExit(7)", code=7)


@pytest.mark.parametrize(
    "engine", ["embedded", *(pytest.param(one, marks=pytest.mark.slow) for one in ("docker", "podman"))]
)
def test_jupyter_runs_code_inside_the_image(engine, with_engines, notebook, workplace, monkeypatch):
    data = workplace / "jupyter"
    command = replace(with_engines, environment={**with_engines.environment, "JUPYTER_DATA_DIR": str(data)})
    command("kernel", "install", notebook, "--name", f"team-{engine}", "--engine", engine)
    installed = json.loads((data / f"kernels/team-{engine}/kernel.json").read_text())
    assert installed["argv"][0] == sys.executable
    for name, value in command.options["env"].items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JUPYTER_PATH", str(data))
    monkeypatch.chdir(workplace)
    (workplace / "here.txt").write_text("of the working tree")
    manager, kernel = start_new_kernel(startup_timeout=120, kernel_name=f"team-{engine}")
    try:
        outputs = []
        code = "import sys; print(sys.prefix, open('here.txt').read())"
        answer = kernel.execute_interactive(code, timeout=60, output_hook=outputs.append)
        assert answer["content"]["status"] == "ok"
        printed = "".join(output["content"]["text"] for output in outputs if output["msg_type"] == "stream")
        assert printed.split() == ["/opt/env", "of", "the", "working", "tree"]
    finally:
        kernel.stop_channels()
        manager.shutdown_kernel()
        assert not manager.is_alive()


def test_an_environment_without_a_kernel_is_refused_with_what_to_add(envbuild):
    shown = envbuild("kernel", "install", ROOT / "environments/plain", code=1)
    assert "has no `ipykernel`" in shown.stderr
    assert "hint: Add it to the requirements" in shown.stderr
