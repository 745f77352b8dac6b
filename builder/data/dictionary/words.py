"""What a contract says of a column, in words for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.data.contract.common import Definition, EnumValue
from builder.data.contract.document import Contract, Property, SchemaObject
from builder.data.contract.references import as_references
from builder.data.dictionary.entries import Link

_ENDS = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("exclusiveMaximum", "below"))


def limits_of(options: Mapping[str, Any]) -> str:
    """`from 30 to 65`, `pattern P[0-9]{5}`, `1 to 20 characters`."""
    ends = [f"{word} {options[name]}" for name, word in _ENDS if options.get(name) is not None]
    shortest, longest = options.get("minLength"), options.get("maxLength")
    length = [f"{word} {value}" for word, value in (("from", shortest), ("to", longest)) if value is not None]
    parts = [" ".join(ends), " ".join([*length, "characters"]) if length else ""]
    parts += [f"{name} {options[name]}" for name in ("pattern", "format") if options.get(name)]
    if options.get("multipleOf"):
        parts.append(f"in steps of {options['multipleOf']}")
    return ", ".join(filter(None, parts))


def allowed_of(column: Property) -> tuple[str, ...]:
    """The values that a column may have, those of v3.2 with what people call them."""
    if column.enum:
        return tuple(map(_enum_value, column.enum))
    return tuple(str(value) for value in column.allowed or ())


def _enum_value(each: Any) -> str:
    if isinstance(each, EnumValue):
        return f"{each.value} ({each.label})" if each.label else str(each.value)
    return str(each)


def patterns_of(column: Property) -> Iterator[str]:
    """The patterns that rules ask for."""
    for rule in column.quality:
        if rule.measures == "invalidValues" and rule.arguments.get("pattern"):
            yield f"pattern {rule.arguments['pattern']}"


def key_of(table: SchemaObject, column: Property) -> str:
    """Whether a column is a key, and of what."""
    words = []
    keys = table.primary_key
    if column.primary_key:
        words.append("primary key" if len(keys) == 1 else f"primary key, part {keys.index(column) + 1} of {len(keys)}")
    words += [f"refers to {reference}" for reference in references_of(table, column)]
    return "; ".join(words)


def references_of(table: SchemaObject, column: Property) -> Iterator[str]:
    """The columns of other tables that have a column's values."""
    for relationship in column.relationships:
        yield from as_references(relationship.to)
    for relationship in table.relationships:
        own = [each.rpartition(".")[2].rpartition("/")[2] for each in as_references(relationship.from_)]
        for name, to in zip(own, as_references(relationship.to), strict=False):
            if name in (column.name, column.physical_name, column.id):
                yield to


def made_of(column: Property) -> str:
    """How a column is made."""
    return " ".join(filter(None, (column.transform_description, column.transform_logic)))


def team_of(contract: Contract) -> str:
    """Who looks after data: the team, and those in it who own them."""
    name = getattr(contract.team, "name", "")
    owners = [
        each.name or each.username
        for each in contract.members
        if not each.date_out and "owner" in (each.role or "").casefold()
    ]
    people = ", ".join(owners)
    return f"{name} ({people})" if name and people else name or people


def links_of(definitions: Iterable[Definition]) -> tuple[Link, ...]:
    """Where more is said."""
    return tuple(Link(each.url, each.description or each.type) for each in definitions)


def flattened(columns: Iterable[Property], prefix: str = "") -> Iterator[tuple[str, Property]]:
    """The columns and what they consist of, with their names: `address.city`, `tags[]`."""
    for column in columns:
        name = prefix + column.name
        yield name, column
        yield from flattened(column.properties, f"{name}.")
        if column.items is not None:
            yield from flattened(column.items.properties, f"{name}[].")
