"""What came of a comparison: each measure with its limit, and whether it holds. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from builder.data.contract.thresholds import Threshold

State = Literal["passed", "violated", "not-evaluated", "told"]
METRICS: Mapping[str, str] = {
    "psi": "population stability index",
    "ks": "Kolmogorov-Smirnov statistic",
    "distance": "total variation distance of categories",
    "missing": "difference of the shares of missing values",
    "outOfRange": "share of values beyond those of the reference",
    "newCategories": "categories of enough rows that the reference does not list",
    "unreadable": "share of values that are not of the reference's type",
    "rowCount": "rows, as a multiple of the reference's",
    "schema": "columns that are gone, or of another type",
}


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of one column, or of the table."""

    column: str
    """Empty for the table."""
    metric: str
    value: float | None
    """None if it could not be had."""
    threshold: Threshold | None
    state: State
    """`told` if there is no threshold."""
    reason: str = ""
    """Why it is not evaluated, or what else is known."""

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {
            "column": self.column or None,
            "metric": self.metric,
            "value": self.value,
            "threshold": self.threshold.to_dict() if self.threshold else None,
            "state": self.state,
            "reason": self.reason or None,
        }


@dataclass(frozen=True, slots=True)
class Drift:
    """A whole comparison."""

    table: str
    reference: str
    """The digest of the data of the reference."""
    new: str
    reference_rows: int
    new_rows: int
    measures: tuple[Measure, ...]
    """In the order of the reference's columns; those of the table come first."""

    def count(self, state: State) -> int:
        """How many measures are in a state."""
        return sum(each.state == state for each in self.measures)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {
            "table": self.table,
            "reference": {"digest": self.reference, "rows": self.reference_rows},
            "new": {"digest": self.new, "rows": self.new_rows},
            "violated": self.count("violated"),
            "not-evaluated": self.count("not-evaluated"),
            "measures": [each.to_dict() for each in self.measures],
        }


def judged(
    column: str,
    metric: str,
    value: float,
    threshold: Threshold | None,
    *,
    chance: float = 0.0,
    most: float | None = None,
) -> Measure:
    """A measure held to its threshold. `chance` is what it may come to by chance alone, `most` what it may be.

    A violation that chance explains is none, and no pass either; nor is a pass which bins do not show for sure.
    """
    told = _rounded(value)
    if threshold is None:
        return Measure(column, metric, told, None, "told", _between(value, most))
    if threshold.holds(value) and (most is None or threshold.holds(most)):
        return Measure(column, metric, told, threshold, "passed", _between(value, most))
    if threshold.holds(value):
        return Measure(column, metric, told, threshold, "not-evaluated", _between(value, most))
    if value <= chance:
        reason = f"so few rows give up to {chance:.3g} by chance alone"
        return Measure(column, metric, told, threshold, "not-evaluated", reason)
    return Measure(column, metric, told, threshold, "violated", _between(value, most))


def _between(value: float, most: float | None) -> str:
    return "" if most is None or most - value < 5e-4 else f"bins tell no more than that it is {value:.3g} to {most:.3g}"


def _rounded(value: float) -> float:
    return float(f"{value:.9g}") + 0.0
