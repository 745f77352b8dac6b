"""The points of a sweep: every combination of values, or as many as are drawn, the same for the same seed. Pure."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.pipeline.sweep.axes import MOST_POINTS, SEED, Axis

_TRIES = 20
"""Draws for each point that is wanted, before what can be drawn is taken for exhausted."""


@dataclass(frozen=True, slots=True)
class Point:
    """A run that is wanted."""

    values: tuple[tuple[str, str], ...]
    """Parameters as `--param` takes them, in the order of the axes."""
    seed: int | None = None
    """None for the command's own."""

    @property
    def label(self) -> str:
        """For people: `lr=0.1 seed=3`."""
        seed = [] if self.seed is None else [f"{SEED}={self.seed}"]
        return " ".join([*(f"{name}={value}" for name, value in self.values), *seed])

    def to_dict(self) -> dict[str, Any]:
        """For the sweep's document."""
        return {"params": dict(self.values), "seed": self.seed}


def grid(axes: Sequence[Axis]) -> tuple[Point, ...]:
    """Every combination; the last axis changes fastest. Raises: EnvbuildError, if there are too many."""
    if math.prod(len(axis.values) for axis in axes) > MOST_POINTS:
        raise EnvbuildError(f"this sweep has more than {MOST_POINTS} points", hint="Draw some of them: `--random N`")
    combinations = itertools.product(*(axis.values for axis in axes))
    return tuple(_point(dict(zip((axis.name for axis in axes), one, strict=True))) for one in combinations)


def drawn(axes: Sequence[Axis], count: int, seed: int) -> tuple[Point, ...]:
    """`count` different draws of all parameters, each with each seed of the axis `seed`.

    Fewer, where there are not as many. Only `random()` is asked, which gives the same in every version of Python.
    """
    # Not for secrets: the same seed must give the same.
    source = random.Random(seed)  # noqa: S311
    parameters = [axis for axis in axes if axis.name != SEED]
    found: dict[tuple[tuple[str, str], ...], None] = {}
    for _ in range(count * _TRIES if parameters else 1):
        found[tuple((axis.name, _draw(axis, source.random())) for axis in parameters)] = None
        if len(found) == count:
            break
    points = tuple(point for values in found for point in seeded(values, axes))
    if len(points) > MOST_POINTS:
        raise EnvbuildError(f"this sweep has more than {MOST_POINTS} points")
    return points


def seeded(values: tuple[tuple[str, str], ...], axes: Sequence[Axis]) -> tuple[Point, ...]:
    """The points with these parameters: one for each seed."""
    seeds = next((axis.values for axis in axes if axis.name == SEED), ())
    return tuple(Point(values, int(seed)) for seed in seeds) or (Point(values),)


def _draw(axis: Axis, place: float) -> str:
    if axis.span:
        return axis.span.at(place)
    return axis.values[min(int(place * len(axis.values)), len(axis.values) - 1)]


def _point(values: Mapping[str, str]) -> Point:
    seed = values.get(SEED)
    others = tuple((name, value) for name, value in values.items() if name != SEED)
    return Point(others, None if seed is None else int(seed))


def in_force(defaults: Mapping[str, Any], point: Point) -> dict[str, Any]:
    """The parameters of a point's run, as the launcher makes them of the defaults.

    Raises: EnvbuildError, if a value is of another type than its default.
    """
    parameters: dict[str, Any] = json.loads(json.dumps(defaults))
    places = {name: (group, key) for name, group, key in _places(parameters)}
    for name, text in point.values:
        group, key = places[name]
        try:
            group[key] = _converted(text, group[key])
        except ValueError as error:
            kind = type(group[key]).__name__
            raise EnvbuildError(f"parameter `{name}` cannot be `{text[:100]}`: it is of type {kind}") from error
    return parameters


def _places(group: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every single parameter: its name, dotted inside a group, the group that it stands in, and its key there."""
    for key, value in group.items():
        if isinstance(value, dict) and value:
            yield from _places(value, f"{prefix}{key}.")
        else:
            yield prefix + key, group, key


def _converted(text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(text)
        return text.lower() == "true"
    if isinstance(default, (int, float, str)):
        value = type(default)(text)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(text)  # what no record can hold
        return value
    try:
        return json.loads(text)
    except ValueError:
        if default is None:
            return text
        raise
