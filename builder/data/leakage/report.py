"""What was looked for, what was found, and what could not be looked at. Pure: numbers of rows, never values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from builder.data.contract.thresholds import Threshold
from builder.errors import CheckFailedError, EnvbuildError, NotMeasuredError, shortened
from builder.spec.reader import nearest

FORMAT = 1
"""Of the report as a document."""
_NONE = Threshold("mustBeLessOrEqualTo", 0)
DEFAULTS: Mapping[str, Threshold] = {
    "equalRows": _NONE,
    "equalFeatures": _NONE,
    "nearRows": _NONE,
    "sharedIds": _NONE,
    "sharedGroups": _NONE,
    "trainDuplicates": Threshold("mustBeLessOrEqualTo", 1),
    "singleFeature": Threshold("mustBeLessThan", 0.95),
    "singleFeatureAuc": Threshold("mustBeLessThan", 0.99),
    "targetFunction": Threshold("mustBeLessThan", 0.99),
    "timeBackwards": _NONE,
    "constantColumns": _NONE,
    "columns": _NONE,
}
"""Each rule and what its measure is held to."""
MEANINGS: Mapping[str, str] = {
    "equalRows": "rows of the test set that are in training too",
    "equalFeatures": "rows of the test set whose features are in training, with another target",
    "nearRows": "rows of the test set whose features are nearly those of a row in training",
    "sharedIds": "rows of the test set whose id is in training",
    "sharedGroups": "rows of the test set whose group is in training",
    "trainDuplicates": "percent of the rows of training that are there before",
    "singleFeature": "how much of the baseline's error this feature alone removes (numbers: R²)",
    "singleFeatureAuc": "area under the ROC curve of this feature alone",
    "targetFunction": "share of rows, but for the most frequent target, whose value always has the same target",
    "timeBackwards": "percent of the rows of the test set that are earlier than the latest of training",
    "constantColumns": "columns with one value in all rows of training",
    "columns": "columns that only one of both has",
}
Status = Literal["found", "not-measured", "clear"]
STATUSES: tuple[Status, ...] = ("found", "not-measured", "clear")
"""The worst first."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a rule."""

    rule: str
    column: str | None
    """None where it is about rows."""
    measured: float | None
    threshold: Threshold
    count: int | None = None
    """Rows, or columns, that it is about."""
    samples: tuple[tuple[int | None, int | None], ...] = ()
    """The first of them: numbers of rows in the test set and in training, from 1."""
    reason: str = ""
    """Why it was not measured, or what else is to be known."""

    @property
    def status(self) -> Status:
        """What is not as it must be is found."""
        if self.measured is None:
            return "not-measured"
        return "clear" if self.threshold.holds(self.measured) else "found"

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "rule": self.rule,
            "column": self.column,
            "status": self.status,
            "measured": self.measured,
            "threshold": self.threshold.to_dict(),
            "count": self.count,
            "samples": [{"test-row": test, "train-row": train} for test, train in self.samples],
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """What came of all rules."""

    train: str
    """The file's name."""
    test: str
    target: str | None
    rows: tuple[int, int]
    """Of training and of the test set."""
    ids: tuple[str, ...]
    """Columns that were taken as ids."""
    outcomes: tuple[Outcome, ...]

    def of(self, status: Status) -> list[Outcome]:
        """The rules that came out so."""
        return [each for each in self.outcomes if each.status == status]

    def check(self) -> None:
        """Raises: CheckFailedError for a finding; NotMeasuredError for what could not be measured."""
        failure = self.failure()
        if failure:
            raise failure

    def failure(self) -> EnvbuildError | None:
        """The error of what was found, else of what was not measured; None if neither is."""
        found, open_ = self.of("found"), self.of("not-measured")
        if found:
            hint = "Part the data again, by row, id, group or time; drop features that know the target"
            return CheckFailedError(f"`{self.test}` gives away what it is to test", shortened(_lines(found)), hint)
        return NotMeasuredError("not everything could be measured", shortened(_lines(open_))) if open_ else None

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "format": FORMAT,
            "train": {"name": self.train, "rows": self.rows[0]},
            "test": {"name": self.test, "rows": self.rows[1]},
            "target": self.target,
            "ids": list(self.ids),
            "counts": {status: len(self.of(status)) for status in STATUSES},
            "outcomes": [each.to_dict() for each in self.outcomes],
        }


def thresholds(given: Mapping[str, float]) -> dict[str, Threshold]:
    """What each rule is held to, with other limits for some. Raises: EnvbuildError, if one is of no rule."""
    result = dict(DEFAULTS)
    for name, limit in given.items():
        if name not in result:
            raise EnvbuildError(f"there is no rule `{name}`", hint=nearest(name, DEFAULTS))
        result[name] = Threshold(result[name].operator, limit)
    return result


def line(outcome: Outcome) -> str:
    """An outcome for people: `sharedIds (id): 3, mustBeLessOrEqualTo 0: rows … (test row 4 is train row 9)`."""
    head = f"{outcome.rule}{f' (`{outcome.column}`)' if outcome.column else ''}"
    if outcome.measured is None:
        return f"{head}: not measured: {outcome.reason}"
    text = f"{head}: {outcome.measured:.6g}, {outcome.threshold}: {MEANINGS[outcome.rule]}"
    first = next(iter(outcome.samples), None)
    return text + (f" (first: {_pair(*first)})" if first else "") + (f"; {outcome.reason}" if outcome.reason else "")


def markdown(report: LeakageReport) -> str:
    """The report as a section of Markdown; names of columns cannot become markup."""
    rows = [
        f"| {each.status} | {each.rule} | {_cell(each.column or '')} | {_number(each.measured)} | {each.threshold} "
        f"| {', '.join(_pair(*sample) for sample in each.samples[:3])} | {_cell(each.reason)} |"
        for status in STATUSES
        for each in report.of(status)
    ]
    title = f"# Leakage from {_cell(report.train)} into {_cell(report.test)}"
    sizes = f"{report.rows[0]} rows of training, {report.rows[1]} of the test set."
    head = ["| Status | Rule | Column | Measured | Threshold | First rows | Note |", "|---|---|---|---:|---|---|---|"]
    return "\n".join([title, "", sizes, "", *head, *rows, ""])


def _lines(outcomes: Sequence[Outcome]) -> list[str]:
    return [line(each) for each in outcomes]


def _pair(test: int | None, train: int | None) -> str:
    if test is None:
        return f"train row {train}"
    return f"test row {test}" + (f" is train row {train}" if train is not None else "")


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _cell(text: str) -> str:
    """A text in which nothing is markup."""
    return "".join(f"&#{ord(letter)};" if letter in "<>&|`*_[]\\#!\n\r" else letter for letter in text)
