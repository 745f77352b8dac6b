"""A contract's promises of a table as rules, in its order. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from builder.data.check.planning.columns import column_rules, column_subject
from builder.data.check.planning.keys import key_rules, relationship_rules
from builder.data.check.planning.quality import quality_rules
from builder.data.check.planning.service_levels import service_level_rules
from builder.data.check.rule import Known, Rule, Subject

CLOSED = "closed"
"""The custom property of a table that may have no other columns."""


def planned(subject: Subject) -> list[Rule]:
    """All rules of a table; each has an id of its own."""
    return list(_named_apart(_rules(subject)))


def extra_columns(subject: Subject) -> tuple[str, ...]:
    """The columns of the file that the contract does not name."""
    known = {each.column for each in subject.promised.properties}
    return tuple(each.name for each in subject.table.columns if each.name not in known)


def _rules(subject: Subject) -> Iterator[Rule]:
    if subject.promised.custom(CLOSED):
        yield _closed_rule(subject)
    columns = [column_subject(subject, number) for number in range(len(subject.promised.properties))]
    for column in columns:
        yield from column_rules(column)
        yield from quality_rules(subject, column)
        yield from relationship_rules(subject, column)
    yield from key_rules(subject, columns)
    yield from quality_rules(subject, None)
    yield from relationship_rules(subject, None)
    yield from service_level_rules(subject)


def _closed_rule(subject: Subject) -> Rule:
    extra = extra_columns(subject)
    return Rule(
        id=f"{subject.promised.name}.{CLOSED}",
        table=subject.promised.name,
        column=None,
        kind=CLOSED,
        text="there are no other columns",
        measure=Known(len(extra), ", ".join(f"`{name}`" for name in extra)),
        unit="columns",
        line=subject.line(f"{subject.place}.customProperties"),
    )


def _named_apart(rules: Iterator[Rule]) -> Iterator[Rule]:
    taken: set[str] = set()
    for rule in rules:
        name, number = rule.id, 2
        while name in taken:
            name, number = f"{rule.id}-{number}", number + 1
        taken.add(name)
        yield replace(rule, id=name)
