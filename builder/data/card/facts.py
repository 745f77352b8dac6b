"""What a contract says of a table's columns and of their use, in the words of Croissant. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from builder.data.contract.document import Contract, Property, SchemaObject
from builder.data.contract.references import as_references, resolve
from builder.records.croissant import RAI_TERMS
from builder.records.subject import DatasetColumn


def described(contract: Contract, table: SchemaObject, data: Mapping[str, str]) -> tuple[DatasetColumn, ...]:
    """The columns of a table; `data` has the data entry of each table of the contract that there is one of."""
    return tuple(
        DatasetColumn(
            column.column,
            column.logical_type or "",
            meaning(column),
            column.required or column.primary_key,
            references_of(contract, column, data),
        )
        for column in table.properties
    )


def meaning(column: Property) -> str:
    """What a column is, in a line: its name for people, what it means, its unit and class."""
    named = column.business_name if column.business_name and column.business_name != column.name else ""
    unit = f"Unit: {column.unit}" if column.unit else ""
    classed = f"Classification: {column.classification}" if column.classification else ""
    return ". ".join(text.strip().rstrip(".") for text in (named, column.description, unit, classed) if text) + (
        "." if named or column.description or unit or classed else ""
    )


def references_of(contract: Contract, column: Property, data: Mapping[str, str]) -> tuple[str, str] | None:
    """The data entry and the column that have a column's values too; None if there is none that is known."""
    for relationship in column.relationships:
        for reference in as_references(relationship.to)[:1]:
            found = resolve(contract, reference)
            if found and found[0].name in data:
                return data[found[0].name], found[1].column
    return None


def terms_of(contract: Contract, table: SchemaObject) -> dict[str, tuple[str, ...]]:
    """What is said of the use of data, by the names of Croissant's RAI vocabulary.

    Beside ODCS's `description`, custom properties with these names are taken, of the contract or of the table.
    """
    found: dict[str, list[str]] = {}
    if contract.description:
        for name, text in (
            ("dataUseCases", contract.description.purpose),
            ("dataUseCases", contract.description.usage),
            ("dataLimitations", contract.description.limitations),
        ):
            if text:
                found.setdefault(name, []).append(text.strip())
    for column in table.properties:
        if column.is_confidential:
            known = column.classification or column.custom("privacyRole")
            found.setdefault("personalSensitiveInformation", []).append(f"column {column.name}: {known}")
    for owner in (contract, table):
        for name in RAI_TERMS:
            value = owner.custom(name)
            if value is not None:
                found.setdefault(name, []).extend(map(str, value if isinstance(value, (list, tuple)) else [value]))
    return {name: tuple(texts) for name, texts in sorted(found.items())}
