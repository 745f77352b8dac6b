"""A profile: what a table's values are like, without its rows. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Literal

from builder.errors import EnvbuildError
from builder.spec.fields import as_document, key

FORMAT_VERSION = 1
QUANTILES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
MOST_COLUMNS = 10_000
MOST_EDGES = 2_000
MOST_CATEGORIES = 1_000
MOST_BYTES = 64 << 20
Kind = Literal["number", "date", "timestamp", "category", "other"]


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie between edges: of `counts[i]`, above `edges[i - 1]` and up to `edges[i]`, both ends open."""

    CAMEL_CASE: ClassVar = True

    edges: tuple[float, ...] = key("Where bins end, from the smallest; a value on an edge is in the bin below.")
    counts: tuple[int, ...] = key("Values of each bin: one more than edges, the first and the last bin being open.")
    on_edge: tuple[int, ...] = key("Values that are equal to each edge, where that may be told.", default=())

    def faults(self) -> Iterator[str]:
        """What cannot be true of it."""
        if len(self.counts) != len(self.edges) + 1 or len(self.edges) > MOST_EDGES:
            yield f"there is one count more than edges, of which there are at most {MOST_EDGES}"
        elif any(left >= right for left, right in zip(self.edges, self.edges[1:], strict=False)):
            yield "edges rise"
        elif min(self.counts) < 0:
            yield "counts are not negative"
        elif self.on_edge and (len(self.on_edge) != len(self.edges) or not self._fits()):
            yield "values on an edge are among those of the bin below"

    def _fits(self) -> bool:
        return all(0 <= on <= count for on, count in zip(self.on_edge, self.counts, strict=False))


@dataclass(frozen=True, slots=True)
class Category:
    """A value that so many rows have."""

    CAMEL_CASE: ClassVar = True

    value: str = key("The value, as text.")
    count: int = key("How many rows have it.")


@dataclass(frozen=True, slots=True)
class ColumnProfile:
    """What the values of a column are like."""

    CAMEL_CASE: ClassVar = True

    name: str = key("Its name in the file.")
    type: str = key("How its values are read: DuckDB's name of the type.")
    kind: Kind = key("How it is described: by bins of numbers, dates (days) or times (seconds), or by categories.")
    count: int = key("Rows.")
    missing: int = key("Rows without a value, or with one that is not of the type.")
    distinct: int = key("Different values; missing ones are none.")
    distinct_is_exact: bool = key("Whether `distinct` was counted; else it is an estimate by HyperLogLog.")
    confidential: bool = key("Whether its values may not be told.", default=False)
    unit: str = key("The unit of its values, as the contract says.", default="")
    description: str = key("What it means, as the contract says.", default="")
    nan: int = key("Values that are not a number; all other figures leave them out.", default=0)
    infinite: int = key("Values that are infinite; all other figures leave them out.", default=0)
    minimum: float | None = key("The smallest value; of a date in days, of a time in seconds since 1970.", default=None)
    maximum: float | None = key("The largest value.", default=None)
    mean: float | None = key("The mean of the values.", default=None)
    deviation: float | None = key("The standard deviation, of the sample.", default=None)
    quantiles: tuple[float, ...] = key("Of 1, 5, 10, 25, 50, 75, 90, 95 and 99 %.", default=())
    bins: Histogram | None = key("Bins of about equal counts: what drift is measured in.", default=None)
    plot: Histogram | None = key("Bins of equal width: what is drawn.", default=None)
    shortest: int | None = key("Characters of the shortest text.", default=None)
    longest: int | None = key("Characters of the longest text.", default=None)
    mean_length: float | None = key("Characters of a text in the mean.", default=None)
    categories: tuple[Category, ...] = key("The values that enough rows have, the most frequent first.", default=())
    other: int | None = key("Rows whose values are not listed; none if nothing is listed on purpose.", default=None)

    @property
    def values(self) -> int:
        """Rows that are described: neither missing nor without a finite value."""
        return self.count - self.missing - self.nan - self.infinite

    def shown(self, value: float | None) -> str:
        """A value of the column for people: a date as a date."""
        return shown_value(self.kind, value)

    def faults(self) -> Iterator[str]:
        """What cannot be true of it."""
        counted = (self.count, self.missing, self.distinct, self.nan, self.infinite, self.other or 0)
        if min(counted) < 0 or self.values < 0:
            yield "counts are not negative, and no more than the rows"
        if self.quantiles and len(self.quantiles) != len(QUANTILES):
            yield f"there are {len(QUANTILES)} quantiles"
        for histogram in (self.bins, self.plot):
            if histogram:
                yield from histogram.faults()
                if sum(histogram.counts) != self.values:
                    yield "the bins hold all values"
        if len(self.categories) > MOST_CATEGORIES:
            yield f"there are at most {MOST_CATEGORIES} categories"
        if self.other is not None and sum(each.count for each in self.categories) + self.other != self.values:
            yield "the categories hold all values"


@dataclass(frozen=True, slots=True)
class Profile:
    """What the values of a table are like."""

    CAMEL_CASE: ClassVar = True

    format_version: int = key(f"The version of the format: {FORMAT_VERSION}.")
    table: str = key("Its name.")
    digest: str = key("SHA-256 of the data: of the file, or of the list of several files' digests.")
    rows: int = key("How many rows it has.")
    floor: int = key("The number of rows that a category, and a bin of a confidential column, has at least.")
    columns: tuple[ColumnProfile, ...] = key("Its columns, in the order of the file.")
    contract: str = key("The digest of the contract that it was read by; empty if by none.", default="")

    def column(self, name: str) -> ColumnProfile | None:
        """The column of a name."""
        return next((each for each in self.columns if each.name == name), None)

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        result: dict[str, Any] = as_document(self)
        return result

    def to_bytes(self) -> bytes:
        """As a file has it; the same for the same profile."""
        return (json.dumps(self.to_dict(), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()

    @classmethod
    def from_dict(cls, document: Any) -> Profile:
        """The one of a JSON document, checked. Raises: EnvbuildError."""
        from builder.data.profile.reading import ShapeError, read_value

        if isinstance(document, dict) and document.get("formatVersion") not in (None, FORMAT_VERSION):
            raise EnvbuildError(
                "a profile is of another version", f"`formatVersion` is not {FORMAT_VERSION}", "Make it again"
            )
        try:
            profile: Profile = read_value(document, cls, "")
        except ShapeError as error:
            raise EnvbuildError("this is no profile", str(error)) from error
        faults = [f"column `{name}`: {fault}" for name, fault in profile.faults()]
        if faults:
            raise EnvbuildError("a profile contradicts itself", faults[:20])
        return profile

    def faults(self) -> Iterator[tuple[str, str]]:
        """What cannot be true, by column."""
        names = [each.name for each in self.columns]
        if len(names) > MOST_COLUMNS or len(set(names)) != len(names):
            yield "", f"there are at most {MOST_COLUMNS} columns, each with a name of its own"
        for column in self.columns:
            if column.count != self.rows:
                yield column.name, "a column has as many rows as the table"
            yield from ((column.name, fault) for fault in column.faults())


def shown_value(kind: Kind, value: float | None) -> str:
    """A value for people, by the kind of its column."""
    if value is None:
        return ""
    try:
        if kind == "date":
            return (date(1970, 1, 1) + timedelta(days=int(value // 1))).isoformat()
        if kind == "timestamp":
            return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=value)).isoformat(" ", "seconds")[:19]
    except OverflowError:
        pass
    return f"{value:.6g}"
