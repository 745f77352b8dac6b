"""What came of a sweep: each metric's mean and spread over the seeds of the same parameters, and the best. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeGuard

from builder.pipeline.sweep.points import Point

Goal = Literal["maximize", "minimize"]
Outcome = Literal["ok", "failed", "killed", "missing"]


@dataclass(frozen=True, slots=True)
class Done:
    """A point, and what became of it."""

    point: Point
    outcome: Outcome = "missing"
    run: str | None = None
    """The run's id; None where there is none."""
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    reused: bool = False
    """Whether it was there before."""

    def to_dict(self) -> dict[str, Any]:
        """For the sweep's document and `--json`."""
        return {
            **self.point.to_dict(),
            "outcome": self.outcome,
            "run": self.run,
            "reused": self.reused,
            "metrics": dict(self.metrics),
        }


@dataclass(frozen=True, slots=True)
class Objective:
    """What a sweep is to find."""

    metric: str
    goal: Goal = "maximize"

    def better(self, one: float, other: float) -> bool:
        """Whether one value is better than another."""
        return one > other if self.goal == "maximize" else one < other


@dataclass(frozen=True, slots=True)
class Spread:
    """A metric over the seeds of the same parameters."""

    n: int
    """How many finite values there are."""
    mean: float | None
    deviation: float | None
    """The standard deviation of the sample; None of fewer than two values."""
    odd: int = 0
    """Values that are no finite numbers."""
    absent: int = 0
    """Runs that did not write it, or did not end well."""

    @classmethod
    def of(cls, values: Sequence[float | str | None]) -> Spread:
        """Of what each run has, None where it has none."""
        finite = [float(value) for value in values if is_finite(value)]
        absent = sum(value is None for value in values)
        deviation = statistics.stdev(finite) if len(finite) > 1 else None
        mean = statistics.fmean(finite) if finite else None
        return cls(len(finite), mean, deviation, len(values) - len(finite) - absent, absent)

    @property
    def whole(self) -> bool:
        """Whether every run has a finite value: only then can it be the best."""
        return self.n > 0 and not self.odd and not self.absent

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "n": self.n, "mean": self.mean, "deviation": self.deviation, "odd": self.odd, "absent": self.absent,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Group:
    """The runs with the same parameters."""

    values: tuple[tuple[str, str], ...]
    points: tuple[Done, ...]
    metrics: Mapping[str, Spread]

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        metrics = {name: spread.to_dict() for name, spread in self.metrics.items()}
        return {"params": dict(self.values), "metrics": metrics, "runs": [one.run for one in self.points]}


def groups(done: Sequence[Done]) -> tuple[Group, ...]:
    """The runs by their parameters, in the order of the points."""
    names = sorted({name for one in done for name in one.metrics})
    found: dict[tuple[tuple[str, str], ...], list[Done]] = {}
    for one in done:
        found.setdefault(one.point.values, []).append(one)
    return tuple(
        Group(values, tuple(ones), {name: Spread.of([_value(one, name) for one in ones]) for name in names})
        for values, ones in found.items()
    )


def best(found: Sequence[Group], objective: Objective) -> Group | None:
    """The group whose mean is best; of equal ones the first. None where no group has the metric of all its runs."""
    chosen: tuple[float, Group] | None = None
    for group in found:
        spread = group.metrics.get(objective.metric)
        if spread is None or not spread.whole or spread.mean is None:
            continue
        if chosen is None or objective.better(spread.mean, chosen[0]):
            chosen = spread.mean, group
    return chosen[1] if chosen else None


def best_run(group: Group, objective: Objective) -> str | None:
    """The run of a group whose own value is best."""
    chosen: tuple[float, str | None] | None = None
    for one in group.points:
        value = _value(one, objective.metric)
        if is_finite(value) and (chosen is None or objective.better(float(value), chosen[0])):
            chosen = float(value), one.run
    return chosen[1] if chosen else None


def is_finite(value: Any) -> TypeGuard[float]:
    """Whether a metric is a finite number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _value(one: Done, name: str) -> float | str | None:
    return one.metrics.get(name) if one.outcome == "ok" else None


def odd_ones(found: Sequence[Group], objective: Objective) -> list[str]:
    """What keeps groups from being the best, a line each."""
    lines = []
    for group in found:
        spread = group.metrics.get(objective.metric, Spread(0, None, None, 0, len(group.points)))
        label = " ".join(f"{name}={value}" for name, value in group.values) or "the command's own parameters"
        if spread.odd:
            lines.append(f"{label}: `{objective.metric}` is no finite number in {spread.odd} of {len(group.points)}")
        if spread.absent:
            lines.append(f"{label}: {spread.absent} of {len(group.points)} runs have no `{objective.metric}`")
    return lines
