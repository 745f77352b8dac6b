"""Holding what new data are like to what a reference is like. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from builder.data.drift import measures
from builder.data.drift.outcome import Drift, Measure, judged
from builder.data.drift.rules import Rules
from builder.data.drift.seen import Seen
from builder.data.profile.bins import grouped, regrouped
from builder.data.profile.document import ColumnProfile, Profile

STABILITY_BINS = 10
LEAST_ROWS = 30
"""Values on each side below which a distribution is not compared."""


def judge(reference: Profile, new: Mapping[str, Seen], digest: str, rows: int, rules: Rules) -> Drift:
    """Every measure of every column of the reference."""
    found = list(_of_table(reference, new, rows, rules))
    for column in reference.columns:
        found += _of_column(column, new.get(column.name), reference.floor, rules)
    unknown = sorted(rules.columns() - {each.name for each in reference.columns})
    for name in unknown:
        found += [_not(name, metric, rules, "the reference has no such column") for metric in rules.explicit(name)]
    return Drift(reference.table, reference.digest, digest, reference.rows, rows, tuple(found))


def _of_table(reference: Profile, new: Mapping[str, Seen], rows: int, rules: Rules) -> Iterator[Measure]:
    gone = [each.name for each in reference.columns if each.name not in new]
    retyped = [each.name for each in reference.columns if each.name in new and new[each.name].kind != each.kind]
    added = [name for name in new if reference.column(name) is None]
    schema = judged("", "schema", len(gone) + len(retyped), rules.threshold("", "schema"))
    said = [("gone", gone), ("of another type", retyped), ("new", added)]
    reason = "; ".join(f"{word}: {', '.join(names)}" for word, names in said if names)
    yield Measure("", "schema", schema.value, schema.threshold, schema.state, reason)
    if reference.rows:
        yield judged("", "rowCount", rows / reference.rows, rules.threshold("", "rowCount"))
    else:
        yield _not("", "rowCount", rules, "the reference has no rows")


def _not(column: str, metric: str, rules: Rules, reason: str) -> Measure:
    threshold = rules.threshold(column, metric)
    return Measure(column, metric, None, threshold, "not-evaluated" if threshold else "told", reason)


def _of_column(column: ColumnProfile, seen: Seen | None, floor: int, rules: Rules) -> list[Measure]:
    if seen is None or seen.kind != column.kind:
        reason = "the column is gone" if seen is None else "the column is of another type"
        return [_not(column.name, metric, rules, reason) for metric in _applying(column)]
    found = list(_shares(column, seen, rules))
    if column.bins:
        found += _of_numbers(column, seen, rules)
    if column.categories:
        found += _of_categories(column, seen, floor, rules)
    told = {each.metric for each in found}
    found += [each for each in _unlisted(column) if not {"distance", "psi", *told} & {*rules.explicit(column.name)}]
    reason = (
        "the reference does not tell what its values are" if column.confidential else "the column is not of the kind"
    )
    return found + [_not(column.name, each, rules, reason) for each in rules.explicit(column.name) if each not in told]


def _unlisted(column: ColumnProfile) -> Iterator[Measure]:
    """That the categories of a column are not compared, as none are listed."""
    if column.kind == "category" and column.values and not column.categories:
        many = f"of {column.distinct} different values none is listed"
        reason = "its values are confidential, so they are not compared" if column.confidential else many
        yield Measure(column.name, "distance", None, None, "told", reason)


def _applying(column: ColumnProfile) -> tuple[str, ...]:
    if column.bins:
        return "missing", "psi", "ks"
    return ("missing", "distance") if column.categories else ("missing",)


def _shares(column: ColumnProfile, seen: Seen, rules: Rules) -> Iterator[Measure]:
    """Missing values and unreadable ones."""
    if not column.count or not seen.rows:
        yield _not(column.name, "missing", rules, "there are no rows")
        return
    before, now = column.missing / column.count, seen.missing / seen.rows
    together = (column.missing + seen.missing) / (column.count + seen.rows)
    chance = measures.chance_of_share(together, column.count, seen.rows)
    yield judged(column.name, "missing", abs(now - before), rules.threshold(column.name, "missing"), chance=chance)
    unreadable = seen.unreadable / seen.rows
    if unreadable or "unreadable" in rules.explicit(column.name):
        yield judged(column.name, "unreadable", unreadable, rules.threshold(column.name, "unreadable"))


def _few(column: ColumnProfile, seen: Seen) -> str:
    """Why a distribution is not compared; empty if it is."""
    least = min(column.values, seen.values)
    return f"{least} values are too few: it takes {LEAST_ROWS}" if least < LEAST_ROWS else ""


def _of_numbers(column: ColumnProfile, seen: Seen, rules: Rules) -> Iterator[Measure]:
    few = _few(column, seen)
    if few:
        yield from (_not(column.name, metric, rules, few) for metric in ("psi", "ks", "outOfRange"))
        return
    yield _stability(column, seen, rules)
    yield _smirnov(column, seen, rules)
    if column.minimum is not None and column.maximum is not None:
        yield _range(column, seen, rules)


def _stability(column: ColumnProfile, seen: Seen, rules: Rules) -> Measure:
    if column.bins is None or seen.bins is None or seen.bins.edges != column.bins.edges:
        return _not(column.name, "psi", rules, "a profile counts in bins of its own: it takes the data")
    edges = grouped(column.bins, STABILITY_BINS)
    before, now = regrouped(column.bins, edges), regrouped(seen.bins, edges)
    chance = measures.chance_of_stability(len(before), column.values, seen.values)
    value = measures.population_stability(before, now)
    return judged(column.name, "psi", value, rules.threshold(column.name, "psi"), chance=chance)


def _smirnov(column: ColumnProfile, seen: Seen, rules: Rules) -> Measure:
    threshold = rules.threshold(column.name, "ks")
    chance = measures.chance_of_smirnov(column.values, seen.values)
    if seen.smirnov is not None:
        return judged(column.name, "ks", seen.smirnov, threshold, chance=chance)
    if column.bins is None or seen.bins is None:
        return _not(column.name, "ks", rules, "there are no bins of it")
    least, most = measures.kolmogorov_smirnov(column.bins, seen.bins)
    return judged(column.name, "ks", least, threshold, chance=chance, most=most)


def _range(column: ColumnProfile, seen: Seen, rules: Rules) -> Measure:
    if seen.beyond is None:
        return _not(column.name, "outOfRange", rules, "a profile does not tell how many values are out of range")
    chance = measures.chance_of_range(column.values, seen.values)
    share = seen.beyond / seen.values
    return judged(column.name, "outOfRange", share, rules.threshold(column.name, "outOfRange"), chance=chance)


def _of_categories(column: ColumnProfile, seen: Seen, floor: int, rules: Rules) -> Iterator[Measure]:
    few = _few(column, seen)
    if few or seen.categories is None:
        reason = few or "the new profile lists no categories"
        yield from (_not(column.name, metric, rules, reason) for metric in ("distance", "newCategories"))
        return
    before, now = category_counts(column, seen)
    chance = measures.chance_of_variation(len(before), column.values, seen.values)
    value = measures.total_variation(before, now)
    yield judged(column.name, "distance", value, rules.threshold(column.name, "distance"), chance=chance)
    value = measures.population_stability(before, now)
    chance = measures.chance_of_stability(len(before), column.values, seen.values)
    yield judged(column.name, "psi", value, rules.threshold(column.name, "psi"), chance=chance)
    known = {each.value for each in column.categories}
    fresh = [value for value, count in seen.categories.items() if count >= floor and value not in known]
    yield judged(column.name, "newCategories", len(fresh), rules.threshold(column.name, "newCategories"))


def category_counts(column: ColumnProfile, seen: Seen) -> tuple[list[int], list[int]]:
    """Rows of each category that the reference lists, and of all others, on both sides."""
    before = [each.count for each in column.categories]
    now = [(seen.categories or {}).get(each.value, 0) for each in column.categories]
    return [*before, column.other or 0], [*now, seen.values - sum(now)]
