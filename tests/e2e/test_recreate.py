"""The bundle's own README says how to make its image again, and that is true."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest


def write_record(out: Path) -> None:
    """The record of a run that wrote the model, as the launcher leaves it."""
    model = (out / "model/model.joblib").read_bytes()
    files = [["model.joblib", hashlib.sha256(model).hexdigest(), len(model)]]
    run = {"format": 1, "state": "finished", "exit_code": 0, "command": "train", "arguments": [], "params": {}}
    run |= {"seed": 7, "data": {}, "outputs": {"model": {"digest": None, "files": files}}}
    (out / "run.json").write_text(json.dumps(run))


@pytest.mark.parametrize(
    "environment", ["shared", *(pytest.param(one, marks=pytest.mark.slow) for one in ("inline", "of other files"))]
)
def test_readme_inside_recreates_the_digest(
    environment: str, copies: Path, with_docker: Callable, docker: Callable, workplace: Path
) -> None:
    project = copies / "examples/penguins"
    (project / "out/model").mkdir(parents=True, exist_ok=True)
    (project / "out/model/model.joblib").write_bytes(pickle.dumps({"weights": [1.0]}))
    write_record(project / "out")
    if environment != "shared":
        spec = project / "envbuild.yaml"
        pypi = ""
        if environment == "of other files":
            pypi = ", pypi: {file: ../requirements/top.in, exclude-newer: 2026-11-15T00:00:00Z}"
            (copies / "examples/requirements").mkdir()
            (copies / "examples/requirements/top.in").write_text("-r ../../base.in\n")
            (copies / "base.in").write_text("idna\n")
            (copies / ".git").mkdir()
        inline = f'environment: {{python: "3.11"{pypi}}}'
        text = spec.read_text().replace("environment: ../../environments/sklearn", inline)
        spec.write_text(text)
        with_docker("lock", project)
    platform = ("--platform", "linux/amd64")
    digest = with_docker("build", project, *platform, "--load").stdout.strip()
    docker("create", "--name", "readme", "penguins:1.0")
    docker("cp", "readme:/bundle/README.md", workplace / "README.md")
    docker("rm", "readme")

    readme = (workplace / "README.md").read_text()
    steps = re.search(r"## Recreate it\n.*?```sh\n(.*?)```.*?```sh\nenvbuild build (\S+)\n```", readme, re.DOTALL)
    assert steps is not None
    assert "/bundle/run.json" in steps[1]
    subprocess.run(
        ["sh", "-ec", steps[1]], cwd=workplace, env=docker.environment | {"PATH": "/usr/bin:/bin"}, check=True
    )
    assert with_docker("build", workplace / steps[2], *platform).stdout.strip() == digest
