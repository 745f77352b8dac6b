"""The tutorial about data is followed word by word: each command, how it ends, and what it is said to print."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from transcripts import run, steps, unsaid

TUTORIAL = Path(__file__).parents[3] / "docs/tutorial-data.md"


@pytest.fixture
def visits(projects: Path, store: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The example, and the environments beside it; the current folder."""
    import shutil

    for name in ("examples/visits", "environments/plain"):
        shutil.copytree(projects / name, workplace / name)
    folder = workplace / "examples/visits"
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ENVBUILD_CACHE", str(store))
    return folder


def test_the_tutorial_about_data_can_be_followed_word_by_word(visits, capfd) -> None:
    followed = list(steps(TUTORIAL))
    assert len(followed) >= 20
    for step in followed:
        code, printed = run(step.command, visits, capfd.readouterr, os.environ)
        assert code == step.code, f"line {step.line}: `{step.command}` exited {code}\n{printed}"
        assert unsaid(step, printed) is None, f"line {step.line}: `{step.command}` printed\n{printed}"


def test_a_transcript_that_is_not_true_is_noticed(tmp_path) -> None:
    document = tmp_path / "a.md"
    document.write_text("```console\n$ echo one; echo two; false  # exits 1\none\n…wo\n$ echo three\nfour\n```\n")
    first, second = steps(document)
    for step, missing in ((first, None), (second, "four")):
        code, printed = run(step.command, tmp_path, lambda: ("", ""), os.environ)
        assert (code, unsaid(step, printed)) == (step.code, missing)
