"""References between tables: `TABLE.COLUMN`, or by ids `schema/ID/properties/ID`. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.data.contract.common import Problems
from builder.spec.reader import nearest

if TYPE_CHECKING:
    from builder.data.contract.document import Contract, Property, Relationship, SchemaObject


def is_external(reference: str) -> bool:
    """Whether a reference is to another contract, which is not looked at."""
    return "#" in reference


def resolve(contract: Contract, reference: str) -> tuple[SchemaObject, Property] | None:
    """The table and the column of a reference within a contract; None if there is none, or it is elsewhere."""
    if is_external(reference):
        return None
    parts = reference.strip("/").split("/")
    if len(parts) == 4 and parts[0] == "schema" and parts[2] == "properties":
        names = (parts[1], parts[3])
    else:
        table, _, column = reference.partition(".")
        names = (table, column)
    for table_ in contract.schema:
        if table_ is not None and names[0] in (table_.name, table_.physical_name, table_.id):
            for each in table_.properties:
                if each is not None and names[1] in (each.name, each.physical_name, each.id):
                    return table_, each
    return None


def as_references(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    """One reference or several, as several."""
    return (value,) if isinstance(value, str) else tuple(value or ())


def relationship_problems(contract: Contract) -> Problems:
    """Which relationships are to tables or columns that there are not."""
    known = [
        f"{table.name}.{each.name}"
        for table in contract.schema
        if table is not None
        for each in table.properties
        if each is not None
    ]
    for place, relationship in _relationships(contract):
        sides = {"to": relationship.to, "from": relationship.from_}
        for side, value in sides.items():
            for number, reference in enumerate(as_references(value)):
                if reference and not is_external(reference) and resolve(contract, reference) is None:
                    where = f"{place}.{side}" + ("" if isinstance(value, str) else f"[{number}]")
                    yield where, f"there is no column `{reference}`", nearest(reference, known)
        if relationship.from_ is not None and relationship.to is not None:
            if isinstance(relationship.from_, str) != isinstance(relationship.to, str):
                yield place, "`from` and `to` are both one reference, or both a list of them", None
            elif len(as_references(relationship.from_)) != len(as_references(relationship.to)):
                yield place, "`from` and `to` name as many columns each", None
        if relationship.to == ():
            yield f"{place}.to", "it names no column", None


def _relationships(contract: Contract) -> Iterator[tuple[str, Relationship]]:
    for number, table in enumerate(contract.schema):
        if table is None:
            continue
        for index, each in enumerate(table.relationships):
            if each is not None:
                yield f"schema[{number}].relationships[{index}]", each
        for position, column in enumerate(table.properties):
            for index, each in enumerate(column.relationships if column is not None else ()):
                if each is not None:
                    yield f"schema[{number}].properties[{position}].relationships[{index}]", each
