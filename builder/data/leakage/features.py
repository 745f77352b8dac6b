"""What one feature alone knows of the target: learned on training, measured on the test set, in a bounded sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.data.contract.thresholds import Threshold
from builder.data.leakage.columns import Asked, Shared
from builder.data.leakage.report import Outcome
from builder.data.leakage.rows import SIDES
from builder.data.tables.database import Database
from builder.data.tables.sql import literal, quoted

SAMPLE = 1_000_000
"""Rows of each side that are looked at: of more, those with the smallest hashes of their number."""
BINS = 50
"""Of numbers with more values than these, by quantiles of training."""
CLASSES = 20
"""More values of a target that is a number are not classes, but a quantity."""
ENOUGH = 5
"""Rows that have to have a value, for it to say something that its target is always the same."""


@dataclass(frozen=True, slots=True)
class Features:
    """What is asked about features."""

    database: Database
    columns: tuple[Shared, ...]
    asked: Asked
    target: Shared
    thresholds: Mapping[str, Threshold]

    def outcomes(self) -> Iterator[Outcome]:
        """What came of each feature. Raises: QueryError."""
        others = {self.target.name, *self.asked.ids}
        features = [(number, each) for number, each in enumerate(self.columns) if each.name not in others]
        for side in SIDES:
            self.database.rows(self._sampled(side))
        problem = self._problem()
        classes = self._classes()
        for number, feature in features:
            if problem:
                yield Outcome("singleFeature", feature.name, None, self.thresholds["singleFeature"], reason=problem)
            else:
                yield from self._of_feature(f"x{number}", feature, classes)

    def _sampled(self, side: str) -> str:
        """The statement that makes the table of a side's sample: `y`, and `x3` of column 3."""
        values = [f"{each.value} AS x{number}" for number, each in enumerate(self.columns)]
        rows = f"SELECT {self.target.value} AS y, {', '.join(values)}, hash(row_number() OVER ()) AS h FROM {side}"
        some = f"SELECT * FROM ({rows}) WHERE y IS NOT NULL"
        (total,) = self.database.row(f"SELECT count(*) FROM {side}")
        if total > SAMPLE:
            some += f" AND h <= {int(2**64 * SAMPLE / total)}"
        return f"CREATE TABLE {_sample(side)} AS {some}"

    def _problem(self) -> str:
        """Why the target of the samples cannot be predicted."""
        for side in SIDES:
            count, values = self.database.row(f"SELECT count(*), count(DISTINCT y) FROM {_sample(side)}")
            if values < 2:
                return f"the target has {'one value' if count else 'no value'} in {side}"
        return ""

    def _classes(self) -> list[Any] | None:
        """The values of the target, in order; None where it is a quantity."""
        rows = f"SELECT DISTINCT y FROM {_sample('train')} ORDER BY y LIMIT {CLASSES + 1}"
        values = [row[0] for row in self.database.rows(rows)]
        return None if self.target.is_number and len(values) > CLASSES else values

    def _of_feature(self, name: str, feature: Shared, classes: list[Any] | None) -> Iterator[Outcome]:
        binned = self._binned(name, feature)
        if classes is None:
            yield self._outcome("singleFeature", feature, self._explained(binned))
        else:
            yield self._outcome("singleFeature", feature, self._removed(binned))
            auc = self._auc(binned, classes[1]) if len(classes) == 2 else None
            if auc is not None:
                yield self._outcome("singleFeatureAuc", feature, auc)
        yield self._function(name, feature)

    def _outcome(self, rule: str, feature: Shared, measured: float) -> Outcome:
        return Outcome(rule, feature.name, float(f"{measured:.6g}"), self.thresholds[rule])

    def _binned(self, name: str, feature: Shared) -> str:
        """SQL for the bin of a value: itself, or the quantile of training that it is in; what is missing is one too."""
        rows = f"FROM {_sample('train')} WHERE {name} IS NOT NULL"
        count, values = self.database.row(f"SELECT count(*), count(DISTINCT {name}) {rows}")
        if feature.type == "VARCHAR" or values <= BINS:
            return f"coalesce(CAST({name} AS VARCHAR), '\x01')"
        bins = max(2, min(BINS, count // 10))
        shares = ", ".join(f"{number / bins:.6f}" for number in range(1, bins))
        (edges,) = self.database.row(f"SELECT quantile_disc({name}, [{shares}]) {rows}")
        cases = [f"WHEN {name} <= {_constant(edge, feature)} THEN {number}" for number, edge in enumerate(edges)]
        return f"CASE WHEN {name} IS NULL THEN -1 {' '.join(cases)} ELSE {len(edges)} END"

    def _removed(self, binned: str) -> float:
        """The share of the baseline's errors that the most frequent target of each bin does not make."""
        counted = f"SELECT {binned} AS b, y, count(*) AS c FROM {_sample('train')} GROUP BY ALL"
        ranked = f"SELECT b, y, row_number() OVER (PARTITION BY b ORDER BY c DESC, y) AS place FROM ({counted})"
        best = f"SELECT b, y AS guess FROM ({ranked}) WHERE place = 1"
        base = f"(SELECT y FROM {_sample('train')} GROUP BY y ORDER BY count(*) DESC, y LIMIT 1)"
        rows = f"SELECT {binned} AS b, y FROM {_sample('test')}"
        total, right, plain = self.database.row(
            f"SELECT count(*), count(*) FILTER (y = coalesce(guess, {base})), count(*) FILTER (y = {base}) "
            f"FROM ({rows}) LEFT JOIN ({best}) USING (b)"
        )
        errors = total - plain
        return (right - plain) / errors if errors else 0.0

    def _auc(self, binned: str, second: Any) -> float | None:
        """The area under the ROC curve of the share of the second class in each bin; None if the test set has one."""
        positive = f"y = {_constant(second, self.target)}"
        share = f"count(*) FILTER ({positive}) / count(*)"
        learned = f"SELECT {binned} AS b, {share} AS s FROM {_sample('train')} GROUP BY ALL"
        usual = f"(SELECT {share} FROM {_sample('train')})"
        rows = f"SELECT {binned} AS b, {positive} AS p FROM {_sample('test')}"
        scored = f"SELECT coalesce(s, {usual}) AS s, p FROM ({rows}) LEFT JOIN ({learned}) USING (b)"
        return area([tuple(row) for row in self.database.rows(
            f"SELECT count(*) FILTER (p), count(*) FILTER (NOT p) FROM ({scored}) GROUP BY s ORDER BY s"
        )])  # fmt: skip

    def _explained(self, binned: str) -> float:
        """R² of the mean of each bin, at least 0."""
        learned = f"SELECT {binned} AS b, favg(y) AS guess FROM {_sample('train')} GROUP BY ALL"
        usual = f"(SELECT favg(y) FROM {_sample('train')})"
        rows = f"SELECT {binned} AS b, y FROM {_sample('test')}"
        scored = f"SELECT y, coalesce(guess, {usual}) AS guess FROM ({rows}) LEFT JOIN ({learned}) USING (b)"
        mean = f"(SELECT favg(y) FROM {_sample('test')})"
        left, whole = self.database.row(f"SELECT fsum(pow(y - guess, 2)), fsum(pow(y - {mean}, 2)) FROM ({scored})")
        return max(0.0, 1 - left / whole) if whole else 0.0

    def _function(self, name: str, feature: Shared) -> Outcome:
        """Of the rows of training without the most frequent target, those whose value always has one target.

        What is missing is a value too: that it is can be what gives the target away.
        """
        base = f"(SELECT y FROM {_sample('train')} GROUP BY y ORDER BY count(*) DESC, y LIMIT 1)"
        counted = f"SELECT {name} AS v, y, count(*) AS c FROM {_sample('train')} GROUP BY ALL"
        whole = "count(*) OVER (PARTITION BY v) AS targets, sum(c) OVER (PARTITION BY v) AS n"
        values = f"SELECT y, c, {whole} FROM ({counted})"
        (pure,) = self.database.row(
            f"SELECT coalesce(sum(c) FILTER (targets = 1 AND n >= {ENOUGH} AND y <> {base}), 0) FROM ({values})"
        )
        (rows,) = self.database.row(f"SELECT count(*) FROM {_sample('train')} WHERE y <> {base}")
        return self._outcome("targetFunction", feature, float(pure) / rows if rows else 0.0)


def area(groups: list[tuple[Any, ...]]) -> float | None:
    """The area under the ROC curve, from how many of each class have each score, the lowest first."""
    positives, negatives = (sum(group[kind] for group in groups) for kind in (0, 1))
    if not positives or not negatives:
        return None
    below, total = 0, 0.0
    for positive, negative in groups:
        total += positive * (below + negative / 2)
        below += negative
    return float(total / (positives * negatives))


def _sample(side: str) -> str:
    return quoted(f"\x01{side} sample")


def _constant(value: Any, column: Shared) -> str:
    return f"CAST({literal(value)} AS {column.type})"
