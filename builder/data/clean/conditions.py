"""Which values of a column are invalid, and which are outliers, as SQL: the limits that `data check` looks at. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from builder.data.check.planning.limits import limits_of, not_among, not_matching
from builder.data.check.rule import Refused, Rows
from builder.data.clean.rules import ColumnRules
from builder.data.contract.cleaning import ENDS
from builder.data.tables.files import Column
from builder.data.tables.sql import quoted
from builder.errors import EnvbuildError


def outliers(rules: ColumnRules, value: str, type_: str) -> Iterator[str]:
    """The conditions of values outside of the declared range; `value` is the name of what has them, as read."""
    yield from _limits(rules, value, type_, rules.outliers, ranges=True)


def invalid(rules: ColumnRules, value: str, type_: str) -> Iterator[str]:
    """The conditions of values that are not as the contract lets them be; NaN is no number."""
    if type_ in ("FLOAT", "DOUBLE"):
        yield f"isnan({quoted(value)})"
    yield from _limits(rules, value, type_, rules.invalid, ranges=False)
    for rule in rules.column.quality:
        if rule.measures == "invalidValues" and not rule.threshold.holds(1):
            if rule.arguments.get("validValues"):
                yield not_among(quoted(value), rule.arguments["validValues"], type_)
            if rule.arguments.get("pattern"):
                yield not_matching(quoted(value), rule.arguments["pattern"])


def _limits(rules: ColumnRules, value: str, type_: str, action: str, *, ranges: bool) -> Iterator[str]:
    promised = dataclasses.replace(rules.column, name=value, physical_name=None)
    for limit in limits_of(promised, Column(value, type_, type_)):
        if (limit.kind in ENDS) != ranges:
            continue
        if isinstance(limit.measure, Rows):
            yield limit.measure.condition
        elif isinstance(limit.measure, Refused) and action != "keep":
            raise EnvbuildError(
                f"the column `{rules.column.column}` cannot be cleaned as it is declared", limit.measure.reason
            )
