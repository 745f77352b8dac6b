"""A table that is asked for aggregates of many columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builder.data.tables import Database, quoted


@dataclass(frozen=True, slots=True)
class Asked:
    """The table, and how many rows it has."""

    database: Database
    name: str
    rows: int

    def aggregates(self, groups: Sequence[Sequence[str]]) -> list[tuple[Any, ...]]:
        """The answers to several groups of aggregates, in one scan. Raises: QueryError."""
        flat = [each for group in groups for each in group]
        answers = iter(self.database.row(f"SELECT {', '.join(flat)} FROM {quoted(self.name)}") if flat else ())
        return [tuple(next(answers) for _ in group) for group in groups]


def asked_table(database: Database, name: str) -> Asked:
    """A table of a database. Raises: QueryError."""
    return Asked(database, name, database.row(f"SELECT count(*) FROM {quoted(name)}")[0])
