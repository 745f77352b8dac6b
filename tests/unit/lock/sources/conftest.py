from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.errors import EnvbuildError
from builder.lock.interface import Sources
from builder.lock.sources import read_inputs, read_sources
from builder.spec.environment import PyPI
from builder.spec.reader import Problem, SpecError


@dataclass(frozen=True)
class Team:
    """A repository with one environment, whose files a test writes."""

    folder: Path

    def write(self, files: Mapping[str, str | bytes]) -> Team:
        for name, content in files.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self

    def sources(self, **keys: Any) -> Sources:
        """What is read, after the same is noticed as inputs."""
        pypi = PyPI(**keys)
        sources = read_sources(pypi, self.folder, "env/environment.yaml")
        assert read_inputs(pypi, self.folder, "env/environment.yaml") == sources.inputs
        return sources

    def problems(self, **keys: Any) -> list[str]:
        """What is wrong, a line each."""
        with pytest.raises(SpecError) as caught:
            read_sources(PyPI(**keys), self.folder, "env/environment.yaml")
        return [_text(problem) for problem in caught.value.problems]

    def error(self, **keys: Any) -> EnvbuildError:
        with pytest.raises(EnvbuildError) as caught:
            read_sources(PyPI(**keys), self.folder, "env/environment.yaml")
        return caught.value


def _text(problem: Problem) -> str:
    return str(problem)


@pytest.fixture
def team(tmp_path: Path) -> Team:
    (tmp_path / ".git").mkdir()
    (tmp_path / "env").mkdir()
    return Team(tmp_path / "env")


@pytest.fixture
def fixture_team() -> Callable[[str], Team]:
    return lambda name: Team(Path(__file__).parent / "fixtures" / name)
