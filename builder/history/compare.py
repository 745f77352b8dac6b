"""What differs between runs, and what came of it. Pure.

Groups come in the order of cause: code, data, parameters, environment, machine; then results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.history.content import Content
from builder.history.leaves import leaves
from builder.history.record import RunRecord

CAUSES = ("command", "code", "data", "parameters", "environment", "machine")
"""Groups of what went into a run."""
RESULTS = ("result", "metrics", "outputs")
"""Groups of what came of it."""

Value = str | int | float | bool | None
"""None where a run has nothing of the name."""


@dataclass(frozen=True, slots=True)
class Row:
    """One thing, of every run."""

    group: str
    name: str
    values: tuple[Value, ...]
    """In the order of the runs; digests of what is compared by its content."""

    @property
    def same(self) -> bool:
        """Whether all runs have the same."""
        return all(type(one) is type(self.values[0]) and one == self.values[0] for one in self.values)

    @property
    def difference(self) -> float | None:
        """Of two numbers, the second less the first."""
        if len(self.values) != 2 or any(type(one) not in (int, float) for one in self.values):
            return None
        return float(self.values[1]) - float(self.values[0])  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {"name": self.name, "same": self.same, "values": list(self.values), "difference": self.difference}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Several runs beside each other."""

    runs: tuple[str, ...]
    """Their ids."""
    rows: tuple[Row, ...]
    """By group, in the order of `CAUSES` and `RESULTS`."""

    def group(self, name: str, *, differing: bool = False) -> tuple[Row, ...]:
        """The rows of a group, or those that are not the same."""
        return tuple(row for row in self.rows if row.group == name and not (differing and row.same))

    @property
    def differs(self) -> tuple[str, ...]:
        """The groups of causes in which something differs."""
        return tuple(name for name in CAUSES if self.group(name, differing=True))

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        groups = {name: [row.to_dict() for row in self.group(name)] for name in (*CAUSES, *RESULTS)}
        return {"runs": list(self.runs), "differs": list(self.differs), **groups}


def compare_runs(records: Sequence[RunRecord]) -> Comparison:
    """The runs beside each other, in their order."""
    return Comparison(tuple(record.id for record in records), tuple(_rows(records)))


def _rows(records: Sequence[RunRecord]) -> Iterator[Row]:
    def row(group: str, name: str, value: Callable[[RunRecord], Any]) -> Row:
        return Row(group, name, tuple(_value(value(record)) for record in records))

    def rows(group: str, values: Callable[[RunRecord], Mapping[str, Any]]) -> Iterator[Row]:
        found = [values(record) for record in records]
        for name in dict.fromkeys(name for one in found for name in one):
            yield Row(group, name, tuple(_value(one.get(name)) for one in found))

    yield row("command", "command", lambda one: f"{one.kind} {one.command}")
    yield row("command", "arguments", lambda one: [*one.run, *one.arguments])
    yield row("code", "commit", lambda one: one.commit.id if one.commit else None)
    yield row("code", "changes besides", lambda one: one.commit.dirty if one.commit else None)
    yield row("code", "digest", lambda one: one.code.digest)
    yield from rows("code", lambda one: one.code.files or {})
    yield from rows("data", lambda one: one.data)
    yield from rows("parameters", lambda one: dict(leaves(one.params)))
    yield row("parameters", "seed", lambda one: one.seed)
    for name in ("environment", "lock", "image", "platform"):
        yield row("environment", name, lambda one, name=name: getattr(one, name) or None)  # type: ignore[misc]
    yield from rows("machine", lambda one: one.host)
    yield row("result", "outcome", lambda one: one.outcome)
    yield row("result", "exit code", lambda one: one.exit_code)
    yield from rows("metrics", lambda one: one.metrics)
    yield from rows("outputs", lambda one: one.outputs)
    yield row("result", "seconds", lambda one: one.duration)
    yield row("result", "peak memory", lambda one: one.peak_memory)


def _value(value: Any) -> Value:
    if isinstance(value, Content):
        return f"sha256:{value.sha256}"
    if isinstance(value, (list, tuple)):
        return " ".join(map(str, value))
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)
