"""Keys of a table, and values that must be in another one, as rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder.data.check.planning.columns import NOT_THERE, ColumnSubject
from builder.data.check.rule import Measure, Refused, Repeated, Rows, Rule, Subject
from builder.data.contract.document import Property, Relationship, SchemaObject
from builder.data.contract.references import as_references, is_external, resolve
from builder.data.tables.database import quoted


def key_rules(subject: Subject, columns: Sequence[ColumnSubject]) -> Iterator[Rule]:
    """That no part of the primary key is missing, and that no key is there twice."""
    by_name = {each.promised.name: each for each in columns}
    parts = [by_name[each.name] for each in subject.promised.primary_key]
    for part in parts:
        if part.column is None:
            yield part.rule("primaryKey", "no part of the key is missing", Refused(NOT_THERE), ".primaryKey")
        elif not part.promised.required:
            condition = Rows(f"{part.original} IS NULL")
            yield part.rule("primaryKey", "no part of the key is missing", condition, ".primaryKey")
    present = [part for part in parts if part.column is not None]
    if present == parts and parts and not (len(parts) == 1 and parts[0].promised.unique):
        yield _rule_of(
            subject,
            [part.promised for part in parts],
            "primaryKeyUnique",
            "no key is there twice",
            Repeated(tuple(part.value for part in parts)),
            parts[0].place + ".primaryKey",
        )


def relationship_rules(subject: Subject, column: ColumnSubject | None) -> Iterator[Rule]:
    """That the values of columns are in another table; of a column's own relationships, or of the table's."""
    owner = column.promised if column else subject.promised
    place = column.place if column else subject.place
    for number, relationship in enumerate(owner.relationships):
        yield _relationship_rule(subject, relationship, column, f"{place}.relationships[{number}]")


def _relationship_rule(subject: Subject, relationship: Relationship, column: ColumnSubject | None, place: str) -> Rule:
    to = as_references(relationship.to)
    own = [column.promised] if column else _columns(subject, as_references(relationship.from_))
    measure = _reference(subject, own, to)
    text = f"values are in {', '.join(to)}"
    name = relationship.id or f"{subject.promised.name}.{'-'.join(each.name for each in own) or '?'}.relationship"
    return _rule_of(subject, own, "relationship", text, measure, place, name)


def _columns(subject: Subject, references: tuple[str, ...]) -> list[Property]:
    found = [resolve(subject.contract, reference) for reference in references]
    return [each[1] for each in found if each is not None and each[0].name == subject.promised.name]


def _reference(subject: Subject, own: list[Property], to: tuple[str, ...]) -> Measure:
    """Rows whose values are all there, but not together in a row of the other table."""
    if any(is_external(each) for each in to):
        return Refused("another contract is not looked at")
    found = [resolve(subject.contract, each) for each in to]
    targets = [each for each in found if each is not None]
    if not own or len(targets) != len(to) or len(own) != len(to) or len({each[0].name for each in targets}) != 1:
        return Refused("its columns are not in the contract, or are not as many on both sides")
    other: SchemaObject = targets[0][0]
    if other.name not in subject.tables:
        return Refused(f"the table `{other.name}` is not here")
    missing = _absent(subject, subject.promised, own) or _absent(subject, other, [each[1] for each in targets])
    if missing:
        return Refused(missing)
    pairs = [
        (quoted(mine.column), f"other.{quoted(theirs.column)}") for mine, (_, theirs) in zip(own, targets, strict=True)
    ]
    there = " AND ".join(f"{mine} IS NOT NULL" for mine, _ in pairs)
    equal = " AND ".join(f"{theirs} = paired.{mine}" for mine, theirs in pairs)
    return Rows(f"{there} AND NOT EXISTS (SELECT 1 FROM {quoted(other.name)} AS other WHERE {equal})", apart=True)


def _absent(subject: Subject, table: SchemaObject, columns: list[Property]) -> str | None:
    opened = subject.tables[table.name]
    for column in columns:
        if opened.column(column.column) is None:
            return f"the column `{column.column}` is not in the file of `{table.name}`"
    return None


def _rule_of(
    subject: Subject,
    columns: list[Property],
    kind: str,
    text: str,
    measure: Measure,
    place: str,
    name: str = "",
) -> Rule:
    names = ", ".join(each.name for each in columns) or None
    there = all(subject.table.column(each.column) is not None for each in columns)
    return Rule(
        id=name or f"{subject.promised.name}.{kind}",
        table=subject.promised.name,
        column=names,
        kind=kind,
        text=text,
        measure=measure,
        unit="values" if isinstance(measure, Repeated) else "rows",
        line=subject.line(place),
        shown=tuple(quoted(each.column) for each in columns) if there else (),
        masked=any(each.is_confidential for each in columns),
    )
