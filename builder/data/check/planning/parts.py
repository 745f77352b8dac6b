"""Whether something is promised of the parts of a column: of objects, arrays and maps. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from builder.data.contract.document import Property


def has_rules(column: Property) -> bool:
    """Whether one of its parts has rules, which are not evaluated."""
    return any(_is_held(part) or has_rules(part) for part in _parts(column))


def _parts(column: Property) -> Iterator[Property]:
    yield from column.properties
    if column.items is not None:
        yield column.items
    if column.map is not None:
        yield from (column.map.key, column.map.value)


def _is_held(part: Property) -> bool:
    return bool(part.required or part.unique or part.enum or part.quality or part.logical_type_options)
