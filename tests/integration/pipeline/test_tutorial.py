"""The tutorial about pipelines is followed word by word: each command, how it ends, and what it is said to print."""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

import pytest
from transcripts import run, steps, unsaid

TUTORIAL = Path(__file__).parents[3] / "docs/tutorial-pipelines.md"


@pytest.fixture
def weather(projects: Path, store: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example as nobody has run it before, and the environments beside it; the current folder."""
    for name in ("examples/weather", "environments/plain", "environments/sklearn"):
        shutil.copytree(projects / name, workplace / name)
    folder = workplace / "examples/weather"
    with open(folder / "src/weather/__init__.py", "a") as file:
        file.write(f"# {uuid.uuid4()}\n")
    monkeypatch.chdir(folder)
    for name, value in {
        "ENVBUILD_CACHE": str(store),
        "DOCKER_HOST": "unix:///nowhere",  # the engine that is always there runs the stages
        "GIT_CONFIG_GLOBAL": os.devnull,
        **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER")
           for what, value in (("NAME", "Ada"), ("EMAIL", "ada@example.com"))},
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    return folder


# The library of Docker forgets the socket that nobody answered at.
@pytest.mark.filterwarnings("ignore:.*<socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_the_tutorial_about_pipelines_can_be_followed_word_by_word(weather: Path, capfd) -> None:
    followed = list(steps(TUTORIAL))
    assert len(followed) >= 20
    for step in followed:
        code, printed = run(step.command, weather, capfd.readouterr, os.environ)
        assert code == step.code, f"line {step.line}: `{step.command}` exited {code}\n{printed}"
        assert unsaid(step, printed) is None, f"line {step.line}: `{step.command}` printed\n{printed}"
