"""Whether an expression holds of a run. Pure.

What a run does not have makes a comparison false, `!=` too; so does a metric that is not a number, which compares
to nothing.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from builder.history.search.expression import Comparison, Every, Expression, Has, Not
from builder.history.search.facts import Fact, kind_of

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def holds(expression: Expression, facts: Mapping[str, Fact]) -> bool:
    """Whether `expression` is true of a run with these facts."""
    if isinstance(expression, Comparison):
        fact = facts.get(expression.name)
        return fact is not None and _compare(expression, fact)
    if isinstance(expression, Has):
        return expression.name in facts
    if isinstance(expression, Not):
        return not holds(expression.inner, facts)
    if isinstance(expression, Every):
        return all(holds(part, facts) for part in expression.parts)
    return any(holds(part, facts) for part in expression.parts)


def _compare(wanted: Comparison, fact: Fact) -> bool:
    values = fact if isinstance(fact, list) else [fact]
    if wanted.operator == "~":
        return any(wanted.value.lower() in _text(one).lower() for one in values)
    if wanted.name.startswith("metrics."):
        values = [one for one in map(_number, values) if one is not None]
    if wanted.operator == "!=":
        return bool(values) and not any(_equal(wanted, one) for one in values)
    if wanted.operator == "=":
        return any(_equal(wanted, one) for one in values)
    return any(_ordered(wanted, one) for one in values)


def _number(value: Any) -> Any:
    """A metric that was written as a word, as the number that it is; None of what is not a number."""
    if isinstance(value, str) and value.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        value = float(value)
    return None if isinstance(value, float) and math.isnan(value) else value


def _equal(wanted: Comparison, value: Any) -> bool:
    kind = kind_of(wanted.name)
    if kind == "digest":
        return _text(value).removeprefix("sha256:").startswith(wanted.value)
    if kind == "time":
        return _text(value).startswith(wanted.value)
    if wanted.amount is not None and isinstance(value, (int, float)) and not isinstance(value, bool):
        return bool(value == wanted.amount)
    if isinstance(value, bool):
        return wanted.value.lower() == _text(value)
    return isinstance(value, str) and value == wanted.value


def _ordered(wanted: Comparison, value: Any) -> bool:
    order = _ORDER[wanted.operator]
    if kind_of(wanted.name) == "time":
        return order(_text(value)[: len(wanted.value)], wanted.value)
    if isinstance(value, bool):
        return False
    if isinstance(value, (int, float)):
        return wanted.amount is not None and order(value, wanted.amount)
    return wanted.amount is None and order(value, wanted.value)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
