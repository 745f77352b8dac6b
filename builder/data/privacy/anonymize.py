"""Anonymising a file as its contract declares it: one query, measured before and after, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.data.contract.read import LoadedContract, read_contract
from builder.data.privacy.expressions import INNER, OUTER, ROW, expression
from builder.data.privacy.measures import Judged, Measures, judged, measured
from builder.data.privacy.methods import Bucket, Drop, Mask, Noise
from builder.data.privacy.plan import ColumnPlan, TablePlan, parameters, plan_table, undeclared
from builder.data.privacy.secret import Key
from builder.data.promised import promised_file, table_of_file
from builder.data.tables import Database, QueryError, format_of, quoted
from builder.data.tables.digests import file_digest
from builder.data.tables.sql import counted
from builder.data.tables.write import write_table
from builder.errors import CheckFailedError, EnvbuildError, NotMeasuredError
from builder.oci.layout import write_atomically

RECORD_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Request:
    """Which file is anonymised, by which contract, and where that goes."""

    file: Path
    contract: Path
    target: Path
    table: str | None = None
    """The name of its table; by default that of the file's name, or the only one."""
    record: Path | None = None
    """Where the record goes."""


@dataclass(frozen=True, slots=True)
class Anonymized:
    """What came of it."""

    before: Measures
    after: Measures
    rules: tuple[Judged, ...]
    suppressed: int
    """Rows that were left out."""


