"""What an expression is, once it is read. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "~"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A name, an operator and a value."""

    name: str
    """In full: `metrics.auc`."""
    operator: Operator
    value: str
    """As it was written, without quotes. What it means follows from the name and from what a run has under it."""
    amount: float | None = None
    """The number, the bytes or the seconds that the value is; None where it is none, or was quoted."""


@dataclass(frozen=True, slots=True)
class Has:
    """Whether a run has something under a name."""

    name: str


@dataclass(frozen=True, slots=True)
class Not:
    """What does not hold."""

    inner: Expression


@dataclass(frozen=True, slots=True)
class Every:
    """What holds together; without parts it holds of all runs."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """What one of holds."""

    parts: tuple[Expression, ...]


Expression = Comparison | Has | Not | Every | Some


def all_of(*parts: Expression) -> Expression:
    """What holds where all parts do."""
    return parts[0] if len(parts) == 1 else Every(parts)


def one_of(*parts: Expression) -> Expression:
    """What holds where one of the parts does."""
    return Some(parts)


def any_equal(name: str, values: Iterable[str]) -> Expression:
    """What holds where something has one of these values."""
    return Some(tuple(Comparison(name, "=", value) for value in values))


def names_of(expression: Expression) -> frozenset[str]:
    """The names, in full, that an expression asks for."""
    return frozenset(_names(expression))


def _names(expression: Expression) -> Iterator[str]:
    match expression:
        case Comparison(name=name) | Has(name=name):
            yield name
        case Not(inner=inner):
            yield from _names(inner)
        case Every(parts=parts) | Some(parts=parts):
            for part in parts:
                yield from _names(part)
