"""Rules and service levels of two contracts compared. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TypeVar

from builder.data.check.planning.service_levels import seconds_of
from builder.data.compare.contracts_change import (
    Change,
    Changes,
    cosmetic,
    narrowed,
    other,
    shown,
    switched,
    widened,
)
from builder.data.compare.contracts_limits import Bound, Direction, direction, of_thresholds
from builder.data.contract.document import Quality, ServiceLevel

T = TypeVar("T")
_SEVERITIES = ("info", "warning", "error")
_SHORTER_IS_MORE = ("freshness", "latency", "timeToDetect", "timeToNotify", "timeToRepair")
_LONGER_IS_MORE = ("retention", "availability", "throughput")
_TIMES = (*_SHORTER_IS_MORE, "retention")


def compare_rules(place: str, old: tuple[Quality, ...], new: tuple[Quality, ...]) -> Changes:
    """What differs between the rules of a table or a column; lists of values that may be there alone are left out."""
    before, after = (_by_key(filter(_is_rule, rules), _rule_key) for rules in (old, new))
    for key, rule in before.items():
        if key not in after:
            yield _gone_or_new(place, rule, gone=True)
    for key, rule in after.items():
        if key not in before:
            yield _gone_or_new(place, rule, gone=False)
        else:
            yield from _rule(place, before[key], rule)


def compare_service_levels(old: tuple[ServiceLevel, ...], new: tuple[ServiceLevel, ...]) -> Changes:
    """What differs between the promises of the whole."""
    before, after = (_by_key(levels, lambda each: f"{each.property} {each.element or ''}") for levels in (old, new))
    for key, level in before.items():
        if key not in after:
            yield widened(level.element or "", f"the service level `{level.property}` is gone")
    for key, level in after.items():
        if key not in before:
            yield narrowed(level.element or "", f"the service level `{level.property}` is new: {_told(level)}")
        else:
            yield from _level(before[key], level)


def is_list_of_values(rule: Quality) -> bool:
    """Whether a rule says no more than which values there may be."""
    return (
        rule.measures == "invalidValues"
        and set(rule.arguments) == {"validValues"}
        and not rule.threshold.holds(1)
        and rule.threshold.holds(0)
    )


def _is_rule(rule: Quality) -> bool:
    return not is_list_of_values(rule)


def _by_key(values: Iterable[T], key: Callable[[T], str]) -> dict[str, T]:
    """By key; what has the same one again, by the next free one."""
    result: dict[str, T] = {}
    for each in values:
        name = key(each)
        while name in result:
            name += "+"
        result[name] = each
    return result


def _rule_key(rule: Quality) -> str:
    if rule.id:
        return f"id {rule.id}"
    if rule.type == "library":
        return f"metric {rule.measures}"
    return f"{rule.type} {rule.name or rule.query or rule.description or rule.engine}"


def _named(rule: Quality) -> str:
    return f"the rule `{rule.name or rule.id or rule.measures or rule.query or rule.engine or rule.type}`"


def _gone_or_new(place: str, rule: Quality, *, gone: bool) -> Change:
    what = f"{_named(rule)} is {'gone' if gone else 'new'}"
    if rule.type == "text":
        return cosmetic(place, what)
    return widened(place, what) if gone else narrowed(place, what)


def _rule(place: str, old: Quality, new: Quality) -> Changes:
    name = _named(new)
    if (old.type, old.measures, old.query, old.engine) != (new.type, new.measures, new.query, new.engine):
        yield other(place, f"{name} measures something else")
        return
    if _plain(old.implementation) != _plain(new.implementation) or _plain(old.arguments) != _plain(new.arguments):
        yield other(place, f"{name} measures something else, as its arguments changed")
    elif new.type in ("library", "sql"):
        yield from _threshold(place, name, old, new)
    if _severity(old) != _severity(new):
        severities = shown(_SEVERITIES[_severity(old)]), shown(_SEVERITIES[_severity(new)])
        what = f"{name} is of the severity {severities[1]}, was {severities[0]}"
        yield narrowed(place, what) if _severity(new) > _severity(old) else widened(place, what)
    for field in ("name", "description", "dimension", "business_impact"):
        if getattr(old, field) != getattr(new, field):
            yield cosmetic(place, f"of {name} {switched(field, getattr(old, field), getattr(new, field))}")


def _threshold(place: str, name: str, old: Quality, new: Quality) -> Changes:
    if (old.unit or "rows") != (new.unit or "rows"):
        yield other(place, f"{name} is in {new.unit or 'rows'}, no longer in {old.unit or 'rows'}")
        return
    what = f"{name} from `{old.threshold}` to `{new.threshold}`"
    yield from by_direction(place, what, of_thresholds(old.threshold, new.threshold))


def by_direction(place: str, what: str, found: Direction) -> Changes:
    """The change that a move of a limit is."""
    if found != "same":
        yield {"narrower": narrowed, "wider": widened, "other": other}[found](place, what)


def _severity(rule: Quality) -> int:
    return _SEVERITIES.index(rule.severity) if rule.severity in _SEVERITIES else 2


def _level(old: ServiceLevel, new: ServiceLevel) -> Changes:
    before, after = _amount(old), _amount(new)
    place = new.element or ""
    what = f"the service level `{new.property}` from {_told(old)} to {_told(new)}"
    same_unit = old.unit == new.unit or new.property in _TIMES
    if before is None or after is None or not same_unit:
        if (old.value, old.value_ext, old.unit) != (new.value, new.value_ext, new.unit):
            yield other(place, what)
    elif new.property in _SHORTER_IS_MORE:
        yield from by_direction(place, what, direction((Bound(), Bound(before)), (Bound(), Bound(after))))
    elif new.property in _LONGER_IS_MORE:
        yield from by_direction(place, what, direction((Bound(before), Bound()), (Bound(after), Bound())))
    elif before != after:
        yield other(place, what)
    if (old.driver, old.description) != (new.driver, new.description):
        yield cosmetic(place, f"the words of the service level `{new.property}` changed")


def _amount(level: ServiceLevel) -> float | None:
    """How much: seconds of a time, else the number; None where nobody can tell."""
    if level.property in _TIMES:
        return seconds_of(level)
    is_number = isinstance(level.value, (int, float)) and not isinstance(level.value, bool)
    return float(level.value) if is_number else None


def _told(level: ServiceLevel) -> str:
    return shown(f"{level.value} {level.unit or ''}".strip())


def _plain(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)