@dataclass(frozen=True, slots=True)
class Anonymization:
    """What is done with one table of an open database."""

    database: Database
    plan: TablePlan
    key: Key | None

    def check(self) -> None:
        """Raises: EnvbuildError, if it cannot be done as it is declared."""
        columns = self.database.tables[self.plan.table].columns
        unknown = undeclared(self.plan, [each.name for each in columns])
        if unknown:
            raise EnvbuildError(
                "the file has columns that the contract does not",
                [f"`{name}`" for name in unknown],
                "Declare them; with `anonymize: {method: drop}` they are left out",
            )
        present = {each.name for each in columns}
        missing = [each.column for each in self.plan.columns if each.column not in present]
        if missing:
            raise EnvbuildError("the file lacks columns of the contract", [f"`{name}`" for name in missing])
        if self.plan.needs_key and self.key is None:
            named = ", ".join(f"`{each.column}`" for each in self.plan.columns if each.keyed)
            raise EnvbuildError("a key is needed", f"for {named}", "Give it with `--key-file` or `--key-fd`")
        if not self._written:
            raise EnvbuildError("nothing would be left", "every column is dropped")
        self._check_patterns()
        self._check_values()

    def run(self, target: Path) -> Anonymized:
        """Write the anonymised rows to `target`, if they are what the contract promises of them.

        Raises: CheckFailedError, NotMeasuredError; EnvbuildError, as `check` does.
        """
        self.check()
        if self.key:
            for name, pad in zip((INNER, OUTER), self.key.pads(), strict=True):
                self.database.remember(name, pad)
        rows = self._rows()
        suppressed, kept = self._suppressed(rows)
        before = self._measured(self._read_rows(), self.plan.columns)
        after = self._measured(f"({kept})", self._written)
        rules = judged(after, self.plan.privacy.thresholds)
        _hold(rules)
        columns = ", ".join(quoted(each.column) for each in self._written)
        write_table(self.database, f"SELECT {columns} FROM ({kept})", target, private=True)
        return Anonymized(before, after, rules, suppressed)

    @property
    def _written(self) -> list[ColumnPlan]:
        """The columns that are left, in the file's order."""
        plans = {each.column: each for each in self.plan.columns}
        named = [plans[each.name] for each in self.database.tables[self.plan.table].columns if each.name in plans]
        return [each for each in named if not isinstance(each.method, Drop)]

    @property
    def _numbered(self) -> str:
        raw = f"raw.{quoted(self.plan.table)}"
        needed = self.plan.privacy.suppress_below or any(isinstance(each.method, Noise) for each in self._written)
        return f"(SELECT row_number() OVER () AS {ROW}, * FROM {raw})" if needed else raw

    def _rows(self) -> str:
        """SQL for the rows as they become; what is kept is as the file has it."""
        selected = [f"{self._expression(each)} AS {quoted(each.column)}" for each in self._written]
        if self.plan.privacy.suppress_below:
            selected.insert(0, ROW)
        return f"SELECT {', '.join(selected)} FROM {self._numbered}"

    def _expression(self, plan: ColumnPlan) -> str:
        if plan.kept:
            return quoted(plan.column)
        subject = self._value(plan.subject) if plan.subject else ""
        most = plan.method.top if isinstance(plan.method, Bucket) else None
        top = self._top(plan.column, most) if most else ()
        return f"({expression(plan, f'({self._value(plan.column)})', f'({subject})', top)})"

    def _value(self, column: str) -> str:
        """SQL for a column as the contract reads it, of the file's own rows."""
        return self.database.steps(self.plan.table, column)[1]

    def _top(self, column: str, most: int) -> tuple[str, ...]:
        """The most frequent values of a column, of equally frequent ones the first by name."""
        value = f"CAST({self._value(column)} AS VARCHAR)"
        found = self.database.rows(
            f"SELECT {value} AS v FROM raw.{quoted(self.plan.table)} WHERE {value} IS NOT NULL "
            f"GROUP BY v ORDER BY count(*) DESC, v LIMIT {most}"
        )
        return tuple(each for (each,) in found)

    def _read_rows(self) -> str:
        """SQL for the rows as the contract reads them, before anything is done."""
        read = [f"{self._value(each.column)} AS {quoted(each.column)}" for each in self.plan.columns]
        return f"(SELECT {', '.join(read)} FROM raw.{quoted(self.plan.table)})"

    def _measured(self, rows: str, columns: Sequence[ColumnPlan]) -> Measures:
        declared = bool(_of_role("quasi-identifier", self.plan.columns))
        quasi = _of_role("quasi-identifier", columns) if declared else None
        return measured(self.database, rows, quasi, _of_role("sensitive", columns))

    def _suppressed(self, rows: str) -> tuple[int, str]:
        """How many rows are in groups that are too small, and SQL for the others, in the file's order."""
        least, quasi = self.plan.privacy.suppress_below, _of_role("quasi-identifier", self._written)
        if not least:
            return 0, rows
        if not quasi:
            raise NotMeasuredError("`suppressBelow` needs columns with `privacyRole: quasi-identifier`")
        names = ", ".join(map(quoted, quasi))
        small = f"SELECT {names}, count(*) AS n FROM ({rows}) GROUP BY {names} HAVING count(*) < {least}"
        same = " AND ".join(f"a.{quoted(each)} IS NOT DISTINCT FROM b.{quoted(each)}" for each in quasi)
        suppressed = self.database.row(f"SELECT coalesce(sum(n), 0) FROM ({small})")[0]
        kept = f"SELECT a.* FROM ({rows}) a ANTI JOIN ({small}) b ON {same} ORDER BY {ROW}"
        return int(suppressed), kept

    def _check_patterns(self) -> None:
        for each in self._written:
            if isinstance(each.method, Mask) and each.method.pattern is not None:
                try:
                    self.database.row("SELECT regexp_replace('', ?, '', 'g')", [each.method.pattern])
                except QueryError as error:
                    what = f"the pattern that masks `{each.column}` is no regular expression (RE2)"
                    raise EnvbuildError(what, error.why) from error

    def _check_values(self) -> None:
        """What cannot be read as the contract says would be lost without a word."""
        read = [each for each in self._written if not each.kept]
        read += [each for each in self.plan.columns if each.column in {one.subject for one in read}]
        names = list(dict.fromkeys(each.column for each in read))
        if not names:
            return
        steps = [self.database.steps(self.plan.table, name) for name in names]
        counts = ", ".join(counted(f"({there}) IS NOT NULL AND ({value}) IS NULL") for there, value in steps)
        found = self.database.row(f"SELECT {counts} FROM raw.{quoted(self.plan.table)}")
        wrong = [f"`{name}`: {count} values" for name, count in zip(names, found, strict=True) if count]
        if wrong:
            raise EnvbuildError(
                "values are not of the type that the contract gives their column", wrong,
                "See where with `envbuild data check`, and mend them with `envbuild data clean`",
            )  # fmt: skip


