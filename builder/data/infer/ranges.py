"""Limits around what was seen, rounded outward. Pure."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal

_EXACT = Context(prec=60)
_WHOLE = 10**15
"""Numbers below it that are whole are written so."""
Number = int | float


def outward(least: Number, most: Number) -> tuple[Number, Number]:
    """Two round numbers around all that was seen: to a tenth of the next power of ten below their distance.

    >>> outward(172, 231)
    (170, 240)
    """
    low, high = Decimal(repr(least)), Decimal(repr(most))
    width = _EXACT.subtract(high, low) or abs(high) or Decimal(1)
    step = Decimal(1).scaleb(width.adjusted() - (0 if width.scaleb(-width.adjusted()) >= 2 else 1))
    if isinstance(least, int) and isinstance(most, int):
        step = max(step, Decimal(1))
    low, high = _to(low, step, ROUND_FLOOR), _to(high, step, ROUND_CEILING)
    if isinstance(least, int) and isinstance(most, int):
        return int(low), int(high)
    rounded = _number(low), _number(high)
    return rounded if all(map(math.isfinite, rounded)) else (least, most)


def share_with_slack(missing: int, rows: int) -> int:
    """A limit of the share of missing values, in percent: a fifth more than was seen, and one."""
    return min(100, -(-missing * 120 // max(rows, 1)) + 1)


def rows_at_least(rows: int) -> int:
    """A limit of the number of rows: half of those seen, rounded down to one digit."""
    half = str(rows // 2)
    return int(half[0] + "0" * (len(half) - 1))


def _to(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return _EXACT.multiply(_EXACT.divide(value, step).to_integral_value(rounding, _EXACT), step)


def _number(value: Decimal) -> Number:
    whole = abs(value) < _WHOLE and value == value.to_integral_value(context=_EXACT)
    return int(value) if whole else float(value)
