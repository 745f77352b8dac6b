"""Places that are no good are told before anything is fetched or built for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from builder.cli import engines, invoke
from builder.cli.push import parse_destination
from builder.oci.documents import Platform

ROOT = Path(__file__).parents[3]
UNREACHABLE = "127.0.0.1:1/team/a:1"


class Absent:
    """An engine that is not there."""

    def unavailable(self) -> str:
        return "nothing answers"


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


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-o", "none/x.tar"], "`none` is not a folder"),
        (["-o", "x.zip"], "`x.zip` cannot be written"),
        (["--load", "--engine", "docker"], "the image cannot be loaded"),
        (["--load", "--platform", "linux/arm64"], "there is no image for linux/amd64 to load"),
        (["--all", "-o", "none/x"], "`none/x` cannot be a folder of bundles"),
        (["--all", "--load", "--engine", "docker"], "the image cannot be loaded"),
        (["--push", "127.0.0.1:1/Team"], "is not the name of an image"),
    ],
    ids=["folder", "form", "engine", "platform", "folder-of-all", "engine-of-all", "reference"],
)
def test_nothing_is_built_for_a_place_that_is_no_good(
    options: list[str], expected: str, locked: Path, envbuild: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engines.LOADERS, "docker", Absent)
    monkeypatch.setattr("builder.cli.engines.host_platform", lambda: Platform("amd64"))
    code, _, error = envbuild("build", str(locked), "--offline", *options)
    assert code != 0
    assert expected in error, "what is fetched for a build would fail first, since nothing is there"


def test_a_bundle_is_not_built_for_a_place_that_is_no_good(envbuild: Any) -> None:
    code, _, error = envbuild("bundle", str(ROOT / "examples/penguins"), "--offline", "-o", "none/x.tar")
    assert code == 1
    assert "`none` is not a folder" in error


@pytest.mark.parametrize("prefix", ["", "oci://"])
def test_a_name_in_a_registry_may_be_written_as_one_of_a_bundle(prefix: str) -> None:
    assert str(parse_destination(f"{prefix}{UNREACHABLE}")) == UNREACHABLE
