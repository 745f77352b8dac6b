"""Rows of the test set that training knows: equal and nearly equal ones, ids, groups, time; by 64-bit hashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from builder.data.contract.thresholds import Threshold
from builder.data.leakage.columns import Asked, Shared
from builder.data.leakage.report import Outcome
from builder.data.tables.database import Database
from builder.data.tables.sql import quoted

SIDES = ("train", "test")
SAMPLES = 10


def hashes(side: str) -> str:
    """The table with a side's row numbers (`n`) and hashes: of rows, features, nearly equal features."""
    return quoted(f"\x01{side} hashes")


@dataclass(frozen=True, slots=True)
class Rows:
    """What is asked about rows."""

    database: Database
    columns: tuple[Shared, ...]
    asked: Asked
    """With all ids."""
    thresholds: Mapping[str, Threshold]

    def outcomes(self) -> Iterator[Outcome]:
        """What came of each rule, in a fixed order. Raises: QueryError."""
        compared = [each for each in self.columns if each.name not in self.asked.ids]
        features = [each for each in compared if each.name != self.asked.target]
        if not features:
            for rule in ("equalRows", "nearRows", "trainDuplicates"):
                yield self._open(rule, "no column but ids is in both files")
        else:
            self._hash(compared, features)
            yield from self._equal(has_target=len(compared) > len(features))
            yield self._duplicates()
        for name in self.asked.ids:
            yield self._shared("sharedIds", name)
        if self.asked.group:
            yield self._shared("sharedGroups", self.asked.group)
        if self.asked.time:
            yield self._time(self.asked.time)

    def _open(self, rule: str, reason: str, column: str | None = None) -> Outcome:
        return Outcome(rule, column, None, self.thresholds[rule], reason=reason)

    def _hash(self, compared: Sequence[Shared], features: Sequence[Shared]) -> None:
        parts = {
            "e": ", ".join(each.value for each in compared),
            "f": ", ".join(each.value for each in features),
            "d": ", ".join(each.near for each in features),
        }
        chosen = ", ".join(f"hash({values}) AS {name}" for name, values in parts.items())
        for side in SIDES:
            numbered = f'(SELECT row_number() OVER () AS "\x01n", * FROM {quoted(side)})'
            self.database.rows(f'CREATE TABLE {hashes(side)} AS SELECT "\x01n" AS n, {chosen} FROM {numbered}')

    def _equal(self, *, has_target: bool) -> Iterator[Outcome]:
        known = {each: f"{each} IN (SELECT {each} FROM {hashes('train')})" for each in ("e", "f", "d")}
        yield self._hits("equalRows", "e", known["e"])
        if has_target:
            yield self._hits("equalFeatures", "f", f"{known['f']} AND NOT {known['e']}")
        yield self._hits("nearRows", "d", f"{known['d']} AND NOT {known['f']}")

    def _hits(self, rule: str, by: str, condition: str) -> Outcome:
        """Rows of the test set, each with the first of training that is like it."""
        (count,) = self.database.row(f"SELECT count(*) FROM {hashes('test')} WHERE {condition}")
        first = f"SELECT n, {by} FROM {hashes('test')} WHERE {condition} ORDER BY n LIMIT {SAMPLES}"
        pairs = f"SELECT a.n, min(b.n) FROM ({first}) AS a JOIN {hashes('train')} AS b USING ({by}) GROUP BY a.n"
        samples = self.database.rows(f"{pairs} ORDER BY a.n") if count else []
        return Outcome(rule, None, count, self.thresholds[rule], count, tuple(samples))

    def _duplicates(self) -> Outcome:
        first = f"SELECT n, min(n) OVER (PARTITION BY e) AS first FROM {hashes('train')}"
        total, count = self.database.row(f"SELECT count(*), count(*) - count(DISTINCT e) FROM {hashes('train')}")
        found = f"SELECT n FROM ({first}) WHERE n > first ORDER BY n LIMIT {SAMPLES}"
        samples = tuple((None, row) for (row,) in self.database.rows(found)) if count else ()
        share = percent(count, total)
        return Outcome("trainDuplicates", None, share, self.thresholds["trainDuplicates"], count, samples)

    def _shared(self, rule: str, name: str) -> Outcome:
        column = next((each for each in self.columns if each.name == name), None)
        if column is None:
            return self._open(rule, "the column is not in the test set", name)
        sides = [f"SELECT {column.value} AS v, row_number() OVER () AS n FROM {quoted(side)}" for side in SIDES]
        known = f"SELECT v FROM ({sides[0]}) WHERE v IS NOT NULL"
        hits = f"SELECT * FROM ({sides[1]}) WHERE v IN ({known})"
        (count,) = self.database.row(f"SELECT count(*) FROM ({hits})")
        first = f"SELECT * FROM ({hits}) ORDER BY n LIMIT {SAMPLES}"
        pairs = f"SELECT a.n, min(b.n) FROM ({first}) AS a JOIN ({sides[0]}) AS b USING (v) GROUP BY a.n ORDER BY a.n"
        samples = self.database.rows(pairs) if count else []
        return Outcome(rule, name, count, self.thresholds[rule], count, tuple(samples))

    def _time(self, name: str) -> Outcome:
        column = next((each for each in self.columns if each.name == name), None)
        if column is None:
            return self._open("timeBackwards", "the column is not in the test set", name)
        if column.type == "VARCHAR":
            return self._open("timeBackwards", "its values are neither times nor numbers", name)
        (latest,) = self.database.row(f"SELECT count({column.value}) FROM train")
        last = f"(SELECT max({column.value}) FROM train)"
        rows = f"SELECT row_number() OVER () AS n, {column.value} AS v FROM test"
        total, count = self.database.row(f"SELECT count(v), count(*) FILTER (v < {last}) FROM ({rows})")
        if not total or not latest:
            return self._open("timeBackwards", "no time is there on one side", name)
        found = self.database.rows(f"SELECT n FROM ({rows}) WHERE v < {last} ORDER BY n LIMIT {SAMPLES}")
        samples = tuple((row, None) for (row,) in found)
        share = percent(count, total)
        return Outcome("timeBackwards", name, share, self.thresholds["timeBackwards"], count, samples)


def percent(count: int, total: int) -> float:
    """Of a count, to six digits; of nothing, 0."""
    return float(f"{100 * count / total:.6g}") if total else 0.0
