"""What is to be done with the columns of a table, as its contract declares it; problems with file and line. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from builder.data.contract.classes import level_of
from builder.data.contract.document import Property, SchemaObject
from builder.data.contract.read import LoadedContract
from builder.data.privacy.methods import (
    METHODS,
    ROLES,
    Bucket,
    DateShift,
    Hash,
    Keep,
    Method,
    Noise,
    TablePrivacy,
)
from builder.spec.reader import Problem, Reader, SpecError, nearest

_CONFIDENTIAL = level_of("confidential")
_T = TypeVar("_T")
_NEEDS = {"number": ("number", "integer"), "date": ("date", "timestamp"), "text": ("string", None)}


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    """What is done with one column."""

    column: str
    """Its name in the file."""
    logical_type: str | None
    role: str | None
    """Its `privacyRole`."""
    method: Method | None
    """None where nothing is declared and nothing has to be: it stays."""
    subject: str = ""
    """Of a shift of dates: the column that says whose they are."""

    @property
    def kept(self) -> bool:
        """Whether its values stay as they are."""
        return self.method is None or isinstance(self.method, Keep)

    @property
    def keyed(self) -> bool:
        """Whether a key is needed for it."""
        return isinstance(self.method, (Hash, DateShift, Noise))


@dataclass(frozen=True, slots=True)
class TablePlan:
    """What is done with a table."""

    table: str
    columns: tuple[ColumnPlan, ...]
    """In the order of the contract."""
    privacy: TablePrivacy
    budget: float | None
    """The contract's `privacyBudget`."""
    epsilon: float
    """The sum of what all columns of the contract declare."""

    @property
    def needs_key(self) -> bool:
        """Whether anything is done with a key."""
        return any(each.keyed for each in self.columns)


@dataclass(slots=True)
class _Reading:
    """A contract, and what is wrong with what it says of privacy."""

    loaded: LoadedContract
    problems: list[Problem] = field(default_factory=list)

    def report(self, way: str, message: str, hint: str | None = None) -> None:
        """Add a problem of a key."""
        self.problems.append(Problem(str(self.loaded.file), self.loaded.line(way) or 1, way, message, hint))

    def value(self, way: str, value: Any, document: type[_T]) -> _T | None:
        """A value of a custom property as a declared document; None where it is none."""
        import yaml

        reader = Reader(str(self.loaded.file), Path())
        found = reader.read(yaml.safe_dump(value, allow_unicode=True).encode(), document)
        for each in reader.problems:
            self.report(f"{way}.{each.key}" if each.key else way, each.message, each.hint)
        return found


def plan_table(loaded: LoadedContract, table: SchemaObject) -> TablePlan:
    """What a contract declares for one of its tables. Raises: SpecError, with all that is wrong in the contract."""
    reading = _Reading(loaded)
    plans = {each.name: _columns(reading, number, each) for number, each in enumerate(loaded.contract.schema)}
    privacies = {each.name: _table_privacy(reading, number, each) for number, each in enumerate(loaded.contract.schema)}
    declared = [each.method.epsilon for plan in plans.values() for each in plan if isinstance(each.method, Noise)]
    budget = _budget(reading, sum(declared)) if declared or loaded.contract.custom("privacyBudget") else None
    if reading.problems:
        raise SpecError(str(loaded.file), reading.problems)
    return TablePlan(table.name, tuple(plans[table.name]), privacies[table.name], budget, sum(declared))


