"""What no message may have, and what stands in its place. Pure."""

from __future__ import annotations

MASK = "***"


def masked(value: object) -> str:
    """What stands for a value: always the same, as a form or a length can give somebody away. None is `null`."""
    return "null" if value is None else MASK
