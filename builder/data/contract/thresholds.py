"""The one vocabulary of thresholds, ODCS's: `mustBeLessThan: 5`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

_HOLDS: dict[str, Callable[[Any, Any], bool]] = {
    "mustBe": lambda value, limit: bool(value == limit),
    "mustNotBe": lambda value, limit: bool(value != limit),
    "mustBeGreaterThan": lambda value, limit: bool(value > limit),
    "mustBeGreaterOrEqualTo": lambda value, limit: bool(value >= limit),
    "mustBeLessThan": lambda value, limit: bool(value < limit),
    "mustBeLessOrEqualTo": lambda value, limit: bool(value <= limit),
    "mustBeBetween": lambda value, limit: bool(limit[0] <= value <= limit[1]),
    "mustNotBeBetween": lambda value, limit: not limit[0] <= value <= limit[1],
}
OPERATORS = tuple(_HOLDS)


@dataclass(frozen=True, slots=True)
class Threshold:
    """What a measured value is held to."""

    operator: str
    """One of `OPERATORS`; of `Between`, both ends belong to it."""
    limit: Any
    """A number; two of them for `Between`; any value for `mustBe` and `mustNotBe`."""

    def holds(self, value: Any) -> bool:
        """Whether a value is as it must be. Raises: TypeError, if it cannot be compared."""
        return _HOLDS[self.operator](value, self.limit)

    def to_dict(self) -> dict[str, Any]:
        """As a contract has it."""
        return {self.operator: list(self.limit) if isinstance(self.limit, tuple) else self.limit}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Threshold:
        """The one of a mapping with one operator. Raises: ValueError, if it has none, or more."""
        found = [name for name in OPERATORS if document.get(name) is not None]
        if len(found) != 1:
            raise ValueError(
                "it needs one of " + ", ".join(OPERATORS) if not found else f"it has {' and '.join(found)}"
            )
        limit = document[found[0]]
        if found[0].endswith("Between"):
            if not isinstance(limit, (list, tuple)) or len(limit) != 2 or not all(map(_is_number, limit)):
                raise ValueError(f"{found[0]} needs two numbers, the smaller one first")
            if limit[0] >= limit[1]:
                raise ValueError(f"{found[0]} needs two numbers, the smaller one first")
            limit = (limit[0], limit[1])
        elif found[0] not in ("mustBe", "mustNotBe") and not _is_number(limit):
            raise ValueError(f"{found[0]} needs a number")
        return cls(found[0], limit)

    def __str__(self) -> str:
        """For people: `mustBeLessThan 5`."""
        return f"{self.operator} {list(self.limit) if isinstance(self.limit, tuple) else self.limit}"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
