"""From a lock to a registry and to a container: everything new, one package bumped, one line of code edited."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cases_interface import Line, Point, Setting
from engine import engine
from made_wheels import bumped_wheel
from registry import registry
from ways import Delivery, EnvbuildWay, Way, dockerfile_ways, prepare_base
from workspace import Workspace

from builder.lock.artifact import Wheel

PLOT = "changes"
_BUMPED_GOAL, _CODE_GOAL = 20, 3
_BUMPED = ("fastapi", "pandas")
"""One in pure Python of 0.1 MB, and one of 11 MB."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a project that was delivered before."""

    what: str
    goal: float
    wheels: Sequence[Sequence[Wheel]]
    """Those of the first image, and of each one after it."""


def bump(setting: Setting) -> Iterator[Line]:
    """One of 24 packages has a new version: until the image is in the registry that has the image before."""
    space = setting.space
    changes = []
    for package in _BUMPED:
        wheel = next(wheel for wheel in space.wheels if wheel.name == package)
        versions = [_bumped(space, wheel, f"999.{number}") for number in range(_runs(setting, wheel) + 1)]
        locks = [[version if other is wheel else other for other in space.wheels] for version in versions]
        changes.append(Change(f"one package bumped ({package}, {wheel.size / 1e6:.1f} MB)", _BUMPED_GOAL, locks))
    yield from _changed(setting, changes, lambda: None)


def code(setting: Setting) -> Iterator[Line]:
    """One line of code is edited: until the image is in the registry that has the image before."""
    space = setting.space
    project = space.write_project(space.wheels)
    change = Change("one line of code edited", _CODE_GOAL, [space.wheels] * (setting.slow_runs + 1))
    yield from _changed(setting, [change], lambda: space.edit(str(time.time_ns()), project))


def _runs(setting: Setting, wheel: Wheel) -> int:
    """The large one takes everybody long."""
    return 1 if wheel.size > 1e6 else min(setting.slow_runs, 2)


def _bumped(space: Workspace, wheel: Wheel, version: str) -> Wheel:
    path = bumped_wheel(space.artifact(wheel.digest), wheel.file_name, version, space.folder / "bumped")
    return space.add_wheel(path, wheel.name, version)


def _changed(setting: Setting, changes: Sequence[Change], edit: Callable[[], None]) -> Iterator[Line]:
    """Lines of all ways for each change, after everything was built and pushed once."""
    space = setting.space
    with engine(space, setting.docker_host) as docker, registry(space.folder / "fresh") as target:
        prepare_base(docker, [wheel for change in changes for wheels in change.wheels for wheel in wheels])
        ways = [EnvbuildWay(space, docker), *dockerfile_ways(space, docker)]
        for change in changes:
            found: dict[str, list[Delivery]] = {way.name: [] for way in ways}
            for number, wheels in enumerate(change.wheels):
                project = space.write_project(wheels)
                edit()
                for way in ways:
                    way.take(project, wheels)
                    delivery = way.deliver(target, cold=False)
                    tell(change.what, way, delivery.pushed)
                    found[way.name] += [delivery] if number else []
            yield from delivered(change.what, found, dict.fromkeys(found, change.goal))


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
