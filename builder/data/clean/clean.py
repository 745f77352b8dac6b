"""Cleaning a file: all outputs or none, and nothing changed that the contract does not declare."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from tempfile import TemporaryDirectory

from builder.data.clean.fills import fills
from builder.data.clean.record import CleanedFile, CleanRecord
from builder.data.clean.rules import TableRules, table_rules
from builder.data.clean.steps import Steps
from builder.data.contract.read import LoadedContract
from builder.data.privacy.mask import masked
from builder.data.promised import promised_files
from builder.data.tables.database import Database, Limits
from builder.data.tables.digests import file_digest
from builder.data.tables.files import Table, format_of
from builder.data.tables.write import write_table
from builder.errors import EnvbuildError

_Counts = dict[int, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where the results go."""

    file: Path
    quarantine: Path | None = None
    record: Path | None = None


def clean_file(
    loaded: LoadedContract, table: str, source: Path, outputs: Outputs, limits: Limits | None = None
) -> CleanRecord:
    """Write what the file of a table is after cleaning, the rows that were put aside, and the record.

    Raises: EnvbuildError, if nothing is declared, a column is not in the file, or a file cannot be read or written.
    """
    rules = table_rules(loaded.contract, table)
    _check_declared(loaded, rules, outputs)
    _check_paths(source, outputs)
    digest = file_digest(source)
    with Database.opened(promised_files(loaded.contract, {table: [source]}), limits) as database:
        opened = database.tables[rules.table.name]
        _check_columns(rules, opened, source)
        steps = Steps(rules, opened, {})
        making = steps.duplicates()
        if making:
            database.rows(making)
        steps = replace(steps, fills=fills(database, steps))
        with _drafts(outputs) as drafts:
            record = _written(loaded, database, steps, drafts, CleanedFile(source.name, digest, 0))
            if drafts.record:
                drafts.record.write_text(json.dumps(record.to_dict(), indent=2, ensure_ascii=False) + "\n")
    return record


def _written(
    loaded: LoadedContract, database: Database, steps: Steps, drafts: Outputs, source: CleanedFile
) -> CleanRecord:
    rows, counts = _counted(database, steps)
    put_aside = None
    if drafts.quarantine:
        count = write_table(database, steps.quarantine(), drafts.quarantine, private=True)
        put_aside = CleanedFile(drafts.quarantine.name, file_digest(drafts.quarantine), count)
    written = write_table(database, steps.output(), drafts.file)
    table = counts.pop(-1)
    return CleanRecord(
        contract=loaded.contract.id,
        version=loaded.contract.version,
        digest=loaded.digest,
        table=steps.rules.table.name,
        input=replace(source, rows=rows),
        output=CleanedFile(drafts.file.name, file_digest(drafts.file), written),
        quarantine=put_aside,
        dropped=table["dropped"],
        quarantined=table["quarantined"],
        duplicates=table.get("duplicates", 0),
        columns={each.column.column: {**counts[number], **_fill_of(steps, number)} for number, each in steps.ruled},
    )


def _counted(database: Database, steps: Steps) -> tuple[int, _Counts]:
    """How many rows there are, and by the column's number what was counted."""
    counts: _Counts = defaultdict(dict)
    rows = 0
    for query, counted in zip(steps.counts(), (steps.of_all(), steps.of_kept()), strict=True):
        number_of_rows, *found = database.row(query)
        rows = max(rows, number_of_rows)
        for (number, name, _), count in zip(counted, found, strict=True):
            counts[number][name] = count
    return rows, counts


def _fill_of(steps: Steps, number: int) -> dict[str, int | str | None]:
    """What was filled in, if it was one value: masked where the column is confidential."""
    rules = dict(steps.ruled)[number]
    if rules.fill is None or rules.fill.statistic == "previous":
        return {}
    value = steps.fills.get(number)
    return {"fill": masked(value) if value is not None and rules.column.is_confidential else value}


def _check_declared(loaded: LoadedContract, rules: TableRules, outputs: Outputs) -> None:
    name = rules.table.name
    if not rules.does_something:
        raise EnvbuildError(
            f"the contract `{loaded.contract.id}` declares nothing to be cleaned in the table `{name}`",
            "the file would be copied as it is",
            "Say what is to be done with missing and wrong values in the custom property `clean` of a column",
        )
    if rules.quarantines and outputs.quarantine is None:
        raise EnvbuildError(
            f"the contract `{loaded.contract.id}` puts rows of the table `{name}` aside",
            "no file is named for them",
            "Name one with `--quarantine`; it will have the rows as they are, confidential values too",
        )


def _check_paths(source: Path, outputs: Outputs) -> None:
    """Raises: EnvbuildError, if two files are one, a folder is not there, or cleaning would convert."""
    named = {"input": source, "output": outputs.file, "quarantine": outputs.quarantine, "record": outputs.record}
    given = {name: path for name, path in named.items() if path is not None}
    for (one, first), (other, second) in combinations(given.items(), 2):
        if first.resolve() == second.resolve():
            raise EnvbuildError(f"the {one} and the {other} are one file, `{second}`", hint="Name another file")
    for path in list(given.values())[1:]:
        if path.is_dir() or not path.parent.is_dir():
            problem = "it is a folder" if path.is_dir() else "its folder is not there"
            raise EnvbuildError(f"`{path}` cannot be written", problem)
    if format_of(source) != format_of(outputs.file):
        raise EnvbuildError(
            f"`{outputs.file}` is of another format than `{source}`",
            "cleaning changes nothing that is not declared, and so does not convert",
        )
    if outputs.quarantine:
        format_of(outputs.quarantine)


def _check_columns(rules: TableRules, table: Table, source: Path) -> None:
    key = rules.table.primary_key if rules.duplicates != "keep" else ()
    needed = {each.column: None for each in (*(rules.column for rules in rules.columns), *key)}
    missing = [name for name in needed if table.column(name) is None]
    if missing:
        raise EnvbuildError(
            f"`{source}` has not every column that is to be cleaned",
            [f"there is no column `{name}`" for name in missing],
            "`envbuild data check` tells how the file differs from its contract",
        )


@contextmanager
def _drafts(outputs: Outputs) -> Iterator[Outputs]:
    """Files to write beside the outputs, which take the places of all of them at the end, or of none."""
    with ExitStack() as stack:

        def draft(path: Path | None) -> Path | None:
            folder = path and stack.enter_context(TemporaryDirectory(prefix=".envbuild-", dir=path.parent))
            return Path(folder) / path.name if path and folder else None

        drafts = Outputs(draft(outputs.file) or outputs.file, draft(outputs.quarantine), draft(outputs.record))
        yield drafts
        for made, path in (
            (drafts.quarantine, outputs.quarantine),
            (drafts.record, outputs.record),
            (drafts.file, outputs.file),
        ):
            if made and path:
                os.replace(made, path)
