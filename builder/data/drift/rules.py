"""Which measures of which columns are held to what: defaults, what a contract says, and what is asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builder.data.contract.document import SchemaObject
from builder.data.contract.thresholds import OPERATORS, Threshold
from builder.data.drift.outcome import METRICS
from builder.errors import EnvbuildError

DEFAULTS: Mapping[str, Threshold] = {
    "psi": Threshold("mustBeLessThan", 0.1),
    "ks": Threshold("mustBeLessThan", 0.05),
    "distance": Threshold("mustBeLessThan", 0.1),
    "missing": Threshold("mustBeLessThan", 0.05),
    "outOfRange": Threshold("mustBeLessOrEqualTo", 0.01),
    "newCategories": Threshold("mustBe", 0),
    "unreadable": Threshold("mustBe", 0),
    "schema": Threshold("mustBe", 0),
}
_OF_TABLES = ("rowCount", "schema")
_OF_VALUES = ("psi", "ks", "distance", "outOfRange", "newCategories")
"""Not held to anything by default where no value comes twice, as of a key: new rows have new ones."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Thresholds by column and metric; the column is empty for those of the table and of all columns."""

    given: Mapping[tuple[str, str], Threshold | None] = field(default_factory=dict)
    """None where a measure is to be told only."""
    asked: frozenset[str] = frozenset()
    """The columns that options name."""

    def threshold(self, column: str, metric: str) -> Threshold | None:
        """What a measure is held to."""
        for place in ((column, metric), ("", metric)):
            if place in self.given:
                return self.given[place]
        return DEFAULTS.get(metric)

    def explicit(self, column: str) -> list[str]:
        """The metrics that were asked for of this very column."""
        return sorted(metric for (name, metric), threshold in self.given.items() if name == column and threshold)

    def columns(self) -> set[str]:
        """The columns that something is asked for of."""
        return {name for (name, _), threshold in self.given.items() if name and threshold}


def rules_of(table: SchemaObject | None, options: Sequence[str] = ()) -> Rules:
    """What the `drift` of a contract's table and columns says; options `[COLUMN.]METRIC.OPERATOR=VALUE` go first.

    Raises: EnvbuildError, with all that is wrong.
    """
    given: dict[tuple[str, str], Threshold | None] = {}
    problems: list[str] = []
    if table:
        keys = [each.column for each in table.properties if each.unique or each.primary_key]
        given = {(column, metric): None for column in keys for metric in _OF_VALUES}
        places = [("", table.custom("drift")), *((each.column, each.custom("drift")) for each in table.properties)]
        for column, document in places:
            _read(column, document, given, problems)
    of_options: dict[tuple[str, str], Threshold | None] = {}
    for option in options:
        _read_option(option, of_options, problems)
    if problems:
        raise EnvbuildError("limits of drift cannot be understood", problems)
    return Rules({**given, **of_options}, frozenset(column for column, _ in of_options if column))


def _read(column: str, document: Any, given: dict[tuple[str, str], Threshold | None], problems: list[str]) -> None:
    if document is None:
        return
    place = f"`drift` of the column `{column}`" if column else "`drift` of the table"
    if not isinstance(document, dict):
        problems.append(f"{place}: it is no mapping of metrics to limits")
        return
    for metric, limit in document.items():
        try:
            given[column, metric] = _threshold(column, metric, limit)
        except ValueError as error:
            problems.append(f"{place}: {error}")


def _threshold(column: str, metric: str, limit: Any) -> Threshold | None:
    if metric not in METRICS:
        raise ValueError(f"`{metric}` is not known; known are {', '.join(METRICS)}")
    if column and metric in _OF_TABLES:
        raise ValueError(f"`{metric}` is of tables")
    if limit is False:
        return None
    unknown = sorted(limit.keys() - set(OPERATORS)) if isinstance(limit, dict) else ["it is no mapping, nor `false`"]
    if unknown:
        raise ValueError(f"`{metric}`: `{unknown[0]}` is none of {', '.join(OPERATORS)}")
    try:
        threshold = Threshold.from_dict(limit)
    except ValueError as error:
        raise ValueError(f"`{metric}`: {error}") from error
    if isinstance(threshold.limit, (str, bool)):
        raise ValueError(f"`{metric}`: {threshold.operator} needs a number")
    return threshold


def _read_option(option: str, given: dict[tuple[str, str], Threshold | None], problems: list[str]) -> None:
    """`[COLUMN.]METRIC.OPERATOR=VALUE` or `[COLUMN.]METRIC=off`; a column's name may have dots."""
    name, _, value = option.rpartition("=")
    parts = name.split(".")
    operator = parts.pop() if value != "off" else ""
    metric, column = (parts[-1] if parts else ""), ".".join(parts[:-1])
    try:
        limit: Any = False if value == "off" else {operator: _numbers(value)}
        given[column, metric] = _threshold(column, metric, limit)
    except ValueError as error:
        problems.append(f"`{option}`: {error}; it is like `age.psi.mustBeLessThan=0.2` or `ks=off`")


def _numbers(text: str) -> float | list[float]:
    try:
        numbers = [float(each) for each in text.split(",")]
    except ValueError:
        raise ValueError(f"`{text}` is no number") from None
    return numbers if len(numbers) > 1 else numbers[0]
