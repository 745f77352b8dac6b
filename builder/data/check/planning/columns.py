"""What a contract says of a column, as rules: there, of its type, not missing, not twice, within its limits. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from builder.data.check.planning.limits import Limit, limits_of
from builder.data.check.planning.parts import has_rules, has_types, parts_fit
from builder.data.check.planning.types import misfit, stored_problem
from builder.data.check.rule import Known, Measure, Refused, Repeated, Rows, Rule, Subject
from builder.data.contract.document import Property
from builder.data.tables.database import quoted, unread
from builder.data.tables.files import Column

NOT_THERE = "the column is not in the file"
_PARTS = "rules of parts of a column are not evaluated"
_TYPES = "the type of the file does not say that its parts are there and of their types"


@dataclass(frozen=True, slots=True)
class ColumnSubject:
    """A column whose rules are planned."""

    subject: Subject
    promised: Property
    place: str
    """In the contract: `schema[0].properties[2]`."""
    column: Column | None
    """None if the file has none of the name."""

    @property
    def value(self) -> str:
        """SQL for a value as it is read: NULL where it does not fit."""
        return quoted(self.promised.column)

    @property
    def original(self) -> str:
        """SQL for a value as the file has it: NULL where it is missing."""
        is_read = self.promised.column in self.subject.table.file.readings
        return quoted(unread(self.promised.column)) if is_read else self.value

    def rule(self, kind: str, text: str, measure: Measure, place: str = "") -> Rule:
        """A rule of this column that allows no row."""
        return Rule(
            id=f"{self.subject.promised.name}.{self.promised.name}.{kind}",
            table=self.subject.promised.name,
            column=self.promised.name,
            kind=kind,
            text=text,
            measure=measure,
            unit="columns" if kind == "present" else "values" if isinstance(measure, Repeated) else "rows",
            line=self.subject.line(self.place + place),
            shown=(self.original,) if self.column else (),
            masked=self.promised.is_confidential,
        )


def column_subject(subject: Subject, number: int) -> ColumnSubject:
    """A column of a table."""
    promised = subject.promised.properties[number]
    place = f"{subject.place}.properties[{number}]"
    return ColumnSubject(subject, promised, place, subject.table.column(promised.column))


def column_rules(subject: ColumnSubject) -> Iterator[Rule]:
    """The rules of a column that are not in its `quality`."""
    promised = subject.promised
    if subject.column is None:
        yield from _absent(subject)
        return
    yield subject.rule("present", "the column is there", Known(0))
    if promised.logical_type is not None:
        yield _type_rule(subject, subject.column)
    if promised.required:
        yield subject.rule("required", "no value is missing", Rows(f"{subject.original} IS NULL"), ".required")
    if promised.unique:
        yield subject.rule("unique", "no value is there twice", Repeated((subject.value,)), ".unique")
    for limit in limits_of(promised, subject.column):
        yield _limit_rule(subject, limit)
    if has_rules(promised):
        yield subject.rule("parts", "its parts are as promised", Refused(_PARTS))
    elif has_types(promised):
        fit = parts_fit(promised, subject.column.stored)
        yield subject.rule("parts", "its parts are of their types", Known(0) if fit else Refused(_TYPES))


def _absent(subject: ColumnSubject) -> Iterator[Rule]:
    """A record of JSON may lack what is not required; of anything else a missing column is a broken promise."""
    if subject.subject.table.file.format == "json" and not subject.promised.required:
        known = Known(0, "no record has it, and it is not required")
        yield subject.rule("present", "the column is there", known)
        return
    yield subject.rule("present", "the column is there", Known(1, NOT_THERE))
    promised = subject.promised
    kinds = [kind for kind in ("required", "unique") if getattr(promised, kind)]
    kinds += ["type"] if promised.logical_type else []
    for kind in (*kinds, *promised.logical_type_options, *(["enum"] if promised.enum else [])):
        yield subject.rule(kind, f"`{kind}`", Refused(NOT_THERE))


def _type_rule(subject: ColumnSubject, column: Column) -> Rule:
    promised = str(subject.promised.logical_type)
    text = f"values are of the type {promised}"
    problem = stored_problem(promised, column.stored)
    is_read = subject.value != subject.original
    if problem and (subject.subject.typed or not is_read):
        return subject.rule("type", f"{text}; {problem}", Rows(f"{subject.original} IS NOT NULL"), ".logicalType")
    condition = misfit(subject.value, subject.original, column)
    return subject.rule("type", text, Rows(condition) if condition else Known(0), ".logicalType")


def _limit_rule(subject: ColumnSubject, limit: Limit) -> Rule:
    return subject.rule(limit.kind, limit.text, limit.measure, limit.place)
