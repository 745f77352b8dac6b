"""What a contract declares to be cleaned in a table. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.data.contract.cleaning import Fill, read_fill
from builder.data.contract.document import Contract, Property, SchemaObject
from builder.data.promised import named_table


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """What is declared of a column."""

    column: Property
    missing: tuple[str, ...] = ()
    """Texts that stand for no value."""
    when_missing: str = "keep"
    """`keep`, `drop`, `quarantine` or `fill`."""
    fill: Fill | None = None
    invalid: str = "keep"
    outliers: str = "keep"

    @property
    def does_something(self) -> bool:
        """Whether any value could be changed by it, or any row be left out."""
        return bool(self.missing) or (self.when_missing, self.invalid, self.outliers) != ("keep",) * 3

    def limit(self, name: str) -> Any:
        """One of `logicalTypeOptions`; None if there is none."""
        return self.column.logical_type_options.get(name)


@dataclass(frozen=True, slots=True)
class TableRules:
    """What is declared of a table."""

    table: SchemaObject
    columns: tuple[ColumnRules, ...]
    """Those that have anything declared, in the order of the contract."""
    duplicates: str = "keep"
    """Rows with a key that an earlier one has: `keep`, `drop` or `quarantine`."""

    @property
    def does_something(self) -> bool:
        """Whether anything is declared that could change the file."""
        return self.duplicates != "keep" or any(each.does_something for each in self.columns)

    @property
    def quarantines(self) -> bool:
        """Whether rows could be put aside."""
        fates = [self.duplicates]
        fates += [fate for each in self.columns for fate in (each.when_missing, each.invalid, each.outliers)]
        return "quarantine" in fates


def table_rules(contract: Contract, name: str) -> TableRules:
    """What a contract declares of the table of a name. Raises: EnvbuildError, if it has none of it."""
    table = named_table(contract, name)
    columns = [(each, each.custom("clean")) for each in table.properties]
    rules = tuple(_column_rules(value, column) for column, value in columns if value is not None)
    return TableRules(table, rules, (table.custom("clean") or {}).get("duplicates", "keep"))


def _column_rules(value: Mapping[str, Any], column: Property) -> ColumnRules:
    action = value.get("whenMissing", "keep")
    fill = read_fill(action["fill"]) if isinstance(action, Mapping) else None
    return ColumnRules(
        column,
        tuple(map(str, value.get("missing", ()))),
        "fill" if fill else str(action),
        fill,
        value.get("invalid", "keep"),
        value.get("outliers", "keep"),
    )
