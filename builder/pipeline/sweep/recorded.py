"""Which recorded runs a sweep need not make again: those that had the same of all that makes a run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.history.record import RunRecord
from builder.history.search.expression import Comparison, Expression, all_of
from builder.oci.canonical import canonical_json
from builder.pipeline.sweep.points import Point, in_force


@dataclass(frozen=True, slots=True)
class Wanted:
    """What all runs of a sweep have in common."""

    command: str
    image: str
    """The digest of the image: of code, lock, model and documents."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The command's parameters."""
    seed: int | None = None
    """The command's own."""
    arguments: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    """The hexadecimal SHA-256 of what it reads."""

    def key(self, point: Point) -> bytes:
        """What makes the run of a point. Raises: EnvbuildError, if the command cannot take its values."""
        seed = self.seed if point.seed is None else point.seed
        parameters = in_force(self.defaults, point)
        return _key(self.command, self.image, parameters, seed, list(self.arguments), dict(self.data))

    @property
    def where(self) -> Expression:
        """What the index of runs is asked for: all that may be the runs of points."""
        image = self.image.removeprefix("sha256:")
        asked = {"command": self.command, "kind": "command", "outcome": "ok", "image": image}
        return all_of(*(Comparison(name, "=", value) for name, value in asked.items()))

    def runs(self, records: Iterable[RunRecord]) -> dict[bytes, RunRecord]:
        """The runs that ended well, by what made them; of the same the latest, if the latest come first."""
        found: dict[bytes, RunRecord] = {}
        for record in records:
            if record.outcome == "ok" and record.kind == "command" and record.image and record.code.found != "mounted":
                found.setdefault(record_key(record), record)
        return found


def record_key(record: RunRecord) -> bytes:
    """What made a run that is recorded."""
    data = {name: one.sha256 for name, one in record.data.items()}
    return _key(record.command, record.image, record.params, record.seed, list(record.arguments), data)


def _key(*made_of: Any) -> bytes:
    return canonical_json(list(made_of))
