"""Places that are no good are told before anything is fetched or built for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.cli import invoke

UNREACHABLE = "127.0.0.1:1/team/a:1"


@pytest.mark.parametrize(
    ("target", "expected"),
    [("none/x.tar", "`none` is not a folder"), ("x.zip", "`x.zip` cannot be written"), ("full", "is no bundle")],
)
def test_pull_asks_no_registry_where_its_output_cannot_be_written(
    target: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    assert invoke(["pull", UNREACHABLE, "-o", target]) == 1
    error = capsys.readouterr().err
    assert expected in error
    assert "registry" not in error


@pytest.mark.parametrize("command", ["build", "lock"])
def test_all_of_a_folder_that_is_not_there_is_an_error_that_names_it(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert invoke([command, "--all", "none"]) == 1
    assert "error: `none` is not there\n\nhint: " in capsys.readouterr().err
