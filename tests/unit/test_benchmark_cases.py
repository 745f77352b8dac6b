"""The cases of the benchmarks give a line for each goal, whatever was measured."""

from __future__ import annotations

import importlib
import os
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cases(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)
    yield importlib.import_module("cases")
    for name in set(sys.modules) - before:
        if str(ROOT / "benchmarks") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@dataclass
class Space:
    """A workspace whose envbuild writes bundles without a layer, and says that each command took a second."""

    folder: Path
    sample: Any
    commands: list[tuple[str, ...]] = field(default_factory=list)
    wheels: tuple[()] = ()

    @property
    def example(self) -> Path:
        return self.folder / "example"

    def write_project(self, _wheels: object, name: str) -> Path:
        return self.folder / name

    def environment(self) -> dict[str, str]:
        return dict(os.environ)

    def edit(self, mark: str) -> None:
        self.commands.append(("edit", mark))

    def envbuild(self, *arguments: str, **_: object) -> Any:
        self.commands.append(arguments)
        if "-o" in arguments:
            tarfile.open(arguments[-1], "w").close()
        return self.sample(1.0, 1.0, 1, "")


@pytest.fixture
def setting(cases: ModuleType, tmp_path: Path) -> Any:
    sample, made = sys.modules["measuring"].Sample, sys.modules["cases_interface"].Setting
    return made(Space(tmp_path, sample), 1, None, None)


def test_weights_have_a_line_for_each_goal_and_leave_nothing(cases: ModuleType, setting: Any, tmp_path: Path) -> None:
    found = {line.what.partition(" (")[0]: line.goal for line in cases.CASES["weights"](setting, size=1 << 20)}
    assert found == {
        "`bundle` with a model of 0.0 GB": "at most 1.3 times",
        "the memory that it takes": "under 200 MB",
        "`inspect` of that bundle": "under 0.5 s",
        "`diff` of two such bundles": "under 0.5 s",
        "`verify` of that bundle": "at most 1.5 times",
        "`verify` of the example's bundle": "at most 1.3 times",
        "one line of code edited: `bundle`": "under 1 s",
    }
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_code_is_edited_before_each_bundle_that_is_measured(cases: ModuleType, setting: Any) -> None:
    *_, edited = cases.CASES["weights"](setting, size=1 << 20)
    names = [command[0] for command in setting.space.commands]
    assert names[-2:] == ["edit", "bundle"]
    assert edited.met is False


def test_every_command_is_asked_for_its_help(cases: ModuleType, setting: Any) -> None:
    *_, slowest = cases.CASES["start-up"](setting)
    asked = {command[0] for command in setting.space.commands if command[1:] == ("--help",)}
    assert asked == set(cases.COMMANDS)
    assert slowest.goal == "under 0.15 s"
    assert slowest.met is False
