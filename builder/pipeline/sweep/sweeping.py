"""Doing a sweep: points that are recorded already are taken as they are, the others are run and looked up."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from builder.pipeline.sweep.axes import parse_axes
from builder.pipeline.sweep.document import Plan, all_points
from builder.pipeline.sweep.points import Point, seeded
from builder.pipeline.sweep.study import Study
from builder.pipeline.sweep.table import Done, is_finite


class Runner(Protocol):
    """What makes runs of points."""

    def known(self, point: Point) -> Done | None:
        """The recorded run of a point, if there is one that need not be made again."""

    def run(self, points: Sequence[tuple[int, Point]], done: Callable[[int, Done], bool]) -> None:
        """Run numbered points; `done` is told of each, and says whether to go on.

        Raises: SweepInterruptedError.
        """


@dataclass(slots=True)
class Sweeping:
    """A sweep that is under way."""

    plan: Plan
    runner: Runner
    at_once: int = 1
    stop_on_failure: bool = False
    changed: Callable[[Sequence[Done]], None] = lambda _: None
    """Is told of all points whenever one of them is done."""
    done: list[Done] = field(default_factory=list)
    stopped: bool = False

    def go(self) -> list[Done]:
        """Do all of it. Raises: SweepInterruptedError, EnvbuildError; what was done is in `done`."""
        if self.plan.driver:
            self._study()
        else:
            self._all(all_points(self.plan))
        return self.done

    def _all(self, points: Sequence[Point]) -> list[Done]:
        """Have these points done; what came of them."""
        first = len(self.done)
        self.done += [self.runner.known(point) or Done(point) for point in points]
        self.changed(self.done)
        missing = [
            (number, one.point) for number, one in enumerate(self.done) if number >= first and one.outcome != "ok"
        ]
        if missing and not self.stopped:
            self.runner.run(missing, self._take)
        return self.done[first:]

    def _take(self, number: int, done: Done) -> bool:
        self.done[number] = done
        self.changed(self.done)
        self.stopped = self.stopped or (self.stop_on_failure and done.outcome != "ok")
        return not self.stopped

    def _study(self) -> None:
        plan, objective = self.plan, self.plan.objective
        if objective is None or plan.trials is None:
            return
        axes = parse_axes(plan.axes, drawn=True)
        study = Study(axes, objective, plan.seed)
        left = plan.trials
        while left > 0 and not self.stopped:
            trials = [study.propose() for _ in range(min(left, self.at_once))]
            points = [seeded(values, axes) for _, values in trials]
            done = self._all([point for ones in points for point in ones])
            for (trial, _), ones in zip(trials, points, strict=True):
                study.tell(trial, _mean(done[: len(ones)], objective.metric))
                done = done[len(ones) :]
            left -= len(trials)


def _mean(done: Sequence[Done], metric: str) -> float | None:
    """Over the seeds; None where one of them has none."""
    values = [one.metrics.get(metric) for one in done if one.outcome == "ok"]
    finite = [float(value) for value in values if is_finite(value)]
    return statistics.fmean(finite) if len(finite) == len(done) and finite else None
