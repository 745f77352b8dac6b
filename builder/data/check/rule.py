"""A rule, and how what it is about is measured: SQL as text, over rows as `Database.paired` has them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from builder.data.contract.document import Contract, SchemaObject
from builder.data.contract.thresholds import Threshold
from builder.data.tables.files import Table

NONE = Threshold("mustBe", 0)
"""Of what must not be at all."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows for which a condition holds that must not; all of them are counted in one scan, unless it needs its own."""

    condition: str
    apart: bool = False
    """Whether it asks more than the row, and so is a query of its own."""


@dataclass(frozen=True, slots=True)
class Figure:
    """An aggregate of a table."""

    expression: str


@dataclass(frozen=True, slots=True)
class Repeated:
    """Values, or combinations of them, that are there more than once; where one is missing, they are none."""

    columns: tuple[str, ...]
    """SQL for each."""


@dataclass(frozen=True, slots=True)
class Query:
    """A query of the contract's author, which gives one number."""

    text: str


@dataclass(frozen=True, slots=True)
class Known:
    """What was found out without a query."""

    measured: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What cannot be evaluated."""

    reason: str


@dataclass(frozen=True, slots=True)
class Told:
    """What is only documentation."""


Measure = Rows | Figure | Repeated | Query | Known | Refused | Told


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is promised."""

    id: str
    table: str
    column: str | None
    kind: str
    text: str
    measure: Measure
    threshold: Threshold = NONE
    unit: str = "rows"
    severity: str = "error"
    line: int | None = None
    shown: tuple[str, ...] = ()
    """SQL for the values that a sample shows, as the file has them."""
    masked: bool = False
    """Whether the values of samples are for nobody's eyes."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A table whose rules are planned."""

    contract: Contract
    promised: SchemaObject
    place: str
    """Of the table in the contract: `schema[0]`."""
    table: Table
    """As its file is read."""
    tables: dict[str, Table] = field(default_factory=dict)
    """All that are here, by name."""
    line: Callable[[str], int | None] = lambda _: None
    """The line of a place in the contract."""

    @property
    def typed(self) -> bool:
        """Whether the file itself says of which type its columns are."""
        return self.table.file.format in ("parquet", "arrow")
