"""Limits and thresholds compared: which of two lets more through. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from builder.data.contract.thresholds import Threshold

Direction = Literal["same", "narrower", "wider", "other"]
_LOWEST = ("minimum", "exclusiveMinimum")
_HIGHEST = ("maximum", "exclusiveMaximum")


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range."""

    value: Any = None
    """None where there is no end."""
    exclusive: bool = False
    """Whether the value itself is outside."""


Range = tuple[Bound, Bound]


def range_of(options: Mapping[str, Any]) -> Range:
    """The range that the options of a column leave."""
    return _tightest(options, _LOWEST, lowest=True), _tightest(options, _HIGHEST, lowest=False)


def range_of_threshold(threshold: Threshold) -> Range | None:
    """The values that a threshold lets through, if they are a range."""
    limit = threshold.limit
    ranges = {
        "mustBe": (Bound(limit), Bound(limit)),
        "mustBeGreaterThan": (Bound(limit, exclusive=True), Bound()),
        "mustBeGreaterOrEqualTo": (Bound(limit), Bound()),
        "mustBeLessThan": (Bound(), Bound(limit, exclusive=True)),
        "mustBeLessOrEqualTo": (Bound(), Bound(limit)),
    }
    if threshold.operator == "mustBeBetween":
        return Bound(limit[0]), Bound(limit[1])
    return ranges.get(threshold.operator)


def direction(old: Range, new: Range) -> Direction:
    """Whether the new range is within the old one, around it, the same or neither."""
    if old == new:
        return "same"
    try:
        inside = _within(new, old)
        outside = _within(old, new)
    except TypeError:
        return "other"
    if inside and outside:
        return "same"
    return "narrower" if inside else "wider" if outside else "other"


def of_thresholds(old: Threshold, new: Threshold) -> Direction:
    """Which of two thresholds lets more through."""
    if old == new:
        return "same"
    ranges = range_of_threshold(old), range_of_threshold(new)
    return direction(ranges[0], ranges[1]) if ranges[0] is not None and ranges[1] is not None else "other"


def _tightest(options: Mapping[str, Any], names: tuple[str, str], *, lowest: bool) -> Bound:
    found = [Bound(options[name], name.startswith("excl")) for name in names if options.get(name) is not None]
    if len(found) < 2:
        return found[0] if found else Bound()
    try:
        if found[0].value == found[1].value:
            return found[1]  # the one that is exclusive
        return found[0] if (found[0].value > found[1].value) is lowest else found[1]
    except TypeError:
        return found[0]


def _within(inner: Range, outer: Range) -> bool:
    return _at_least(inner[0], outer[0]) and _at_most(inner[1], outer[1])


def _at_least(inner: Bound, outer: Bound) -> bool:
    if outer.value is None:
        return True
    if inner.value is None:
        return False
    if inner.value == outer.value:
        return inner.exclusive or not outer.exclusive
    return bool(inner.value > outer.value)


def _at_most(inner: Bound, outer: Bound) -> bool:
    if outer.value is None:
        return True
    if inner.value is None:
        return False
    if inner.value == outer.value:
        return inner.exclusive or not outer.exclusive
    return bool(inner.value < outer.value)
