"""Looking for data about people in a file of rows, column by column: what, how much, in which rows. Never a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builder.data.contract.document import SchemaObject
from builder.data.privacy.evidence import ColumnFinding, Evidence
from builder.data.privacy.kinds import KINDS
from builder.data.tables import Database, TableFile, format_of, quoted
from builder.errors import EnvbuildError
from builder.records.scan.finding import LEVELS, STOPS
from builder.records.scan.personal_rules import looks_personal

_LONGEST = 100_000
"""Characters of one value that are looked at."""
_BATCH = 2_048
_TOGETHER = 3
"""So many attributes of people in one table tell them apart, even without a name: age, gender and postal code do."""
_SPREAD = 2_654_435_761
"""Times the number of a row, modulo 2³², it spreads rows evenly (Knuth's multiplicative hash)."""


@dataclass(frozen=True, slots=True)
class TableFinding:
    """What a column seems to hold, and whether that is known."""

    found: ColumnFinding
    declared: str | None
    """The contract's `classification`; None where it has none."""

    @property
    def stops(self) -> bool:
        """Whether it is serious, and nobody has declared it."""
        return self.found.level in STOPS and self.declared is None

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        found = self.found
        return {
            "column": found.column, "kind": found.kind, "classification": found.classification, "level": found.level,
            "reason": found.reason, "values": found.values, "share": found.share, "rows": list(found.rows),
            "declared": self.declared,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableVerdict:
    """What came of one file."""

    path: str
    findings: tuple[TableFinding, ...] = ()
    """The most serious first, then in the order of columns."""
    columns: int = 0
    rows: int = 0
    """That were looked at."""
    total: int = 0
    not_measured: tuple[str, ...] = ()
    """What could not be looked at, and why."""

    @property
    def stopping(self) -> tuple[TableFinding, ...]:
        """Findings that are serious, and that nobody has declared."""
        return tuple(each for each in self.findings if each.stops)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "path": self.path, "columns": self.columns, "rows": self.rows, "rowsInAll": self.total,
            "findings": [each.to_dict() for each in self.findings], "notMeasured": list(self.not_measured),
        }  # fmt: skip


def scan_table(path: Path, table: SchemaObject | None = None, most_rows: int | None = None) -> TableVerdict:
    """What a file holds about people. With `most_rows`, about so many rows are looked at, spread over the file.

    What cannot be read is told in the verdict. Raises: EnvbuildError, if the file's name says no format.
    """
    file = TableFile((path,), format_of(path))
    try:
        with Database.opened({"table": file}) as database:
            return _scanned(database, str(path), table, most_rows)
    except EnvbuildError as error:
        return TableVerdict(str(path), not_measured=(". ".join((error.what, *error.why)),))


def _scanned(database: Database, path: str, table: SchemaObject | None, most_rows: int | None) -> TableVerdict:
    columns = database.tables["table"].columns
    unread = [each.name for each in columns if each.stored == "BLOB"]
    evidence = [Evidence(each.name) for each in columns if each.stored != "BLOB"]
    total = int(database.row('SELECT count(*) FROM raw."table"')[0])
    texts = "".join(f", left(CAST({quoted(each.name)} AS VARCHAR), {_LONGEST})" for each in evidence)
    rows = _gather(
        database, f"SELECT _row{texts} FROM {database.numbered('table', raw=True)}{_chosen(most_rows, total)}", evidence
    )
    declared = {each.column: each.classification for each in table.properties} if table else {}
    found = [finding for each in evidence for finding in each.findings()]
    findings = [TableFinding(_shown(each, columns), declared.get(each.column)) for each in _weighed(found)]
    findings.sort(key=lambda each: LEVELS.index(each.found.level))
    reasons = [f"column `{name}`: it has bytes, not text" for name in unread if declared.get(name) is None]
    return TableVerdict(path, tuple(findings), len(columns), rows, total, tuple(reasons))


def _chosen(most_rows: int | None, total: int) -> str:
    """Which rows are looked at: all, or always the same ones."""
    if most_rows is None or total <= most_rows:
        return ""
    return f" WHERE (_row * {_SPREAD}) % {1 << 32} < {most_rows * (1 << 32) // total}"


def _gather(database: Database, query: str, evidence: Sequence[Evidence]) -> int:
    """Show the rows of a query to what gathers evidence; how many there are."""
    batch: list[tuple[Any, ...]] = []
    rows = 0
    for row in database.each(query):
        batch.append(row)
        if len(batch) == _BATCH:
            rows += _show(batch, evidence)
            batch = []
    return rows + _show(batch, evidence)


def _show(batch: Sequence[tuple[Any, ...]], evidence: Sequence[Evidence]) -> int:
    if batch:
        numbers, *columns = zip(*batch, strict=True)
        for each, values in zip(evidence, columns, strict=True):
            each.add(values, numbers)
    return len(batch)


def _weighed(found: Sequence[ColumnFinding]) -> list[ColumnFinding]:
    """Attributes are of people where people are: where somebody is named, or so many together tell them apart."""
    attributes = {each.kind for each in found if KINDS[each.kind].attribute}
    named = any(not KINDS[each.kind].attribute and each.level in STOPS for each in found)
    if named or len(attributes) >= _TOGETHER:
        return list(found)
    return [replace(each, level="low") if KINDS[each.kind].attribute else each for each in found]


def _shown(found: ColumnFinding, columns: Sequence[Any]) -> ColumnFinding:
    """A finding whose column is named by its number, if its name is data itself."""
    if not looks_personal(found.column):
        return found
    number = [each.name for each in columns].index(found.column) + 1
    return replace(found, column=f"{number}")
