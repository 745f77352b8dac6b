"""What provenance tells of the repository of a project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from builder.bundle.attached.checkout import checkout_of

WHO = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")


def git(folder: Path, *arguments: str) -> str:
    line = ["git", *WHO, "-C", str(folder), *arguments]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project below the root of its repository."""
    folder = tmp_path / "repository/project"
    folder.mkdir(parents=True)
    git(folder.parent, "init", "--quiet")
    (folder / "a.py").write_text("a")
    git(folder.parent, "add", ".")
    git(folder.parent, "commit", "--quiet", "-m", "a")
    return folder


def test_the_commit_of_a_clean_checkout_is_told(project: Path) -> None:
    found = checkout_of(project, ["a.py"])
    assert found is not None
    assert (found.commit, found.clean, found.url) == (git(project, "rev-parse", "HEAD"), True, "")


def test_a_changed_file_and_a_packed_one_that_git_does_not_know_are_told(project: Path) -> None:
    (project / "new.tar").write_text("what bundle has written is not packed")
    assert checkout_of(project, ["a.py"]).clean  # type: ignore[union-attr]
    assert not checkout_of(project, ["a.py", "new.tar"]).clean  # type: ignore[union-attr]
    (project.parent / "other").write_text("b")
    git(project.parent, "add", "other")
    assert not checkout_of(project, ["a.py"]).clean  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://user:hunter2@git.example/team/a.git", "https://git.example/team/a.git"),
        ("ssh://git@git.example/team/a.git", "ssh://git@git.example/team/a.git"),
        ("https://git.example/a.git?token=hunter2", ""),
        ("/home/somebody/a", ""),
        ("git@git.example:team/a.git", ""),
    ],
)
def test_no_secret_and_no_path_of_this_machine_is_told(url: str, told: str, project: Path) -> None:
    git(project, "remote", "add", "origin", url)
    assert checkout_of(project, []).url == told  # type: ignore[union-attr]


def test_what_is_in_no_repository_tells_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkout_of(tmp_path, []) is None
    git(tmp_path, "init", "--quiet")
    assert checkout_of(tmp_path, []) is None  # no commit yet
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout_of(tmp_path, []) is None


def test_a_variable_of_git_leads_to_no_other_repository(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = project.parent.parent / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    git(other, "commit", "--quiet", "--allow-empty", "-m", "b")
    expected = git(project, "rev-parse", "HEAD")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    found = checkout_of(project, ["a.py"])
    assert found is not None
    assert found.commit == expected