def _columns(reading: _Reading, number: int, table: SchemaObject) -> list[ColumnPlan]:
    subjects = [each.column for each in table.properties if each.custom("privacyRole") == "subject"]
    result = []
    for place, column in enumerate(table.properties):
        way = f"schema[{number}].properties[{place}]"
        role = column.custom("privacyRole")
        if role is not None and role not in ROLES:
            hint = nearest(str(role), ROLES)
            reading.report(_custom(way, column, "privacyRole"), f"`{str(role)[:80]}` is no role in privacy", hint)
        method = _method(reading, way, column)
        subject = ""
        if isinstance(method, DateShift):
            subject = method.subject or (subjects[0] if len(subjects) == 1 else "")
            known = [each.column for each in table.properties]
            if subject not in known:
                why = f"there is no column `{subject}`" if subject else "no one column has `privacyRole: subject`"
                reading.report(_custom(way, column, "anonymize"), f"it is not said whose dates these are: {why}")
        result.append(ColumnPlan(column.column, column.logical_type, role, method, subject))
    return result


def _method(reading: _Reading, way: str, column: Property) -> Method | None:
    declared = column.custom("anonymize")
    if declared is None:
        if level_of(column.classification) >= _CONFIDENTIAL or column.custom("privacyRole"):
            reading.report(
                way,
                f"it is not said how the column `{column.name}` is anonymised",
                "give it `anonymize`, or `{method: keep, reason: …}`",
            )
        return None
    way = _custom(way, column, "anonymize")
    name = declared.get("method") if isinstance(declared, dict) else None
    if not isinstance(name, str) or name not in METHODS:
        hint = nearest(str(name), METHODS) if name is not None else f"known are {', '.join(METHODS)}"
        reading.report(way, "it has no `method` that is known", hint)
        return None
    method: Method | None = reading.value(way, declared, METHODS[name])
    for needed in _needed(method):
        if column.logical_type not in _NEEDS[needed]:
            wanted = " or ".join(f"`{each}`" for each in _NEEDS[needed] if each)
            reading.report(way, f"this needs a column with `logicalType` {wanted}")
    return method


def _needed(method: Method | None) -> Iterator[str]:
    """What kind of column a method is for."""
    if isinstance(method, Noise) or (isinstance(method, Bucket) and (method.width is not None or method.edges)):
        yield "number"
    if isinstance(method, DateShift) or (isinstance(method, Bucket) and method.to):
        yield "date"
    if isinstance(method, Bucket) and (method.map or method.top):
        yield "text"


def _table_privacy(reading: _Reading, number: int, table: SchemaObject) -> TablePrivacy:
    declared = table.custom("privacy")
    if declared is None:
        return TablePrivacy()
    names = [each.property for each in table.custom_properties]
    way = f"schema[{number}].customProperties[{names.index('privacy')}].value"
    return reading.value(way, declared, TablePrivacy) or TablePrivacy()


def _budget(reading: _Reading, epsilon: float) -> float | None:
    """The declared budget, and whether what columns declare is within it."""
    budget = reading.loaded.contract.custom("privacyBudget")
    names = [each.property for each in reading.loaded.contract.custom_properties]
    way = f"customProperties[{names.index('privacyBudget')}].value" if budget is not None else ""
    if not isinstance(budget, (int, float)) or isinstance(budget, bool) or not budget > 0:
        hint = "`customProperties: [{property: privacyBudget, value: 1.0}]`: the ε that all columns may spend together"
        reading.report(way, "`noise` needs a `privacyBudget` of the contract, a number greater than 0", hint)
        return None
    if epsilon > budget * (1 + 1e-12):
        reading.report(way, f"the columns declare {epsilon:g} in all, more than the budget of {budget:g}")
    return float(budget)


def _custom(way: str, column: Property, name: str) -> str:
    names = [each.property for each in column.custom_properties]
    return f"{way}.customProperties[{names.index(name)}].value"


def undeclared(plan: TablePlan, columns: Sequence[str]) -> list[str]:
    """Columns of a file that the contract does not have."""
    known = {each.column for each in plan.columns}
    return [each for each in columns if each not in known]


def parameters(method: Method | None) -> Mapping[str, Any]:
    """What a record says of a method; it has no key in it."""
    from builder.spec.fields import as_document

    return {"method": "keep"} if method is None else {"method": method.method, **as_document(method)}
