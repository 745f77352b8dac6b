from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from git_repositories import commit, git

from builder.history import repository
from builder.history.repository import State, read_repository, who


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The folder of a project in a larger repository, with one commit."""
    top = tmp_path / "top"
    git(top, "init", "--quiet", "--initial-branch=main")
    for path, data in {"other.txt": b"1\n", "project/a.py": b"one\n", "project/b.bin": bytes(range(256))}.items():
        (top / path).parent.mkdir(exist_ok=True)
        (top / path).write_bytes(data)
    commit(top)
    return top / "project"


def test_a_clean_project_is_its_commit(project: Path) -> None:
    (project.parent / "other.txt").write_bytes(b"2\n")  # no part of the project
    state = read_repository(project)
    assert state.commit is not None
    assert (state.commit.id, state.commit.dirty, state.patch) == (
        git(project, "rev-parse", "HEAD").strip(),
        False,
        None,
    )


def test_the_patch_makes_the_commit_what_was_run(project: Path, tmp_path: Path) -> None:
    (project / "a.py").write_bytes(b"one\ntwo\n")
    (project / "b.bin").write_bytes(bytes(range(255, -1, -1)))
    (project / "new file.txt").write_bytes(b"untracked\n")
    (project / ".gitignore").write_bytes(b"*.log\n")
    (project / "x.log").write_bytes(b"ignored\n")
    git(project, "add", "a.py")
    for path in ("runs/x/run.json", "out/model/w", "made/table.csv"):
        (project / path).parent.mkdir(parents=True)
        (project / path).write_bytes(b"no code\n")
    before = git(project, "status", "--porcelain")
    state = read_repository(project, ["made/table.csv"])
    assert state.commit is not None
    assert (state.commit.dirty, state.commit.patch, state.notes) == (True, "changes.patch", ())
    assert git(project, "status", "--porcelain") == before  # the index is as it was
    copy = tmp_path / "copy"
    git(tmp_path, "clone", "--quiet", str(project.parent), str(copy))
    (tmp_path / "changes.patch").write_bytes(state.patch or b"")
    git(copy, "apply", "--binary", str(tmp_path / "changes.patch"))
    files = {path.name: path.read_bytes() for path in (copy / "project").iterdir()}
    names = ("a.py", "b.bin", "new file.txt", ".gitignore")
    assert files == {name: (project / name).read_bytes() for name in names}


def test_outside_of_git_and_before_the_first_commit_there_is_no_commit(tmp_path: Path) -> None:
    assert read_repository(tmp_path) == State()
    git(tmp_path, "init", "--quiet")
    assert read_repository(tmp_path) == State()


def test_without_git_there_is_no_commit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert read_repository(project) == State()


def test_a_patch_with_a_secret_is_withheld(project: Path) -> None:
    (project / "settings.py").write_bytes(b'password = "9fK2mQ7xV4pL8wZ3tR6yB1nH"\n')
    state = read_repository(project)
    assert state.commit is not None
    assert (state.commit.dirty, state.commit.patch, state.patch) == (True, None, None)
    assert "it may hold secrets" in state.notes[0]
    assert "9fK2" not in state.notes[0]


def test_a_patch_with_the_settings_of_a_machine_is_withheld(project: Path) -> None:
    (project / ".env").write_bytes(b"SESSION=q8w7e6r5t4y3u2\n")
    state = read_repository(project)
    assert state.patch is None
    assert "settings of one machine" in state.notes[0]


def test_a_patch_that_is_too_large_is_withheld(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repository, "PATCH_LIMIT", 1000)
    (project / "a.py").write_bytes(b"some words\n" * 200)
    assert read_repository(project).notes == (
        "what differs from the commit is not recorded: it has more than 1000 bytes",
    )
    git(project, "checkout", "a.py")
    (project / "table.csv").write_bytes(b"1,2\n" * 300)
    state = read_repository(project)
    assert state.commit is not None
    assert (state.commit.dirty, state.patch, len(state.notes)) == (True, None, 1)


def test_nothing_that_a_repository_names_is_executed(project: Path, tmp_path: Path) -> None:
    marker, program = tmp_path / "executed", tmp_path / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {marker}\ncat\n")
    program.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    (hooks / "post-index-change").symlink_to(program)
    for key, value in {
        "core.fsmonitor": program, "core.hooksPath": hooks, "diff.external": program, "diff.own.command": program,
        "diff.own.textconv": program, "filter.own.clean": program, "filter.own.process": program,
        "filter.own.required": "true", "core.pager": program, "core.sshCommand": program,
    }.items():  # fmt: skip
        git(project, "config", key, str(value))
    (project / ".gitattributes").write_bytes(b"* diff=own filter=own\n")
    (project / "a.py").write_bytes(b"one\ntwo\n")
    (project / "new.py").write_bytes(b"new\n")
    state = read_repository(project)
    assert b"+two\n" in (state.patch or b"")
    assert b"+new\n" in (state.patch or b"")
    assert not marker.exists()


def test_variables_that_lead_elsewhere_are_not_followed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nowhere/index")
    assert read_repository(project).commit is not None


def test_who_works_is_told_by_variables_then_git_then_the_login(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("LOGNAME", "ann")
    assert who({}, project) == {"name": "ann", "email": ""}
    git(project, "config", "user.name", "Ann B.")
    git(project, "config", "user.email", "ann@example.org")
    assert who({}, project) == {"name": "Ann B.", "email": "ann@example.org"}
    assert who({"GIT_AUTHOR_NAME": "C"}, project) == {"name": "C", "email": "ann@example.org"}


def test_a_small_repository_takes_few_processes(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls, run = [], subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *words, **options: calls.append(words) or run(*words, **options))
    read_repository(project)
    assert len(calls) == 3
