"""What came of each rule, and of all: the evidence that goes into a bundle. Pure.

No times and no folders are in it, so that the same data under the same contract give the same bytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from builder.errors import CheckFailedError, EnvbuildError, ExitCode, NotMeasuredError, shortened
from builder.oci.digest import Digest

Status = Literal["passed", "violated", "not-evaluated", "told"]
STATUSES: tuple[Status, ...] = ("violated", "not-evaluated", "passed", "told")
"""The worst first. What is `told` is documentation: no machine can say whether it holds."""
FORMAT = 1
"""Of the report as a document."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A row that a rule does not hold for."""

    row: int
    """Its number in the file, from 1; of several files, counted through. A header is no row."""
    value: str | None
    """Of the rule's columns; masked where a column is confidential, None for what is missing."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {"row": self.row, "value": self.value}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a rule."""

    id: str
    """The rule's own, or `TABLE.COLUMN.KIND`."""
    table: str
    column: str | None
    """Of rules of a table None; of several columns, all of them."""
    kind: str
    """What is looked at: `present`, `type`, `required`, `minimum`, `rowCount`, `sql` …"""
    text: str
    """The rule in words."""
    severity: str
    status: Status
    measured: int | float | str | None = None
    """What is held to the threshold."""
    threshold: dict[str, Any] | None = None
    """As a contract has it: `{"mustBe": 0}`."""
    unit: str = ""
    """Of both: `rows`, `percent`, `values`, `seconds`; empty for what a query gives."""
    violations: int | None = None
    """Rows that are not as they should be, also where the threshold allows some; None where rows are not counted."""
    rows: int | None = None
    """Of the table."""
    samples: tuple[Sample, ...] = ()
    """The first of them, in the order of the file."""
    reason: str = ""
    """Why it was not evaluated, or what else is to be known."""
    line: int | None = None
    """Of the rule in the contract."""
    query: str = ""
    """Of a rule in SQL; the contract has it, and reports do not."""

    @property
    def counts(self) -> bool:
        """Whether it decides the exit code; `warning` and `info` are told alone."""
        return self.severity == "error"

    @property
    def share(self) -> float | None:
        """Of the rows that are not as they should be, in percent."""
        if self.violations is None or not self.rows:
            return None
        return float(f"{100 * self.violations / self.rows:.6g}")

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "id": self.id,
            "table": self.table,
            "column": self.column,
            "kind": self.kind,
            "text": self.text,
            "severity": self.severity,
            "status": self.status,
            "measured": self.measured,
            "threshold": self.threshold,
            "unit": self.unit,
            "violations": self.violations,
            "rows": self.rows,
            "share": self.share,
            "samples": [sample.to_dict() for sample in self.samples],
            "reason": self.reason,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that was read."""

    path: Path
    size: int
    digest: Digest | None = None
    """None where nobody asked for it."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON data, with the file's name alone: its folder is of this machine."""
        return {"name": self.path.name, "size": self.size, "digest": str(self.digest) if self.digest else None}


