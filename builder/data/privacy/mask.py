"""Which values no message may have, and what stands in their place. Pure."""

from __future__ import annotations

from builder.data.contract.document import Property

_OPEN = frozenset(("public",))
MASK = "***"


def is_confidential(column: Property) -> bool:
    """Whether no message may have a value of it: it has a class other than `public`, or a role in privacy."""
    classified = column.classification is not None and column.classification.strip().lower() not in _OPEN
    return classified or column.custom("privacyRole") is not None


def masked(value: object) -> str:
    """What stands for a value: always the same, as a form or a length can give somebody away. None is `null`."""
    return "null" if value is None else MASK
