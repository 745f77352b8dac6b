"""Nested parameters as single values by dotted names, as `--param` and searches name them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def leaves(group: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value that is no group, or an empty one, by its dotted name; the launcher has the same."""
    for name, value in group.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