@dataclass(frozen=True, slots=True)
class CheckedTable:
    """A table that was looked at."""

    name: str
    files: tuple[CheckedFile, ...]
    rows: int
    extra: tuple[str, ...] = ()
    """Columns that the contract does not name."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "name": self.name,
            "files": [file.to_dict() for file in self.files],
            "rows": self.rows,
            "extra-columns": list(self.extra),
        }


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What came of the rules of a contract."""

    contract: str
    """Its id."""
    version: str
    file: Path
    digest: Digest
    """Of the contract's file."""
    tables: tuple[CheckedTable, ...]
    outcomes: tuple[Outcome, ...]
    """In the order of the contract."""

    def of(self, status: Status) -> tuple[Outcome, ...]:
        """The rules that came out so."""
        return tuple(each for each in self.outcomes if each.status == status)

    @property
    def counts(self) -> dict[str, int]:
        """How many rules came out how."""
        found = Counter(each.status for each in self.outcomes)
        return {status: found[status] for status in STATUSES}

    @property
    def exit_code(self) -> ExitCode:
        """3 for a violation, 6 for what could not be evaluated, both of rules that count."""
        statuses = {each.status for each in self.outcomes if each.counts}
        if "violated" in statuses:
            return ExitCode.CHECK_FAILED
        return ExitCode.NOT_MEASURED if "not-evaluated" in statuses else ExitCode.OK

    def check(self) -> None:
        """Raises: CheckFailedError for a violation; NotMeasuredError for what could not be evaluated."""
        code = self.exit_code
        if code != ExitCode.OK:
            raise self.failure(code)

    def failure(self, code: ExitCode) -> EnvbuildError:
        """The error of an exit code, with each rule that is a reason for it."""
        status: Status = "violated" if code == ExitCode.CHECK_FAILED else "not-evaluated"
        reasons = [reason_text(each) for each in self.outcomes if each.counts and each.status == status]
        if code == ExitCode.CHECK_FAILED:
            return CheckFailedError(f"the data break the contract `{self.contract}`", shortened(reasons))
        return NotMeasuredError(f"not every rule of the contract `{self.contract}` was evaluated", shortened(reasons))

    def to_dict(self) -> dict[str, Any]:
        """As JSON data: the evidence."""
        return {
            "format": FORMAT,
            "contract": {"id": self.contract, "version": self.version, "digest": str(self.digest)},
            "tables": [table.to_dict() for table in self.tables],
            "counts": self.counts,
            "exit-code": int(self.exit_code),
            "outcomes": [outcome.to_dict() for outcome in self.outcomes],
        }


def worst(reports: Iterable[CheckReport]) -> ExitCode:
    """The exit code of several: 3 if one is violated, else 6 if one was not evaluated."""
    codes = {report.exit_code for report in reports}
    return next((code for code in (ExitCode.CHECK_FAILED, ExitCode.NOT_MEASURED) if code in codes), ExitCode.OK)


def place_of(outcome: Outcome) -> str:
    """`TABLE` or `TABLE.COLUMN`."""
    return f"{outcome.table}.{outcome.column}" if outcome.column else outcome.table


def reason_text(outcome: Outcome) -> str:
    """Why a rule did not pass, in a line: `orders.amount: not negative: 3 of 100 rows (row 7: -1)`."""
    head = f"{place_of(outcome)}: {outcome.text}"
    if outcome.status == "not-evaluated":
        return f"{head}: not evaluated: {outcome.reason}"
    return f"{head}: {found_text(outcome)}"


def result_text(outcome: Outcome) -> str:
    """What was found, or why nothing was, in a line."""
    return found_text(outcome, sample=False) if outcome.status in ("violated", "passed") else outcome.reason


def _age_text(seconds: object) -> str:
    """A time that is too long to be told in seconds alone: in days, hours or minutes."""
    for name, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if isinstance(seconds, (int, float)) and abs(seconds) >= 2 * length:
            return f" ({seconds / length:.1f} {name})"
    return ""


def found_text(outcome: Outcome, *, sample: bool = True) -> str:
    """What was found, in a line: how many rows, or the value; with `sample`, the first of them too."""
    if outcome.violations is not None and outcome.unit != "values":
        text = f"{outcome.violations} of {outcome.rows} rows"
        text += f" ({outcome.measured} percent)" if outcome.unit == "percent" else ""
    else:
        unit = outcome.unit[:-1] if outcome.measured == 1 and outcome.unit.endswith("s") else outcome.unit
        text = f"{outcome.measured} {unit}".strip()
        text += _age_text(outcome.measured) if outcome.unit == "seconds" else ""
        text += f" in {outcome.violations} rows" if outcome.violations else ""
    if sample and outcome.samples:
        first = outcome.samples[0]
        text += f" (first: row {first.row}" + (f", {first.value!r})" if first.value is not None else ")")
    return text + (f"; {outcome.reason}" if outcome.reason else "")
