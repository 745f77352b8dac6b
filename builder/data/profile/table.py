"""A profile as lines for people. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from builder.data.profile.document import ColumnProfile, Profile


def profile_lines(profile: Profile) -> Iterator[str]:
    """A line for the table, and one for each column."""
    yield f"{profile.table}: {profile.rows} rows, {len(profile.columns)} columns"
    width = max((len(each.name) for each in profile.columns), default=0)
    for column in profile.columns:
        about = "" if column.distinct_is_exact else "about "
        figures = f"{column.type}, {column.missing} missing, {about}{column.distinct} distinct"
        yield f"  {column.name:{width}}  {figures}{_values(column)}"


def _values(column: ColumnProfile) -> str:
    if column.confidential:
        return ", confidential"
    if column.minimum is not None:
        middle = f", median {column.shown(column.quantiles[4])}" if column.quantiles else ""
        return f", {column.shown(column.minimum)} to {column.shown(column.maximum)}{middle}"
    if column.categories:
        listed = ", ".join(f"{each.value} {each.count}" for each in column.categories[:5])
        more = len(column.categories) > 5 or column.other
        return f": {listed}{', …' if more else ''}"
    return ""
