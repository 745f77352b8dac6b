"""Two states of a contract compared: what breaks whom. Pure.

A contract binds both sides. A change is breaking if data that kept the old promise may break the new one (it breaks who
makes them), or if something that users relied on is no longer promised (it breaks who uses them).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from builder.data.compare.contracts_change import (
    BOTH,
    CONSUMER,
    KINDS,
    Change,
    Changes,
    breaking,
    compatible,
    cosmetic,
    customs,
    narrowed,
    switched,
    widened,
)
from builder.data.compare.contracts_columns import compare_columns, compare_relationships, compare_words
from builder.data.compare.contracts_rules import compare_rules, compare_service_levels
from builder.data.contract.document import Contract, SchemaObject
from builder.data.contract.write import as_version_31

Move = Literal["major", "minor", "none", "back", "unknown"]
_NUMBERS = re.compile(r"v?(\d{1,9})(?:\.(\d{1,9}))?(?:\.(\d{1,9}))?(.*)", re.DOTALL)
_WORDS = ("name", "tenant", "domain", "data_product", "description", "tags", "context", "contract_created_ts")
_SURROUNDINGS = ("support", "team", "roles", "price", "authoritative_definitions", "sla_default_element")
_TABLE_WORDS = (
    "id", "physical_name", "physical_type", "description", "business_name", "data_granularity_description", "context",
    "tags", "synonyms", "authoritative_definitions",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ContractDiff:
    """What differs between two states of a contract."""

    old_version: str
    new_version: str
    changes: tuple[Change, ...]
    """The breaking ones first."""

    @property
    def moved(self) -> Move:
        """Which number of the version moved; `unknown` if one of them has no numbers."""
        return _moved(self.old_version, self.new_version)

    @property
    def is_breaking(self) -> bool:
        """Whether any change breaks someone."""
        return any(each.kind == "breaking" for each in self.changes)

    @property
    def verdict(self) -> str | None:
        """What is wrong with the new version, given the changes; None if nothing is."""
        if self.is_breaking and self.moved != "major":
            count = sum(each.kind == "breaking" for each in self.changes)
            did = "did not move at all" if self.moved == "none" else "did not move up in its first number"
            return f"{count} breaking change{'s' if count > 1 else ''}, and the version {self._versions} {did}"
        return None

    @property
    def note(self) -> str | None:
        """What else is to be said of the version."""
        if self.verdict is None and self.changes and self.moved == "none":
            return f"the contract changed, and its version did not move: {self._versions}"
        if self.moved == "back":
            return f"the version went back: {self._versions}"
        return f"a version has no numbers: {self._versions}" if self.moved == "unknown" and self.changes else None

    @property
    def _versions(self) -> str:
        return f"`{self.old_version}` → `{self.new_version}`" if self.moved != "none" else f"`{self.old_version}`"

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "oldVersion": self.old_version,
            "newVersion": self.new_version,
            "moved": self.moved,
            "breaking": self.is_breaking,
            "verdict": self.verdict,
            "note": self.note,
            "changes": [each.to_dict() for each in self.changes],
        }


def compare_contracts(old: Contract, new: Contract) -> ContractDiff:
    """What differs, each change with whom it breaks and why; another version of ODCS alone is no change."""
    if old.api_version != new.api_version:
        old, new = as_version_31(old), as_version_31(new)
    found = [*_whole(old, new), *_tables(old, new), *compare_service_levels(old.sla_properties, new.sla_properties)]
    found.sort(key=lambda each: (KINDS.index(each.kind), each.place, each.what))
    return ContractDiff(old.version, new.version, tuple(found))


def _whole(old: Contract, new: Contract) -> Changes:
    if old.id != new.id:
        what = switched("id", old.id, new.id)
        yield breaking("", what, CONSUMER, "it is another contract: what refers to the old one does not find it")
    if old.status != new.status:
        what = switched("status", old.status, new.status)
        if new.status == "retired":
            yield breaking("", what, CONSUMER, "nobody keeps the promise any more")
        elif new.status == "deprecated":
            yield compatible("", what, "it still holds; users have time to leave")
        else:
            yield cosmetic("", what)
    if old.servers != new.servers:
        yield compatible("", "`servers` is another", "the promise is the same, where the data are is not")
    yield from compare_words("", old, new, (*_WORDS, *_SURROUNDINGS))
    before, after = customs(old.custom_properties), customs(new.custom_properties)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            yield cosmetic("", switched(name, before.get(name), after.get(name)))


def _tables(old: Contract, new: Contract) -> Changes:
    before, after = ({each.name: each for each in contract.schema} for contract in (old, new))
    for name, table in before.items():
        if name in after:
            yield from _table(table, after[name])
        else:
            yield breaking(name, "the table is gone", CONSUMER, "who reads it finds it no more")
    for name in after.keys() - before.keys():
        yield compatible(name, "the table is new", "nothing that was there changes")


def _table(old: SchemaObject, new: SchemaObject) -> Changes:
    name = new.name
    keys = [[each.name for each in table.primary_key] for table in (old, new)]
    if keys[0] != keys[1]:
        what = switched("primaryKey", keys[0] or None, keys[1] or None)
        if keys[0] and keys[1]:
            yield breaking(name, what, BOTH, "rows are told apart by something else")
        else:
            yield narrowed(name, what) if keys[1] else widened(name, what)
    yield from compare_columns(name, old.properties, new.properties)
    yield from compare_relationships(name, old.relationships, new.relationships)
    yield from compare_rules(name, old.quality, new.quality)
    if old.deprecated != new.deprecated:
        what = "it is deprecated now" if new.deprecated else "it is no longer deprecated"
        yield compatible(name, what, "it is still there; users have time to leave")
    before, after = customs(old.custom_properties), customs(new.custom_properties)
    for each in sorted(before.keys() | after.keys()):
        what = switched(each, before.get(each), after.get(each))
        if before.get(each) == after.get(each):
            continue
        if each == "encoding":
            yield breaking(name, what, BOTH, "the same bytes are read as another text")
        else:
            yield compatible(name, what, "no promise is in it")
    yield from compare_words(name, old, new, _TABLE_WORDS)


def _moved(old: str, new: str) -> Move:
    if old == new:
        return "none"
    numbers = [_NUMBERS.fullmatch(each) for each in (old, new)]
    if numbers[0] is None or numbers[1] is None:
        return "unknown"
    before, after = ([int(each or 0) for each in found.groups()[:3]] for found in numbers if found)
    if after < before:
        return "back"
    return "major" if after[0] > before[0] else "minor"
