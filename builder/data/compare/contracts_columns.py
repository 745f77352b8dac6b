"""Columns of two contracts compared. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from builder.data.compare.contracts_change import (
    BOTH,
    CONSUMER,
    PRODUCER,
    Changes,
    breaking,
    compatible,
    cosmetic,
    customs,
    narrowed,
    other,
    shown,
    switched,
    widened,
)
from builder.data.compare.contracts_limits import Bound, direction, range_of
from builder.data.compare.contracts_rules import by_direction, compare_rules
from builder.data.contract.classes import level_of
from builder.data.contract.document import Property

_ENDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_COUNTS = (("minLength", "maxLength"), ("minItems", "maxItems"), ("minProperties", "maxProperties"))
_WIDER_TYPES = {("integer", "number"), ("date", "timestamp")}
_WORDS = (
    "description", "business_name", "tags", "examples", "synonyms", "semantic_type", "authoritative_definitions",
    "critical_data_element", "encrypted_name", "partitioned", "partition_key_position", "physical_type", "id",
    "transform_source_objects", "transform_logic", "transform_description",
)  # fmt: skip
"""Fields that promise nothing of the values."""


def compare_columns(place: str, old: tuple[Property, ...], new: tuple[Property, ...]) -> Changes:
    """What differs between the columns of a table, or the parts of one."""
    before, after = ({each.name: each for each in columns} for columns in (old, new))
    gone = [each for name, each in before.items() if name not in after]
    added = [each for name, each in after.items() if name not in before]
    for each in gone:
        renamed = _renamed(each, gone, added)
        where = f"{place}.{each.name}"
        if renamed is None:
            yield breaking(where, "the column is gone", CONSUMER, "who reads it finds it no more")
            continue
        added.remove(renamed)
        reason = "who reads it finds it no more, and who writes it writes another"
        yield breaking(where, f"the column is called {shown(renamed.name)} now", BOTH, reason)
        yield from compare_column(f"{place}.{renamed.name}", each, renamed)
    for each in added:
        yield from _added(f"{place}.{each.name}", each)
    for name in before.keys() & after.keys():
        yield from compare_column(f"{place}.{name}", before[name], after[name])
    common = [name for name in before if name in after]
    if common != [name for name in after if name in before]:
        yield cosmetic(place, "the columns are in another order")


def compare_column(place: str, old: Property, new: Property) -> Changes:
    """What differs between two states of a column."""
    if old.name == new.name and old.column != new.column:
        reason = "who reads the file finds it no more, and who writes it writes another"
        yield breaking(place, f"in the file it is called {shown(new.column)}, was {shown(old.column)}", BOTH, reason)
    yield from _type(place, old, new)
    for name in ("required", "unique"):
        if getattr(old, name) != getattr(new, name):
            is_new = getattr(new, name)
            what = f"it is {name} now" if is_new else f"it is no longer {name}"
            yield narrowed(place, what) if is_new else widened(place, what)
    if old.logical_type == new.logical_type:
        yield from _options(place, old.logical_type_options, new.logical_type_options)
    yield from _values(place, old.allowed, new.allowed)
    yield from _classification(place, old, new)
    yield from _customs(place, customs(old.custom_properties), customs(new.custom_properties))
    yield from compare_relationships(place, old.relationships, new.relationships)
    yield from compare_rules(place, old.quality, new.quality)
    yield from _parts(place, old, new)
    if old.deprecated != new.deprecated:
        what = "it is deprecated now" if new.deprecated else "it is no longer deprecated"
        yield compatible(place, what, "it is still there; users have time to leave")
    yield from compare_words(place, old, new, _WORDS)


def compare_words(place: str, old: Any, new: Any, fields: tuple[str, ...]) -> Changes:
    """What differs in fields that promise nothing."""
    for name in fields:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            plain = isinstance(before or "", str) and isinstance(after or "", str)
            written = "".join(part.capitalize() if number else part for number, part in enumerate(name.split("_")))
            yield cosmetic(place, switched(written, before, after) if plain else f"`{written}` is another")


def compare_relationships(place: str, old: tuple[Any, ...], new: tuple[Any, ...]) -> Changes:
    """What differs in the references to other tables."""
    before, after = ({(each.from_, each.to) for each in relationships} for relationships in (old, new))
    for _, to in sorted(before - after, key=str):
        yield widened(place, f"its values need not be in {shown(to)} any more")
    for _, to in sorted(after - before, key=str):
        yield narrowed(place, f"its values have to be in {shown(to)}")


def _renamed(gone: Property, all_gone: list[Property], added: list[Property]) -> Property | None:
    """The column that is the same under another name: by id, by its name in the file, or as the only one alike."""
    for each in added:
        if (gone.id and each.id == gone.id) or (gone.physical_name and each.column == gone.column):
            return each
    alike = [each for each in added if _without_name(each) == _without_name(gone)]
    rivals = [each for each in all_gone if _without_name(each) == _without_name(gone)]
    return alike[0] if len(alike) == len(rivals) == 1 and gone.description else None


def _without_name(column: Property) -> tuple[Any, ...]:
    options = json.dumps(column.logical_type_options, sort_keys=True, default=str)
    return column.logical_type, options, column.description, column.required, column.unique, column.custom("unit")


def _added(place: str, column: Property) -> Changes:
    if column.required or column.unique:
        yield breaking(place, "the column is new, and required", PRODUCER, "data as they were have no values for it")
    else:
        yield compatible(place, "the column is new", "nothing that was there changes; it may be empty")


def _type(place: str, old: Property, new: Property) -> Changes:
    if old.logical_type == new.logical_type:
        return
    what = switched("logicalType", old.logical_type, new.logical_type)
    types = (old.logical_type, new.logical_type)
    if types in _WIDER_TYPES or new.logical_type is None:
        yield widened(place, what)
    elif types[::-1] in _WIDER_TYPES or old.logical_type is None:
        yield narrowed(place, what)
    else:
        yield other(place, what)


def _options(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    moved = [name for name in _ENDS if old.get(name) != new.get(name)]
    if moved:
        what = ", ".join(switched(name, old.get(name), new.get(name)) for name in moved)
        yield from by_direction(place, what, direction(range_of(old), range_of(new)))
    done = set(_ENDS)
    for low, high in _COUNTS:
        done |= {low, high}
        for name in (low, high):
            if old.get(name) != new.get(name):
                ranges = [_one_end(name, options.get(name)) for options in (old, new)]
                what = switched(name, old.get(name), new.get(name))
                yield from by_direction(place, what, direction(ranges[0], ranges[1]))
    for name in sorted((old.keys() | new.keys()) - done):
        before, after = old.get(name), new.get(name)
        if before != after:
            change = narrowed if before is None else widened if after is None else other
            yield change(place, switched(name, before, after))


def _one_end(name: str, value: Any) -> tuple[Bound, Bound]:
    return (Bound(value), Bound()) if name.startswith("min") else (Bound(), Bound(value))


def _values(place: str, old: tuple[Any, ...] | None, new: tuple[Any, ...] | None) -> Changes:
    if old is None or new is None:
        if new is not None:
            yield narrowed(place, f"only {len(new)} values may be there now: {shown(list(new))}")
        elif old is not None:
            yield widened(place, f"any value may be there now, no longer only {shown(list(old))}")
        return
    removed = [each for each in old if each not in new]
    added = [each for each in new if each not in old]
    if removed:
        yield narrowed(place, f"values may be there no longer: {shown(removed)}")
    if added:
        yield widened(place, f"other values may be there too: {shown(added)}")


def _classification(place: str, old: Property, new: Property) -> Changes:
    if old.classification == new.classification:
        return
    before, after = level_of(old.classification), level_of(new.classification)
    what = switched("classification", old.classification, new.classification)
    if after > before:
        yield breaking(place, what, CONSUMER, "some who used it may see it no longer")
    elif after < before:
        yield compatible(place, what, "more may see it: who answers for the people in the data has to agree")
    else:
        yield cosmetic(place, what)


def _customs(place: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Changes:
    if old.get("unit") != new.get("unit"):
        what = switched("unit", old.get("unit"), new.get("unit"))
        if old.get("unit") is None:
            yield compatible(place, what, "it is said what the numbers are of")
        elif new.get("unit") is None:
            yield widened(place, what)
        else:
            yield breaking(place, what, BOTH, "the same number means something else")
    missing = [_missing(each.get("clean")) for each in (old, new)]
    if missing[0] != missing[1]:
        what = switched("clean.missing", missing[0], missing[1])
        yield breaking(place, what, BOTH, "the same value is read as another")
    for name in sorted((old.keys() | new.keys()) - {"unit"}):
        before, after = (_without_missing(each.get(name)) for each in (old, new))
        if before != after:
            what = switched(name, before, after)
            ours = name in ("clean", "anonymize", "privacyRole")
            yield compatible(place, what, "what is promised of the file is the same") if ours else cosmetic(place, what)


def _missing(clean: Any) -> list[str]:
    listed = clean.get("missing", []) if isinstance(clean, dict) else []
    return sorted(map(str, listed)) if isinstance(listed, list) else []


def _without_missing(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {name: each for name, each in value.items() if name != "missing"} or None


def _parts(place: str, old: Property, new: Property) -> Changes:
    yield from compare_columns(place, old.properties, new.properties)
    before, after = _elements(old), _elements(new)
    for name in sorted(before.keys() | after.keys()):
        where = f"{place}{name}"
        if name not in before:
            yield narrowed(where, "it is said what its elements are")
        elif name not in after:
            yield widened(where, "it is no longer said what its elements are")
        else:
            yield from compare_column(where, before[name], after[name])


def _elements(column: Property) -> dict[str, Property]:
    found = {"[]": column.items} if column.items is not None else {}
    return {**found, "{key}": column.map.key, "{value}": column.map.value} if column.map is not None else found
