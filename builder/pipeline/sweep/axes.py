"""What `--sweep` says: a parameter, or the seed, with the values that it takes. Pure."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from builder.errors import EnvbuildError

MOST_POINTS = 10_000
"""Of one sweep."""
SEED = "seed"
_LOG = "log:"
_DIGITS = 6
"""Of a number that is drawn."""
_EXPONENT = 300
_PAIR = re.compile(r"([A-Za-z_][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:\.\.({_NUMBER}))?")


@dataclass(frozen=True, slots=True)
class Span:
    """All numbers between two, to draw from."""

    low: float
    high: float
    scale: Literal["linear", "log"] = "linear"
    whole: bool = False
    """Whether only whole numbers are drawn; both ends are among them."""

    def at(self, place: float) -> str:
        """The number at a place from 0 (the low end) to 1, as text."""
        low, high = (self.low - 0.5, self.high + 0.5) if self.whole else (self.low, self.high)
        if self.scale == "log":
            low, high = math.log(low), math.log(high)
        value = low + place * (high - low)
        value = math.exp(value) if self.scale == "log" else value
        if self.whole:
            return str(min(max(round(value), int(self.low)), int(self.high)))
        return repr(float(f"{min(max(value, self.low), self.high):.{_DIGITS}g}"))


@dataclass(frozen=True, slots=True)
class Axis:
    """A parameter, or `seed`, and what it is tried with."""

    name: str
    values: tuple[str, ...] = ()
    """As `--param` takes them."""
    span: Span | None = None
    """Instead of values, numbers to draw from."""
    text: str = ""
    """As it was written."""


def parse_axes(texts: Sequence[str], *, drawn: bool = False) -> tuple[Axis, ...]:
    """The axes of `NAME=VALUES` texts; `drawn` says that values are drawn, so that a range may be one of numbers.

    Raises: EnvbuildError, telling all that are none.
    """
    axes: list[Axis] = []
    problems: list[str] = []
    for text in texts:
        try:
            axis = _axis(text, drawn)
        except ValueError as error:
            problems.append(f"`{text[:100]}`: {error}")
            continue
        if any(axis.name == other.name for other in axes):
            problems.append(f"`{text[:100]}`: `{axis.name}` is given twice")
        axes.append(axis)
    if problems:
        hint = "Write `lr=0.1,0.01 seed=1..5`; with `--random N` also `lr=log:0.0001..0.1`"
        raise EnvbuildError("`--sweep` cannot be read", problems, hint)
    return tuple(axes)


def _axis(text: str, drawn: bool) -> Axis:
    match = _PAIR.fullmatch(text)
    if match is None:
        raise ValueError("a name, `=` and values are expected")
    name, values = match.groups()
    drawn = drawn and name != SEED
    span = _span(values) if drawn or values.startswith(_LOG) else None
    if span and not drawn:
        raise ValueError("it is to be drawn from, which takes `--random N` or `--driver optuna`")
    if span:
        return Axis(name, span=span, text=text)
    found = _values(values)
    if name == SEED and not all(value.isdecimal() and int(value) < 1 << 32 for value in found):
        raise ValueError("seeds are whole numbers from 0 to 4294967295")
    return Axis(name, found, text=text)


def _values(text: str) -> tuple[str, ...]:
    try:
        items = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise ValueError(f"{error}; values stand between commas, those with a comma in quotes") from error
    found: list[str] = []
    for item in items:
        found += _range(item) if _RANGE.fullmatch(item) else [item]
        if len(found) > MOST_POINTS:
            raise ValueError(f"it has more than {MOST_POINTS} values")
    if not found or any(value == "" for value in found):
        raise ValueError("a value is missing")
    twice = [value for value in dict.fromkeys(found) if found.count(value) > 1] if len(found) < MOST_POINTS else []
    if twice:
        raise ValueError(f"`{twice[0]}` is given twice")
    return tuple(found)


def _range(text: str) -> list[str]:
    """`1..5`, `1..10..2`, `0.1..0.5..0.1`: both ends are among them, where the steps come to the upper one."""
    low, high, step = _bounds(text)
    if step is None:
        if low != low.to_integral_value() or high != high.to_integral_value():
            raise ValueError("a range of fractions takes a step (`0.1..0.5..0.1`), or `--random N`, which draws")
        step = Decimal(1)
    if step <= 0 or high < low:
        raise ValueError("a range goes up: `1..5`, `1..10..2`")
    count = int((high - low) / step) + 1
    if count > MOST_POINTS:
        raise ValueError(f"it has more than {MOST_POINTS} values")
    return [f"{(low + number * step).normalize():f}" for number in range(count)]


def _span(text: str) -> Span | None:
    """What a single range without a step is drawn from; None of other values, which are chosen from."""
    log = text.startswith(_LOG)
    inner = text.removeprefix(_LOG)
    match = _RANGE.fullmatch(inner)
    if match is None or match[3] is not None:
        if log:
            raise ValueError("`log:` goes before a range: `log:0.0001..0.1`")
        return None
    low, high, _ = _bounds(inner)
    if high <= low or (log and low <= 0):
        raise ValueError("a range goes up, and one of `log:` starts above 0")
    whole = all(re.fullmatch(r"[+-]?[0-9]+", match[group]) for group in (1, 2))
    return Span(float(low), float(high), "log" if log else "linear", whole)


def _bounds(text: str) -> tuple[Decimal, Decimal, Decimal | None]:
    match = _RANGE.fullmatch(text)
    if match is None:
        raise ValueError("a range is two numbers with `..` between")
    low, high, step = (None if part is None else Decimal(part) for part in match.groups())
    if low is None or high is None or any(one and abs(one.adjusted()) > _EXPONENT for one in (low, high, step)):
        raise ValueError("its numbers are too large, or too small")
    return low, high, step


def check_names(axes: Iterable[Axis], known: Iterable[str], near: Callable[[str, list[str]], str | None]) -> None:
    """Raises: EnvbuildError, if an axis is neither the seed nor a parameter of the command; `near` finds the like."""
    names = list(known)
    unknown = [axis.name for axis in axes if axis.name != SEED and axis.name not in names]
    if unknown:
        problems = [f"there is no parameter `{name}`" + _meant(near(name, names)) for name in unknown]
        raise EnvbuildError("`--sweep` names what the command does not take", problems, _listed(names))


def _meant(hint: str | None) -> str:
    return f": {hint}" if hint else ""


def _listed(names: list[str]) -> str:
    return f"It takes `seed` and {', '.join(f'`{name}`' for name in names[:20]) or 'no parameter'}"
