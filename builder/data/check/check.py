"""Files held to their contract: read, planned, measured, judged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from builder.data.check.evaluate import measure
from builder.data.check.judge import judged
from builder.data.check.outcome import CheckedFile, CheckedTable, CheckReport, Outcome
from builder.data.check.planning import extra_columns, planned
from builder.data.check.rule import Rule, Subject
from builder.data.check.samples import sampled
from builder.data.contract.read import LoadedContract
from builder.data.promised import promised_files
from builder.data.tables.database import Database, Limits
from builder.errors import EnvbuildError
from builder.oci.digest import Digest

MOST_SAMPLES = 10


@dataclass(frozen=True, slots=True)
class Wishes:
    """What else is asked of a check."""

    samples: int = MOST_SAMPLES
    """Rows that are told of each violated rule."""
    absent: Mapping[str, str] = field(default_factory=dict)
    """Tables that should have been looked at, and why they could not."""
    digest_of: Callable[[Path], Digest] | None = None
    """Of a file's bytes, for the report."""


def check_contract(
    loaded: LoadedContract,
    files: Mapping[str, Sequence[Path]],
    now: datetime,
    limits: Limits | None = None,
    wishes: Wishes | None = None,
) -> CheckReport:
    """Hold files to what their contract promises; `files` by the name of the contract's table.

    Tables that are not named are not looked at. `now` is what the age of data is measured from.

    Raises: EnvbuildError, if a file is no table that can be read, or a name no table of the contract.
    """
    wishes = wishes or Wishes()
    promised = promised_files(loaded.contract, files)
    if not promised and not wishes.absent:
        raise EnvbuildError(f"there is nothing to hold to the contract `{loaded.file}`")
    tables, outcomes = [], []
    with Database.opened(promised, limits) as database:
        for number, table in enumerate(loaded.contract.schema):
            if table.name in wishes.absent:
                outcomes.append(_not_here(table.name, wishes.absent[table.name], loaded.lines.get(f"schema[{number}]")))
            elif table.name in database.tables:
                checked, found = _checked(database, _subject(loaded, database, number), now, wishes)
                tables.append(checked)
                outcomes += found
    contract = loaded.contract
    return CheckReport(contract.id, contract.version, loaded.file, loaded.digest, tuple(tables), tuple(outcomes))


def _subject(loaded: LoadedContract, database: Database, number: int) -> Subject:
    table = loaded.contract.schema[number]
    return Subject(
        contract=loaded.contract,
        promised=table,
        place=f"schema[{number}]",
        table=database.tables[table.name],
        tables=database.tables,
        line=loaded.line,
    )


def _checked(database: Database, subject: Subject, now: datetime, wishes: Wishes) -> tuple[CheckedTable, list[Outcome]]:
    rules = planned(subject)
    measurements = measure(database, subject.table, rules)
    moment = now.astimezone(UTC).timestamp()
    outcomes = [
        judged(rule, each, measurements.rows, moment) for rule, each in zip(rules, measurements.each, strict=True)
    ]
    files = tuple(_file(path, wishes) for path in subject.table.file.paths)
    checked = CheckedTable(subject.promised.name, files, measurements.rows, extra_columns(subject))
    return checked, _with_samples(database, subject, rules, outcomes, wishes.samples)


def _with_samples(
    database: Database, subject: Subject, rules: list[Rule], outcomes: list[Outcome], most: int
) -> list[Outcome]:
    violated = [n for n, each in enumerate(outcomes) if each.status == "violated" and each.violations]
    found = sampled(database, subject.table, [rules[number] for number in violated], most)
    by_number = dict(zip(violated, found, strict=True))
    return [replace(each, samples=by_number.get(number, ())) for number, each in enumerate(outcomes)]


def _file(path: Path, wishes: Wishes) -> CheckedFile:
    return CheckedFile(path, path.stat().st_size, wishes.digest_of(path) if wishes.digest_of else None)


def _not_here(table: str, reason: str, line: int | None) -> Outcome:
    return Outcome(
        id=f"{table}.present",
        table=table,
        column=None,
        kind="present",
        text="the table is there",
        severity="error",
        status="not-evaluated",
        reason=reason,
        line=line,
    )
