"""Looking for leakage between two files: what is asked, in a fixed order, held to the thresholds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from builder.data.contract.document import SchemaObject
from builder.data.contract.thresholds import Threshold
from builder.data.leakage.columns import Asked, Shared, check_asked, declared, like_ids, only_one, shared_columns
from builder.data.leakage.features import Features
from builder.data.leakage.report import LeakageReport, Outcome, thresholds
from builder.data.leakage.rows import SAMPLES, SIDES, Rows
from builder.data.promised import promised_file
from builder.data.tables.database import Database, Limits
from builder.data.tables.files import TableFile, format_of
from builder.data.tables.sql import quoted
from builder.errors import EnvbuildError

_MEMORY = 220 << 20
"""Bytes: tables of hashes and samples are kept beside what queries take."""


def look_for_leakage(
    train: Sequence[Path],
    test: Sequence[Path],
    asked: Asked,
    contract: SchemaObject | None = None,
    limits: Limits | None = None,
) -> LeakageReport:
    """What the files of a test set give away.

    Raises: EnvbuildError, if one cannot be read, has no rows, or lacks a column that is named.
    """
    held = thresholds(asked.limits)
    files = {
        side: promised_file(contract, paths) if contract else TableFile(tuple(paths), format_of(paths[0]))
        for side, paths in zip(SIDES, (train, test), strict=True)
    }
    with Database.opened(files, limits or Limits(memory=_MEMORY)) as database:
        one, other = (database.tables[side] for side in SIDES)
        asked = declared(asked, contract)
        check_asked(asked, one)
        rows = (database.total("train"), database.total("test"))
        if not all(rows):
            empty = train if not rows[0] else test
            raise EnvbuildError(f"`{empty[0]}` has no rows", "there is nothing to compare")
        columns = shared_columns(one, other)
        asked = dataclasses.replace(asked, ids=(*asked.ids, *_unique(database, like_ids(columns, asked))))
        outcomes = [_columns(only_one(one, other), held)]
        outcomes += Rows(database, columns, asked, held).outcomes()
        outcomes += _features(database, columns, asked, held)
        outcomes.append(_constant(database, columns, held))
    return LeakageReport(train[0].name, test[0].name, asked.target, rows, asked.ids, tuple(outcomes))


def _unique(database: Database, columns: Sequence[Shared]) -> Iterator[str]:
    """Of columns, those with no value twice on either side."""
    for column in columns:
        counts = [
            database.row(f"SELECT count({quoted(column.name)}), count(DISTINCT {column.value}) FROM {side}")
            for side in SIDES
        ]
        if all(count and count == values for count, values in counts):
            yield column.name


def _columns(names: Sequence[str], held: Mapping[str, Threshold]) -> Outcome:
    """Columns that only one side has cannot be compared; a target that the test set lacks is told of its features."""
    if names:
        return Outcome("columns", ", ".join(names), None, held["columns"], len(names), reason="only one of both has it")
    return Outcome("columns", None, 0, held["columns"], 0)


def _features(
    database: Database, columns: tuple[Shared, ...], asked: Asked, held: Mapping[str, Threshold]
) -> Iterator[Outcome]:
    target = next((each for each in columns if each.name == asked.target), None)
    if target is not None:
        yield from Features(database, columns, asked, target, held).outcomes()
    elif asked.target is not None:
        reason = "the target is not in the test set"
        yield Outcome("singleFeature", asked.target, None, held["singleFeature"], reason=reason)


def _constant(database: Database, columns: Sequence[Shared], held: Mapping[str, Threshold]) -> Outcome:
    """Columns that say nothing."""
    parts = ", ".join(f"count(DISTINCT {each.value})" for each in columns)
    counts = database.row(f"SELECT {parts} FROM train") if columns else ()
    names = [each.name for each, values in zip(columns, counts, strict=True) if values < 2]
    shown = ", ".join(names[:SAMPLES]) or None
    return Outcome("constantColumns", shown, len(names), held["constantColumns"], len(names))
