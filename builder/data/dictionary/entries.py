"""What a dictionary says of tables, columns, features and terms. Pure; the order is that of the sources."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ROLES = ("feature", "target", "identifier", "weight", "time")
"""What a column is to a model: the values of the custom property `feature`."""


@dataclass(frozen=True, slots=True)
class Link:
    """A place where more is said."""

    url: str
    label: str

    @property
    def is_web(self) -> bool:
        """Whether it may be followed: everything else is shown as text."""
        return self.url.startswith(("https://", "http://"))


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data of a project that a contract is about."""

    project: str
    name: str
    url: str
    description: str = ""
    license: str = ""
    made_by: str | None = None
    """The command that writes it, as `PROJECT COMMAND`; None of data that come from elsewhere."""
    used_by: tuple[str, ...] = ()
    """The commands that read it."""
    models: tuple[str, ...] = ()
    """What these commands make, also by way of data in between: names of projects."""


@dataclass(frozen=True, slots=True)
class ColumnEntry:
    """A column, as its contract has it."""

    anchor: str
    name: str
    physical_name: str | None = None
    business_name: str | None = None
    meaning: str = ""
    unit: str | None = None
    type: str | None = None
    allowed: tuple[str, ...] = ()
    """The only values that it may have."""
    limits: str = ""
    """Range, length, pattern, in words."""
    required: bool = False
    unique: bool = False
    key: str = ""
    """`primary key`, or the columns that it refers to."""
    classification: str | None = None
    privacy_role: str | None = None
    owner: str = ""
    made: str = ""
    """How it is made of other columns; empty of one that is as the source has it."""
    made_of: tuple[str, ...] = ()
    role: str | None = None
    """One of ROLES."""
    models: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    deprecated: bool = False
    term: str | None = None
    """The anchor of its term in the glossary."""
    gaps: tuple[str, ...] = ()
    """What is not said of it."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """A table of a contract, and the data that are held to it."""

    anchor: str
    name: str
    contract: str
    version: str
    status: str
    digest: str
    """Of the contract's file."""
    file: str
    business_name: str | None = None
    description: str = ""
    row: str = ""
    """What one row stands for."""
    owner: str = ""
    checked: str = ""
    """What came of a check of data against this very contract, if a report was given."""
    datasets: tuple[Dataset, ...] = ()
    columns: tuple[ColumnEntry, ...] = ()
    links: tuple[Link, ...] = ()
    gaps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A word, what it means and the columns that are called so."""

    anchor: str
    term: str
    meanings: tuple[str, ...] = ()
    synonyms: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    """Anchor and name, as `TABLE.COLUMN`."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that nobody has written down."""

    place: str
    """`TABLE.COLUMN`, or a table or data of a project."""
    missing: tuple[str, ...]
    anchor: str | None = None

    def __str__(self) -> str:
        return f"{self.place}: {', '.join(self.missing)}"


@dataclass(frozen=True, slots=True)
class Dictionary:
    """All of it."""

    title: str
    tables: tuple[TableEntry, ...] = ()
    terms: tuple[Term, ...] = ()
    other_gaps: tuple[Gap, ...] = field(default=())
    """Of data without a contract, and columns that only a file has."""

    @property
    def features(self) -> tuple[tuple[TableEntry, ColumnEntry], ...]:
        """The columns that are something to a model."""
        return tuple((table, each) for table in self.tables for each in table.columns if each.role)

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """All that is not documented."""
        return (*self._gaps(), *self.other_gaps)

    def _gaps(self) -> Iterator[Gap]:
        for table in self.tables:
            if table.gaps:
                yield Gap(table.name, table.gaps, table.anchor)
            for each in table.columns:
                if each.gaps:
                    yield Gap(f"{table.name}.{each.name}", each.gaps, each.anchor)

    def to_dict(self) -> dict[str, Any]:
        """As `--json` prints it."""
        import dataclasses

        return {
            "title": self.title,
            "tables": [dataclasses.asdict(each) for each in self.tables],
            "features": [
                {"table": table.name, "column": each.name, "role": each.role, "models": list(each.models)}
                for table, each in self.features
            ],
            "terms": [dataclasses.asdict(each) for each in self.terms],
            "undocumented": [{"place": each.place, "missing": list(each.missing)} for each in self.gaps],
        }
