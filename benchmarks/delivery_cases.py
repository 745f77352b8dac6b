"""From a lock to a registry and to a container: everything new, one package bumped, one line of code edited."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cases_interface import Line, Point, Setting
from engine import engine
from made_wheels import bumped_wheel
from registry import Registry, registry
from ways import Delivery, EnvbuildWay, Way, dockerfile_ways, prepare_base
from workspace import Workspace

from builder.lock.artifact import Wheel

PLOT = "changes"
_BUMPED_GOAL, _CODE_GOAL = 20, 3
_BUMPED, _BUMPED_LARGE = "fastapi", "pandas"
"""One in pure Python of 0.2 MB, and one of 12 MB."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is done again and again to a project that was delivered before."""

    what: str
    goal: float
    locks: Sequence[Sequence[Wheel]]
    """The wheels of each new image."""
    edits: bool = False
    """Whether a line of code is edited too."""


def changes(setting: Setting) -> Iterator[Line]:
    """A line of code is edited, one of 24 packages has a new version: to the registry that has the image before."""
    space = setting.space
    planned = _planned(space, setting.slow_runs)
    with engine(space, setting.docker_host) as docker, registry(space.folder / "fresh") as target:
        prepare_base(docker, {wheel for change in planned for wheels in change.locks for wheel in wheels})
        ways: list[Way] = [EnvbuildWay(space, docker), *dockerfile_ways(space, docker)]
        _deliver(space, ways, target, Change("before the changes", 0, [space.wheels]))
        for change in planned:
            found = _deliver(space, ways, target, change)
            yield from delivered(change.what, found, dict.fromkeys(found, change.goal))


def _planned(space: Workspace, runs: int) -> list[Change]:
    """A line, then each package upon the last lock; the large one once, for it takes everybody long."""
    planned = [Change("one line of code edited", _CODE_GOAL, [space.wheels] * runs, edits=True)]
    locked = list(space.wheels)
    for name, count in ((_BUMPED, min(runs, 2)), (_BUMPED_LARGE, 1)):
        place = next(place for place, wheel in enumerate(locked) if wheel.name == name)
        original, locks = locked[place], []
        for number in range(count):
            locked[place] = _bumped(space, original, f"999.{number}")
            locks.append(tuple(locked))
        planned.append(Change(f"one package bumped ({name}, {original.size / 1e6:.1f} MB)", _BUMPED_GOAL, locks))
    return planned


def _bumped(space: Workspace, wheel: Wheel, version: str) -> Wheel:
    path = bumped_wheel(space.artifact(wheel.digest), wheel.file_name, version, space.folder / "bumped")
    return space.add_wheel(path, wheel.name, version)


def _deliver(space: Workspace, ways: Sequence[Way], target: Registry, change: Change) -> dict[str, list[Delivery]]:
    """Deliver the images of a change by all ways in turn."""
    found: dict[str, list[Delivery]] = {way.name: [] for way in ways}
    for wheels in change.locks:
        project = space.write_project(wheels)
        if change.edits:
            space.edit(str(time.time_ns()), project)
        for way in ways:
            way.take(project, wheels)
            found[way.name].append(way.deliver(target, cold=False))
            tell(change.what, way, found[way.name][-1].pushed)
    return found


def delivered(what: str, found: Mapping[str, Sequence[Delivery]], goals: Mapping[str, float | None]) -> Iterator[Line]:
    """A line for each way: seconds until the image is pushed, and bytes."""
    own = statistics.median(delivery.pushed for delivery in found[EnvbuildWay.name])
    for name, deliveries in found.items():
        each = [delivery.pushed for delivery in deliveries]
        taken, goal = statistics.median(each), goals.get(name)
        sent = f"{bytes_text(statistics.median(delivery.sent for delivery in deliveries))} pushed"
        point = Point(PLOT, name, what.partition(" (")[0], taken)
        if name == EnvbuildWay.name:
            yield Line(f"{what}, to the registry: envbuild", f"{taken:.2f} s; {sent}", seconds=each, point=point)
            continue
        value = f"{taken:.2f} s: {taken / own:.1f} times as long; {sent}"
        met = taken / own >= goal if goal else None
        yield Line(f"{what}, to the registry: {name}", value, f"{goal:g} times" if goal else "", met, each, point)


def bytes_text(size: float) -> str:
    """Bytes as people read them."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def tell(what: str, way: Way, seconds: float) -> None:
    """Say on stderr how a run went."""
    print(f"  {what}, {way.name}: {seconds:.2f} s", file=sys.stderr)
