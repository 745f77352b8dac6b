"""What is promised of the parts of a column: of objects, arrays and maps. Pure.

Their types are told by the type that the file has for the column, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.data.check.planning.types import stored_problem
from builder.data.contract.document import Property

_WORD = re.compile(r'"(?:[^"]|"")*"|[(),]|[^"(),]+')


def has_rules(column: Property) -> bool:
    """Whether one of its parts has rules, which are not evaluated."""
    return any(_is_held(part) or has_rules(part) for part in _parts(column))


def has_types(column: Property) -> bool:
    """Whether the type of one of its parts is promised."""
    return any(part.logical_type or has_types(part) for part in _parts(column))


def parts_fit(column: Property, stored: str) -> bool:
    """Whether DuckDB's type of a column says that all its parts are there, and of the types that are promised."""
    if column.items is not None and not (stored.endswith("[]") and _fits(column.items, stored[:-2])):
        return False
    if column.map is not None:
        pair = _inner(stored, "MAP")
        if len(pair) != 2 or not all(map(_fits, (column.map.key, column.map.value), pair)):
            return False
    fields = dict(filter(None, map(_named, _inner(stored, "STRUCT")))) if column.properties else {}
    return all(each.column in fields and _fits(each, fields[each.column]) for each in column.properties)


def _fits(part: Property, stored: str) -> bool:
    is_of_type = part.logical_type is None or (stored != "JSON" and stored_problem(part.logical_type, stored) is None)
    return is_of_type and parts_fit(part, stored)


def _inner(stored: str, kind: str) -> list[str]:
    """What is between the brackets of a type, at its commas: `a INTEGER`, `"b c" VARCHAR[]`."""
    if not (stored.startswith(f"{kind}(") and stored.endswith(")")):
        return []
    found, depth = [""], 0
    for word in _WORD.findall(stored[len(kind) + 1 : -1]):
        depth += (word == "(") - (word == ")")
        if word == "," and not depth:
            found.append("")
        else:
            found[-1] += word
    return [each.strip() for each in found]


def _named(field: str) -> tuple[str, str] | None:
    """The name and the type of a field of a STRUCT."""
    found = re.fullmatch(r'(?:"((?:[^"]|"")*)"|(\S+))\s+(.+)', field, re.DOTALL)
    return ((found[1] or "").replace('""', '"') or found[2] or "", found[3]) if found else None


def _parts(column: Property) -> Iterator[Property]:
    yield from column.properties
    if column.items is not None:
        yield column.items
    if column.map is not None:
        yield from (column.map.key, column.map.value)


def _is_held(part: Property) -> bool:
    return bool(part.required or part.unique or part.enum or part.quality or part.logical_type_options)
