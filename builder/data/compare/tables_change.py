"""What differs between two tables: a value that is printed, and written as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.data.profile.document import QUANTILES, ColumnProfile

MOST_SHARES = 10
"""Categories of a column whose shares are told: those that changed most."""
_TOLD_QUANTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column that is in both tables, of another type."""

    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RowChange:
    """How rows differ; without a key, a changed row is one that is removed and one that is added."""

    added: int
    removed: int
    changed: int = 0
    key: tuple[str, ...] = ()
    columns: Mapping[str, int] = field(default_factory=dict)
    """In how many rows each column changed; those where it did."""
    samples: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """The smallest keys of `added`, `removed` and `changed` rows; nothing where a key may not be told."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of a column's values in both tables."""

    column: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class TableComparison:
    """What differs between two tables."""

    before: str
    after: str
    rows_before: int
    rows_after: int
    columns_added: tuple[tuple[str, str], ...]
    """Names and types."""
    columns_removed: tuple[tuple[str, str], ...]
    columns_retyped: tuple[ColumnChange, ...]
    rows: RowChange
    measures: tuple[Measure, ...]
    """What changed in the distribution of columns that are in both."""

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        schema = self.columns_added or self.columns_removed or self.columns_retyped
        return bool(schema or self.rows.added or self.rows.removed or self.rows.changed)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "before": self.before,
            "after": self.after,
            "differs": self.differs,
            "rowCount": {"before": self.rows_before, "after": self.rows_after},
            "columns": {
                "added": [{"name": name, "type": type_} for name, type_ in self.columns_added],
                "removed": [{"name": name, "type": type_} for name, type_ in self.columns_removed],
                "retyped": [{"name": c.name, "before": c.before, "after": c.after} for c in self.columns_retyped],
            },
            "rows": {
                "key": list(self.rows.key),
                "added": self.rows.added,
                "removed": self.rows.removed,
                "changed": self.rows.changed,
                "changedColumns": dict(self.rows.columns),
                "samples": {kind: [list(key) for key in keys] for kind, keys in self.rows.samples.items()},
            },
            "distributions": [
                {"column": m.column, "measure": m.name, "before": m.before, "after": m.after} for m in self.measures
            ],
        }


def measures(before: ColumnProfile, after: ColumnProfile) -> Iterator[Measure]:
    """What changed in the distribution of a column."""
    pairs = [("missing", _share(before.missing, before.count), _share(after.missing, after.count))]
    if before.distinct_is_exact and after.distinct_is_exact:
        pairs.append(("distinct", str(before.distinct), str(after.distinct)))
    if before.kind == after.kind:
        pairs += [(name, before.shown(one), after.shown(other)) for name, one, other in _numbers(before, after)]
        pairs += _shares(before, after)
    yield from (Measure(before.name, name, one, other) for name, one, other in pairs if one != other)


def _numbers(before: ColumnProfile, after: ColumnProfile) -> list[tuple[str, float | None, float | None]]:
    found: list[tuple[str, float | None, float | None]] = [
        ("minimum", before.minimum, after.minimum),
        ("maximum", before.maximum, after.maximum),
        ("mean", before.mean, after.mean),
    ]
    if before.quantiles and after.quantiles:
        places = [(QUANTILES.index(each), each) for each in _TOLD_QUANTILES]
        found += [(f"{each:.0%} quantile", before.quantiles[at], after.quantiles[at]) for at, each in places]
    return found


def _shares(before: ColumnProfile, after: ColumnProfile) -> list[tuple[str, str, str]]:
    """The categories whose share changed most; of two that changed alike the one that sorts first."""
    shares = [
        {each.value: each.count / (column.values or 1) for each in column.categories} for column in (before, after)
    ]
    if not all(shares):
        return []
    names = sorted({*shares[0], *shares[1]}, key=lambda name: (-abs(_moved(name, shares)), name))
    return [
        (f"share of `{name}`", f"{shares[0].get(name, 0):.2%}", f"{shares[1].get(name, 0):.2%}")
        for name in names[:MOST_SHARES]
    ]


def _moved(name: str, shares: list[dict[str, float]]) -> float:
    return round(shares[1].get(name, 0) - shares[0].get(name, 0), 12)


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2%}" if whole else "0.00%"
