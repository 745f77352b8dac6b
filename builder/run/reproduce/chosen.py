"""Which recorded runs a reproduction repeats, and what is said of the others. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from builder.run.reproduce.check import Check


def chosen_runs(
    records: Sequence[Mapping[str, Any]], commands: Collection[str]
) -> tuple[list[Mapping[str, Any]], list[Check]]:
    """The records to repeat, those of `commands` or all; and what of that is not recorded, and so not measured."""
    chosen = [record for record in records if not commands or record["command"] in commands]
    missing = [name for name in commands if not any(record["command"] == name for record in records)]
    if not records and not missing:
        return [], [Check("run", "not measured", "no run is recorded inside: name the record of one with `--against`")]
    return chosen, [Check(f"run {name}", "not measured", "there is no record of a run of it") for name in missing]


def not_repeated(records: Iterable[Mapping[str, Any]], why: str) -> list[Check]:
    """That these runs were not repeated."""
    return [Check(f"run {record['command']}", "not measured", why) for record in records]
