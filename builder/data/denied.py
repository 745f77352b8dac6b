"""Which columns of a table may not be handed out, by the classes that a project denies.

A file is looked into: a column that a contract declares and the file does not have denies nothing, and one that the
file has and no contract declares is guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.data.contract.classes import class_of
from builder.data.contract.document import Property, SchemaObject

_SAMPLE = 500
"""Rows of which values are looked at, where nobody says what a column is."""


@dataclass(frozen=True, slots=True)
class SeenColumn:
    """A column that a file really has."""

    name: str
    type: str
    """As the file has it; of an object, with the names of its parts."""
    guess: str = ""
    """The class that its name and its values speak for; empty if nothing does."""
    reason: str = ""
    """Why."""

    def to_value(self) -> list[str]:
        """As it is kept."""
        return [self.name, self.type, self.guess, self.reason]


def look_into(paths: Sequence[Path]) -> tuple[SeenColumn, ...]:
    """The columns of files of one table. Raises: EnvbuildError, if they cannot be read."""
    from builder.data.privacy.guess import guess
    from builder.data.tables import Database, TableFile, format_of, quoted

    with Database.opened({"table": TableFile(tuple(paths), format_of(paths[0]))}) as database:
        columns = database.tables["table"].columns
        listed = ", ".join(quoted(each.name) for each in columns)
        rows = database.rows(f'SELECT {listed} FROM "table" LIMIT {_SAMPLE}') if columns else []
        values = list(zip(*rows, strict=True)) or [()] * len(columns)
        guesses = [guess(each.name, of) for each, of in zip(columns, values, strict=True)]
    return tuple(
        SeenColumn(each.name, each.stored, found.classification if found else "", found.reason if found else "")
        for each, found in zip(columns, guesses, strict=True)
    )


@dataclass(frozen=True, slots=True)
class Denied:
    """What speaks against handing a table out."""

    reasons: tuple[str, ...] = ()
    """A column of a denied class each."""
    undocumented: tuple[str, ...] = ()
    """Columns of which no contract says the class, and nothing speaks for a denied one."""


def judge_columns(seen: Sequence[SeenColumn], table: SchemaObject | None, deny: Collection[str]) -> Denied:
    """Hold the columns of a file to the denied classes; `table` is what a contract says of it."""
    promised = _promised(table)
    reasons, undocumented = [], []
    for column in seen:
        declared = promised.get(column.name.lower())
        if declared is not None:
            reasons += list(_declared(column, declared, deny))
        elif column.guess and is_denied(column.guess, deny):
            reasons.append(f"column `{column.name}`, which no contract declares, seems {column.guess}: {column.reason}")
        else:
            undocumented.append(column.name)
    return Denied(tuple(reasons), tuple(undocumented))


def is_denied(classification: str | None, deny: Collection[str]) -> bool:
    """Whether a class is among the denied ones, in these words or in others for the same level."""
    if not classification:
        return False
    words = {word.strip().lower() for word in deny}
    return classification.strip().lower() in words or class_of(classification) in words


def denied_names(tables: Sequence[SchemaObject], deny: Collection[str]) -> dict[str, str]:
    """The columns of a denied class, by their names in lower case, and their class."""
    return {
        name: str(column.classification)
        for table in tables
        for name, column in _promised(table).items()
        if is_denied(column.classification, deny)
    }


def _promised(table: SchemaObject | None) -> Mapping[str, Property]:
    return {each.column.lower(): each for each in table.properties} if table else {}


def _declared(seen: SeenColumn, column: Property, deny: Collection[str]) -> Iterator[str]:
    if is_denied(column.classification, deny):
        yield f"column `{seen.name}` is {column.classification}"
        return
    for path, part in _parts(column, column.name):
        if is_denied(part.classification, deny) and _has(seen.type, part.name):
            yield f"column `{seen.name}` has `{path}`, which is {part.classification}"


def _parts(column: Property, path: str) -> Iterator[tuple[str, Property]]:
    """What is in an object, an array or a map, however deep."""
    inner: list[Any] = [*column.properties, column.items]
    if column.map:
        inner += [column.map.key, column.map.value]
    for each in filter(None, inner):
        own = f"{path}.{each.name}" if each.name else path
        yield own, each
        yield from _parts(each, own)


def _has(type_: str, name: str) -> bool:
    """Whether a type names a part; parts without a name are always there."""
    return not name or re.search(rf"(?<!\w){re.escape(name)}(?!\w)", type_, re.IGNORECASE) is not None
