"""Optuna as the driver of a sweep: it proposes parameters by what came of those before.

Nothing is stored by it: the same seed and the same results give the same proposals, so that a study goes on where its
recorded runs end.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from builder.errors import EnvbuildError
from builder.pipeline.sweep.axes import SEED, Axis
from builder.pipeline.sweep.table import Objective


class Study:
    """Proposals, one at a time, and what came of them."""

    def __init__(self, axes: Sequence[Axis], objective: Objective, seed: int) -> None:
        """Raises: EnvbuildError, if Optuna is not installed."""
        try:
            import optuna
        except ImportError as error:
            raise EnvbuildError(
                "`--driver optuna` needs Optuna", str(error), "Install it: `pip install 'envbuild[optuna]'`"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._axes = [axis for axis in axes if axis.name != SEED]
        self._failed = optuna.trial.TrialState.FAIL
        sampler = optuna.samplers.TPESampler(seed=seed)
        self._study = optuna.create_study(direction=objective.goal, sampler=sampler)

    def propose(self) -> tuple[Any, tuple[tuple[str, str], ...]]:
        """A trial to tell of later, and its parameters as `--param` takes them."""
        trial = self._study.ask()
        return trial, tuple((axis.name, _suggested(trial, axis)) for axis in self._axes)

    def tell(self, trial: Any, value: float | None) -> None:
        """What came of a trial; None where nothing did."""
        if value is None:
            self._study.tell(trial, state=self._failed)
        else:
            self._study.tell(trial, value)


def _suggested(trial: Any, axis: Axis) -> str:
    span = axis.span
    if span is None:
        return str(trial.suggest_categorical(axis.name, list(axis.values)))
    log = span.scale == "log"
    if span.whole:
        return str(trial.suggest_int(axis.name, int(span.low), int(span.high), log=log))
    return repr(float(trial.suggest_float(axis.name, span.low, span.high, log=log)))
