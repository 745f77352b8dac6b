"""How well people hide among others in a table: k-anonymity, l-diversity, unique rows.

Rows with the same values of all quasi-identifiers are a group; a missing value is a value here. k is the size of the
smallest group; l, for each sensitive column, the smallest number of different values in a group; a row is unique if it
is its group. (Sweeney 2002; Machanavajjhala et al. 2007, "distinct l-diversity".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from builder.data.contract.thresholds import Threshold
from builder.data.tables import Database, quoted

State = Literal["passed", "violated", "not-evaluated"]


@dataclass(frozen=True, slots=True)
class Measures:
    """What was measured; None where there is nothing to measure."""

    rows: int
    groups: int | None = None
    k: int | None = None
    diversity: Mapping[str, int] | None = None
    """l, by sensitive column."""
    unique: int | None = None

    @property
    def diversity_of_all(self) -> int | None:
        """The smallest l."""
        return min(self.diversity.values()) if self.diversity else None

    def to_dict(self) -> dict[str, Any]:
        """As a record has it; what was not measured is null."""
        return {
            "rows": self.rows, "groups": self.groups, "kAnonymity": self.k, "lDiversity": self.diversity_of_all,
            "lDiversityByColumn": dict(self.diversity) if self.diversity else None, "uniqueRows": self.unique,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judged:
    """A measure held to what is promised of it."""

    measure: str
    threshold: Threshold
    value: int | None
    state: State
    reason: str = ""
    """Why it was not evaluated."""

    def to_dict(self) -> dict[str, Any]:
        """As a record has it."""
        reason = {"reason": self.reason} if self.reason else {}
        return {"measure": self.measure, **self.threshold.to_dict(), "value": self.value, "state": self.state, **reason}

    def __str__(self) -> str:
        value = self.reason or f"it is {self.value}"
        return f"`{self.measure}` {self.threshold}: {value}"


def measured(database: Database, rows: str, quasi: Sequence[str] | None, sensitive: Sequence[str]) -> Measures:
    """The measures of a table; `rows` is SQL for `FROM`, the others names of its columns.

    Without quasi-identifiers all rows are one group; with None there is nothing to measure.
    """
    if quasi is None:
        return Measures(database.row(f"SELECT count(*) FROM {rows}")[0])
    columns = ", ".join(map(quoted, quasi)) or "()"
    counts = "".join(
        f", count(DISTINCT {quoted(each)}) + max(CASE WHEN {quoted(each)} IS NULL THEN 1 ELSE 0 END) AS l{number}"
        for number, each in enumerate(sensitive)
    )
    groups = f"SELECT count(*) AS k{counts} FROM {rows} GROUP BY {columns}"
    least = "".join(f", min(l{number})" for number in range(len(sensitive)))
    total, number, k, unique, *diversity = database.row(
        f"SELECT coalesce(sum(k), 0), count(*), min(k), count(*) FILTER (k = 1){least} FROM ({groups})"
    )
    if not total:
        return Measures(0)
    found = {name: int(value) for name, value in zip(sensitive, diversity, strict=True)}
    return Measures(int(total), int(number), int(k), found or None, int(unique))


def judged(measures: Measures, thresholds: Mapping[str, Threshold]) -> tuple[Judged, ...]:
    """What is promised, and whether it holds."""
    values = {"kAnonymity": measures.k, "lDiversity": measures.diversity_of_all, "uniqueRows": measures.unique}
    return tuple(_judge(name, threshold, values[name], measures) for name, threshold in thresholds.items())


def _judge(name: str, threshold: Threshold, value: int | None, measures: Measures) -> Judged:
    if value is None:
        reason = (
            "no column has `privacyRole: quasi-identifier`"
            if measures.k is None
            else "no column that is left is sensitive"
        )
        reason = reason if measures.rows else "there are no rows"
        return Judged(name, threshold, None, "not-evaluated", f"not measured: {reason}")
    try:
        return Judged(name, threshold, value, "passed" if threshold.holds(value) else "violated")
    except TypeError:
        return Judged(name, threshold, value, "not-evaluated", "not measured: it cannot be compared with that")
