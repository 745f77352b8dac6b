"""A table that is asked for aggregates of many columns at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builder.data.profile.questions import Aggregate
from builder.data.tables import Database, quoted


@dataclass(frozen=True, slots=True)
class Asked:
    """The table, and how many rows it has."""

    database: Database
    name: str
    rows: int

    def aggregates(self, groups: Sequence[Sequence[str | Aggregate]]) -> list[tuple[Any, ...]]:
        """The answers to several groups of aggregates, in one scan. Raises: QueryError."""
        flat = [each for group in groups for each in group]
        texts = [each if isinstance(each, str) else each.text for each in flat]
        parameters = [each.parameter for each in flat if isinstance(each, Aggregate)]
        query = f"SELECT {', '.join(texts)} FROM {quoted(self.name)}"
        answers = iter(self.database.row(query, parameters) if flat else ())
        return [tuple(next(answers) for _ in group) for group in groups]


def asked_table(database: Database, name: str) -> Asked:
    """A table of a database. Raises: QueryError."""
    return Asked(database, name, database.row(f"SELECT count(*) FROM {quoted(name)}")[0])