def _of_role(role: str, columns: Sequence[ColumnPlan]) -> list[str]:
    return [each.column for each in columns if each.role == role]


def _hold(rules: Sequence[Judged]) -> None:
    violated = [str(each) for each in rules if each.state == "violated"]
    unknown = [str(each) for each in rules if each.state == "not-evaluated"]
    hint = "Nothing was written. Make buckets wider, drop a column, or leave out small groups by `suppressBelow`"
    if violated:
        raise CheckFailedError("what is anonymised does not hide people as it is promised", violated + unknown, hint)
    if unknown:
        raise NotMeasuredError("whether people are hidden as it is promised could not be measured", unknown)


def anonymize_file(request: Request, key: Key | None) -> dict[str, Any]:
    """Anonymise a file, and write the record where it is wanted; the record.

    Raises: EnvbuildError, if it cannot be done; CheckFailedError and NotMeasuredError, if people are not hidden as the
    contract promises, or that cannot be measured. Nothing is written then.
    """
    loaded = read_contract(request.contract)
    table = table_of_file(loaded.contract, request.file, request.table)
    outputs = [each for each in (request.target, request.record) if each]
    if len({path.resolve() for path in (request.file, request.contract, *outputs)}) < 2 + len(outputs):
        raise EnvbuildError("what is written would take the place of what is read", hint="Give it another name")
    format_of(request.target)
    plan = plan_table(loaded, table)
    digest = str(file_digest(request.file))
    with Database.opened({table.name: promised_file(table, [request.file])}) as database:
        work = Anonymization(database, plan, key)
        done = _record(loaded, work, work.run(request.target), (digest, request.target))
    if request.record:
        write_atomically(request.record, (json.dumps(done, indent=2, ensure_ascii=False) + "\n").encode())
    return done


def _record(loaded: LoadedContract, work: Anonymization, result: Anonymized, files: tuple[str, Path]) -> dict[str, Any]:
    """What was done: no key, and no value. `files` are the input's digest, and the output."""
    plan, keys = work.plan, {"key": {"identifier": work.key.identifier}} if work.key and work.plan.needs_key else {}
    noise = {each.column: each.method.epsilon for each in plan.columns if isinstance(each.method, Noise)}
    spent = {"privacyLoss": {"declared": noise, "sum": plan.epsilon, "budget": plan.budget}} if noise else {}
    contract = {"id": loaded.contract.id, "version": loaded.contract.version, "digest": str(loaded.digest)}
    return {
        "format": RECORD_FORMAT, "contract": contract, "table": plan.table,
        "input": {"digest": files[0], "rows": result.before.rows},
        "output": {"digest": str(file_digest(files[1])), "rows": result.after.rows, "suppressed": result.suppressed},
        **keys,
        "columns": [_told(each) for each in plan.columns],
        **spent,
        "measures": {"before": result.before.to_dict(), "after": result.after.to_dict()},
        "rules": [each.to_dict() for each in result.rules],
    }  # fmt: skip


def _told(plan: ColumnPlan) -> dict[str, Any]:
    role = {"privacyRole": plan.role} if plan.role else {}
    subject = {"subject": plan.subject} if plan.subject else {}
    return {"column": plan.column, **role, **parameters(plan.method), **subject}
