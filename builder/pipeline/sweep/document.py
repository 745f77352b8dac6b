"""The document of a sweep: `runs/sweeps/<id>.json`, what was asked for and what became of each point.

The runs themselves are those of the project; it only says which of them belong together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from builder.errors import EnvbuildError
from builder.history.folder import SWEEPS
from builder.history.layout import RUN_ID, RUNS
from builder.oci.canonical import parse_json, readable_json
from builder.oci.layout import write_atomically
from builder.pipeline.sweep.points import Point
from builder.pipeline.sweep.table import Done, Objective

SWEEP_FORMAT = 1
_SIZE_LIMIT = 32 << 20
_WORD = re.compile(r"[^a-z0-9]+")

State = Literal["running", "finished", "interrupted"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sweep is asked to do."""

    command: str
    axes: tuple[str, ...]
    """As they were written: `lr=0.1,0.01`."""
    arguments: tuple[str, ...] = ()
    random: int | None = None
    """Draws; None for every combination."""
    driver: str | None = None
    trials: int | None = None
    seed: int = 0
    """Of draws and of the driver; the runs have their own."""
    objective: Objective | None = None

    def to_dict(self) -> dict[str, Any]:
        """The document's part."""
        objective = self.objective
        return {
            "command": self.command,
            "arguments": list(self.arguments),
            "axes": list(self.axes),
            "random": self.random,
            "driver": self.driver,
            "trials": self.trials,
            "sweep_seed": self.seed,
            "metric": objective.metric if objective else None,
            "goal": objective.goal if objective else None,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Plan:
        """Of a document from anywhere. Raises: KeyError, TypeError, ValueError."""
        texts = [value["command"], *value["axes"], *value["arguments"]]
        if not all(isinstance(one, str) for one in texts) or value["driver"] not in (None, "optuna"):
            raise ValueError("what was asked for is told otherwise")
        numbers = [value[name] for name in ("random", "trials", "sweep_seed")]
        if not all(one is None or (isinstance(one, int) and one >= 0) for one in numbers):
            raise ValueError("a number of it is none")
        objective = None
        if value["metric"] is not None:
            if value["goal"] not in ("maximize", "minimize"):
                raise ValueError("`goal` is neither `maximize` nor `minimize`")
            objective = Objective(str(value["metric"]), value["goal"])
        return cls(
            value["command"], tuple(value["axes"]), tuple(value["arguments"]), value["random"], value["driver"],
            value["trials"], value["sweep_seed"] or 0, objective,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep, as far as it got."""

    id: str
    plan: Plan
    start: str
    state: State = "running"
    image: str | None = None
    """The digest of the image that its runs are of."""
    points: tuple[Done, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The document."""
        return {
            "format": SWEEP_FORMAT,
            "id": self.id,
            "state": self.state,
            "start": self.start,
            "image": self.image,
            **self.plan.to_dict(),
            "points": [one.to_dict() for one in self.points],
        }

    def at(self, state: State, points: Sequence[Done]) -> Sweep:
        """As it is now."""
        return replace(self, state=state, points=tuple(points))


def new_id(command: str, now: datetime, salt: str) -> str:
    """The id of a sweep, in the form of those of runs; `salt` are six random hexadecimal digits."""
    word = _WORD.sub("-", command.lower()).strip("-") or "command"
    return f"{now:%Y%m%dT%H%M%SZ}-sweep-{word}-{salt}"


def sweep_file(root: Path, name: str) -> Path:
    """Where the document of a sweep is. Raises: EnvbuildError, if no sweep has such a name."""
    if not RUN_ID.fullmatch(name):
        raise EnvbuildError(f"`{name[:100]}` is no name of a sweep", hint="It is a file of `runs/sweeps`")
    return root / RUNS / SWEEPS / f"{name}.json"


def write_sweep(root: Path, sweep: Sweep) -> None:
    """Write the document, atomically. Raises: EnvbuildError."""
    file = sweep_file(root, sweep.id)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, readable_json(sweep.to_dict()))
    except OSError as error:
        raise EnvbuildError(f"`{file}` cannot be written", error.strerror or str(error), "Make room") from error


def read_sweep(root: Path, name: str) -> Sweep:
    """The sweep of this name; what became of its points is asked of the runs. Raises: EnvbuildError."""
    file = sweep_file(root, name)
    try:
        with open(os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as opened:
            data = opened.read(_SIZE_LIMIT + 1)
    except FileNotFoundError as error:
        known = sorted(path.stem for path in file.parent.glob("*.json"))[-3:]
        hint = f"The latest are {', '.join(f'`{one}`' for one in known)}" if known else None
        raise EnvbuildError(f"there is no sweep `{name}` in `{root}`", hint=hint) from error
    except OSError as error:
        raise EnvbuildError(f"`{file}` cannot be read", error.strerror or str(error)) from error
    value = parse_json(data, f"`{file}`")
    try:
        if len(data) > _SIZE_LIMIT or value["format"] != SWEEP_FORMAT or value["id"] != name:
            raise ValueError(f"format {SWEEP_FORMAT} and its own name are expected")
        return Sweep(name, Plan.from_dict(value), str(value["start"]), "interrupted", _text(value["image"]))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EnvbuildError(f"`{file}` is no document of a sweep", str(error)) from error


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def all_points(plan: Plan) -> tuple[Point, ...]:
    """The points of a plan that needs no driver. Raises: EnvbuildError."""
    from builder.pipeline.sweep.axes import parse_axes
    from builder.pipeline.sweep.points import drawn, grid

    axes = parse_axes(plan.axes, drawn=plan.random is not None)
    return grid(axes) if plan.random is None else drawn(axes, plan.random, plan.seed)
