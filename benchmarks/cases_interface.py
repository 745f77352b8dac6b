"""What a case is given and gives: the setting, and lines of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from measuring import Sample, median
from workspace import Workspace

_MOST_SLOW_RUNS = 3


@dataclass(frozen=True, slots=True)
class Point:
    """A point or bar of a plot."""

    plot: str
    series: str
    """Who was measured."""
    at: str | int
    """The case or the size."""
    value: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table."""

    what: str
    value: str
    goal: str = ""
    met: bool | None = None
    """None where there is no goal, or nothing was measured."""
    seconds: Sequence[float] = ()
    """Of each run, where it is time."""
    point: Point | None = None
    """What a plot shows of it."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What the cases are given."""

    space: Workspace
    runs: int
    docker_host: str | None
    large_wheel: Path | None
    data_share: float = 1.0
    """Of the rows of made tables."""

    @property
    def slow_runs(self) -> int:
        """How often to repeat what takes many seconds."""
        return min(self.runs, _MOST_SLOW_RUNS)


def timed(what: str, samples: Sequence[Sample], goal: float) -> Line:
    return Line(what, seconds(samples), f"under {goal:g} s", median(samples) < goal, each(samples))


def seconds(samples: Sequence[Sample]) -> str:
    return f"{median(samples):.2f} s"


def each(samples: Sequence[Sample]) -> list[float]:
    return [sample.seconds for sample in samples]


def compared(what: str, measured: float, with_envbuild: float, goal: float | None, note: str = "") -> Line:
    """A line of seconds that something else took, and how many times as long as envbuild that is."""
    ratio = measured / with_envbuild
    value = f"{measured:.2f} s: {ratio:.1f} times as long{note}"
    return Line(what, value, f"{goal:g} times" if goal else "", ratio >= goal if goal else None, [measured])
