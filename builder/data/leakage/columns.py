"""Which columns of two files are compared, and as what. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from builder.data.contract.document import SchemaObject
from builder.data.tables.files import Column, Table
from builder.data.tables.reading import is_number
from builder.data.tables.sql import quoted
from builder.errors import EnvbuildError
from builder.spec.reader import nearest

_ID_NAME = re.compile(r"(?i:(^|[_\-. ])(id|ids|uuid|guid|key)$|^(id|uuid|guid)[_\-. ])|[a-z](Id|ID|Uuid|UUID)$")
_INSTANT = ("DATE", "TIMESTAMP")
_WHOLE = ("INT", "HUGEINT")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is looked for."""

    target: str | None = None
    ids: tuple[str, ...] = ()
    time: str | None = None
    group: str | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    """Of rules, by name: other ones than the defaults."""


@dataclass(frozen=True, slots=True)
class Shared:
    """A column that both files have."""

    name: str
    type: str
    """What its values are compared as: `DOUBLE`, `HUGEINT`, `TIMESTAMP`, `VARCHAR`."""

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type in ("DOUBLE", "HUGEINT")

    @property
    def value(self) -> str:
        """SQL for a value."""
        return f"CAST({quoted(self.name)} AS {self.type})"

    @property
    def near(self) -> str:
        """SQL for what is equal of values that are nearly equal.

        Numbers with three significant digits; texts in lower case, composed (NFC), with single spaces.
        """
        if self.is_number:
            return f"format('{{:.2e}}', CAST({quoted(self.name)} AS DOUBLE) + 0.0)"
        if self.type == "VARCHAR":
            return f"lower(nfc_normalize(trim(regexp_replace({self.value}, '\\s+', ' ', 'g'))))"
        return self.value


def shared_columns(train: Table, test: Table) -> tuple[Shared, ...]:
    """The columns of both files, in the order of training."""
    pairs = [(each, test.column(each.name)) for each in train.columns]
    return tuple(Shared(one.name, _type(one, other)) for one, other in pairs if other is not None)


def only_one(train: Table, test: Table) -> list[str]:
    """The columns that only one of both has."""
    names = [{column.name: None for column in table.columns} for table in (train, test)]
    return [each for each in names[0] if each not in names[1]] + [each for each in names[1] if each not in names[0]]


def check_asked(asked: Asked, train: Table) -> None:
    """Raises: EnvbuildError, if a column that is named is not in training."""
    known = [column.name for column in train.columns]
    named = {"target": asked.target, "time": asked.time, "group": asked.group}
    for what, name in [*named.items(), *(("id", each) for each in asked.ids)]:
        if name is not None and name not in known:
            raise EnvbuildError(f"there is no column `{name}` in training for the {what}", hint=nearest(name, known))


def declared(asked: Asked, contract: SchemaObject | None) -> Asked:
    """What is asked for, with what a contract says of ids and subjects."""
    if contract is None:
        return asked
    key = contract.primary_key
    roles = {each.column: each.custom("privacyRole") for each in contract.properties}
    ids = [name for name, role in roles.items() if role == "identifier"]
    ids += [each.column for each in key] if len(key) == 1 else []
    subject = next((name for name, role in roles.items() if role == "subject"), None)
    others = (name for name in ids if name not in (asked.target, asked.group, asked.time))
    found = tuple(dict.fromkeys((*asked.ids, *others)))
    return Asked(asked.target, found, asked.time, asked.group or subject, asked.limits)


def like_ids(columns: Sequence[Shared], asked: Asked) -> list[Shared]:
    """Columns with a name that ids have; they are such if their values are unique."""
    others = (asked.target, asked.time, asked.group, *asked.ids)
    return [each for each in columns if each.name not in others and _ID_NAME.search(each.name)]


def _type(one: Column, other: Column) -> str:
    types = (one.type, other.type)
    if all(each.endswith(_WHOLE) or each == "INTEGER" for each in types):
        return "HUGEINT"
    if all(map(is_number, types)):
        return "DOUBLE"
    if all(each.startswith(_INSTANT) for each in types):
        return "TIMESTAMP"
    return "VARCHAR"
