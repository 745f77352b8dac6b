"""The workflows are what the services take, name every environment, and run commands that exist."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from builder.ci import SERVICES, CheckedEnvironment, render_workflow
from builder.cli import invoke
from builder.cli.commands import COMMANDS
from builder.errors import EnvbuildError
from builder.oci.registry.credentials import Credentials, Login

ENVIRONMENTS = (CheckedEnvironment("plain", "environments/plain"), CheckedEnvironment("data", "environments/data"))
SCHEMAS = {"github": "vendor.github-workflows", "gitlab": "vendor.gitlab-ci"}


def rendered(service: str, registry: str | None = None) -> str:
    return render_workflow(service, "environments", ENVIRONMENTS, registry, "main")


def texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for element in value.values() for text in texts(element)]
    if isinstance(value, list):
        return [text for element in value for text in texts(element)]
    return [value] if isinstance(value, str) else []


@pytest.mark.parametrize("registry", [None, "registry.example/team"])
@pytest.mark.parametrize("service", SERVICES)
def test_the_service_takes_the_workflow(service: str, registry: str | None, tmp_path: Path) -> None:
    path = tmp_path / "workflow.yml"
    path.write_text(rendered(service, registry))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", SCHEMAS[service], str(path)]
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_every_command_of_the_workflow_is_one_of_envbuild(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.strip() for text in texts(yaml.safe_load(rendered(service))) for line in text.splitlines()]
    commands = [shlex.split(line.partition(">")[0]) for line in lines if line.startswith("envbuild ")]
    assert {command[1] for command in commands} == {"lock", "build", "push"}
    for command in commands:
        assert command[1] in COMMANDS
        options = [word for word in command if word.startswith("-")]
        words = command[1:3] if command[2] == "diff" else command[1:2]
        assert invoke([*words, "--help"]) == 0
        known = capsys.readouterr().out
        assert all(re.search(rf"(^|[ ,]){option}\b", known, re.MULTILINE) for option in options), command


def told(service: str, folder: Path, change: Callable[[Path], object]) -> str:
    """What the workflow tells of a pull request, whose base has a lock of `plain`, and which makes a change."""

    def git(*words: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *words]
        return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    lock = folder / "environments/plain/lock/envbuild.lock.json"
    lock.parent.mkdir(parents=True)
    lock.write_text("{}")
    git("add", ".")
    git("commit", "-qm", "base")
    change(folder / "environments")
    scripts = [text for text in texts(yaml.safe_load(rendered(service))) if "envbuild lock diff" in text]
    script = "\n".join(['envbuild() { test -e "$5" && echo diff of $5; }', *scripts])
    base, summary = git("rev-parse", "HEAD"), folder / "changes.md"
    variables = {"BASE": base, "CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "GITHUB_STEP_SUMMARY": str(summary)}
    subprocess.run(["bash", "-e", "-c", script], cwd=folder, env={**os.environ, **variables}, check=True)
    return summary.read_text()


@pytest.mark.parametrize("service", SERVICES)
def test_an_environment_that_the_base_does_not_have_is_told_as_new(service: str, tmp_path: Path) -> None:
    text = told(service, tmp_path, lambda folder: (folder / "data").mkdir())
    assert text == "diff of environments/plain\n### New: environments/data\n"


@pytest.mark.parametrize("service", SERVICES)
def test_an_environment_that_is_removed_is_told_and_fails_nothing(service: str, tmp_path: Path) -> None:
    def change(folder: Path) -> None:
        shutil.rmtree(folder / "plain")
        (folder / "data").mkdir()

    assert told(service, tmp_path, change) == "### Removed: environments/plain\n### New: environments/data\n"


@pytest.mark.parametrize("service", SERVICES)
def test_every_environment_is_built(service: str) -> None:
    text = rendered(service)
    assert all(text.count(environment.path) >= 2 for environment in ENVIRONMENTS)


@pytest.mark.parametrize("service", SERVICES)
def test_pushing_logs_in_and_shows_no_password_to_other_processes(service: str, tmp_path: Path) -> None:
    text = rendered(service, "registry.example/team")
    script = next(script for script in texts(yaml.safe_load(text)) if "envbuild push" in script)
    for program, what in (("docker", "cat > login.txt"), ("envbuild", "true"), ("base64", "/usr/bin/base64 -w 0")):
        path = tmp_path / "bin" / program
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'#!/bin/sh\necho {program} "$@" >> lines.txt\n{what}\n')
        path.chmod(0o755)
    variables = {
        "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "HOME": str(tmp_path), "GITHUB_STEP_SUMMARY": "summary.md",
        "REGISTRY_USER": "scientist", "REGISTRY_PASSWORD": "hunter2", "FOLDER": "environments/plain", "NAME": "plain",
        "GITHUB_SHA": "abc", "CI_COMMIT_SHA": "abc", "CI_COMMIT_BRANCH": "main",
    }  # fmt: skip
    subprocess.run(["bash", "-e", "-c", script], cwd=tmp_path, env=variables, check=True)
    lines = (tmp_path / "lines.txt").read_text()
    assert "envbuild push environments/plain registry.example/team/plain:abc\n" in lines
    assert "hunter2" not in lines
    if service == "github":
        assert "docker login registry.example --username scientist --password-stdin\n" in lines
        assert (tmp_path / "login.txt").read_text() == "hunter2\n"
    else:
        assert Credentials(variables).login("registry.example", "team/plain") == Login("scientist", "hunter2")


@pytest.mark.parametrize("service", SERVICES)
def test_a_failing_build_fails_the_workflow(service: str) -> None:
    """The exit code of a pipe is that of its last command."""
    lines = [line for text in texts(yaml.safe_load(rendered(service))) for line in text.splitlines()]
    assert not [line for line in lines if line.startswith("envbuild") and "|" in line]


@pytest.mark.parametrize("name", ["a b", "x; rm -rf /", "${{ x }}", "a\nb", 'a"b'])
def test_names_that_a_service_would_take_for_code_are_refused(name: str) -> None:
    with pytest.raises(EnvbuildError, match="cannot stand in a workflow"):
        render_workflow("github", "environments", [CheckedEnvironment(name, "environments/a")], None, "main")


def test_a_folder_without_environments_is_refused() -> None:
    with pytest.raises(EnvbuildError, match="no environment"):
        render_workflow("github", "environments", [], None, "main")


def test_a_file_is_not_written_over_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "environments/plain"
    folder.mkdir(parents=True)
    (folder / "environment.yaml").write_text('python: "3.11"\n')
    monkeypatch.chdir(tmp_path)
    assert invoke(["ci", "github", "-o", ".github/workflows/e.yml"]) == 0
    written = (tmp_path / ".github/workflows/e.yml").read_bytes()
    assert invoke(["ci", "github", "-o", ".github/workflows/e.yml"]) == 1
    assert invoke(["ci", "github", "--branch", "trunk", "-o", ".github/workflows/e.yml", "--force"]) == 0
    assert (tmp_path / ".github/workflows/e.yml").read_bytes() != written


def test_the_hooks_for_pre_commit_are_what_it_takes() -> None:
    path = Path(__file__).parents[2] / ".pre-commit-hooks.yaml"
    hooks = yaml.safe_load(path.read_text())
    for hook in hooks:
        words = shlex.split(hook["entry"])
        assert words[:2] == ["envbuild", "lock"]
        assert re.search(hook["files"], "environments/a/environment.yaml")
        assert re.search(hook["files"], "environments/a/lock/envbuild.lock.json")
        assert not re.search(hook["files"], "src/a.py")
        assert hook["pass_filenames"] is False
