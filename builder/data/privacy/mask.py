"""What no message may have, and what stands in its place. Pure."""

from __future__ import annotations

from builder.data.contract.document import Property

MASK = "***"


def is_confidential(column: Property) -> bool:
    """Whether no message may have a value of it: it has a class other than `public`, or a role in privacy."""
    return column.is_confidential


def masked(value: object) -> str:
    """What stands for a value: always the same, as a form or a length can give somebody away. None is `null`."""
    return "null" if value is None else MASK
