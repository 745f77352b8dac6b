"""Ten environments of a team, which share most of their packages, from one folder."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from cases_interface import Line, Point, Setting
from delivery_cases import PLOT, bytes_text
from engine import Engine, engine
from made_wheels import small_wheel
from registry import Registry, registry
from ways import DockerfileWay, prepare_base
from workspace import Workspace

from builder.lock.artifact import Wheel

_COUNT, _OWN = 10, 3
_SHARED = ("scikit-learn", "pandas")
_OFTEN = ("fastapi", "uvicorn")
_TIME_GOAL, _BYTES_GOAL = 10, 5
_WHAT = "ten environments"
_Subject = Callable[[Registry], tuple[float, int]]
"""Gives the seconds that it took, and the bytes that the registry did not have."""


def fleet(setting: Setting) -> Iterator[Line]:
    """Ten environments that share packages, nothing built: to a registry that has the base."""
    space = setting.space
    members = {f"team-{number}": _wheels(space, number) for number in range(_COUNT)}
    wheels = sorted({wheel for member in members.values() for wheel in member})
    with engine(space, setting.docker_host) as docker, registry(space.folder / "fresh") as target:
        prepare_base(docker, wheels)
        subjects: dict[str, Callable[[Registry], tuple[float, int]]] = {
            "envbuild": partial(_all_at_once, space, members)
        }
        for installer in ("pip", "uv"):
            ways = {
                name: DockerfileWay(space, docker, installer, buildkit=docker.buildkit, part=name) for name in members
            }
            name = f"{installer}, {'BuildKit' if docker.buildkit else 'classic builder'}"
            subjects[name] = partial(_one_by_one, docker, ways, members)
        found = {}
        for name, subject in subjects.items():
            found[name] = subject(target)
            print(f"  {_WHAT}, {name}: {found[name][0]:.2f} s", file=sys.stderr)
    own_time, own_bytes = found["envbuild"]
    for name, (taken, sent) in found.items():
        point = Point(PLOT, name, _WHAT, taken)
        what = f"{_WHAT}, to the registry: {name}"
        if name == "envbuild":
            yield Line(what, f"{taken:.2f} s; {bytes_text(sent)} pushed", seconds=[taken], point=point)
            continue
        ratio, more = taken / own_time, sent / own_bytes
        yield Line(what, f"{taken:.2f} s: {ratio:.1f} times as long", f"{_TIME_GOAL} times", ratio >= _TIME_GOAL,
                   [taken], point)  # fmt: skip
        value = f"{bytes_text(sent)}: {more:.1f} times as many"
        yield Line(f"{_WHAT}, bytes in the registry: {name}", value, f"{_BYTES_GOAL} times", more >= _BYTES_GOAL)


def _wheels(space: Workspace, number: int) -> list[Wheel]:
    """The wheels of one member: what all have, what two of three have, and three packages of its own."""
    roots = _SHARED if number % 3 == 2 else _SHARED + _OFTEN
    by_name = {wheel.name: wheel for wheel in space.wheels}
    waiting, found = list(roots), set()
    while waiting:
        name = waiting.pop()
        if name not in found and name in by_name:
            found.add(name)
            waiting += by_name[name].dependencies
    own = [small_wheel(space.folder / "small", number * _OWN + one) for one in range(_OWN)]
    made = [space.add_wheel(path, path.name.split("-")[0].replace("_", "-"), "1.0") for path in own]
    return [*(by_name[name] for name in sorted(found)), *made]


def _all_at_once(space: Workspace, members: dict[str, list[Wheel]], target: Registry) -> tuple[float, int]:
    """`envbuild build --all --push` from a store that has the downloads and the base's layers."""
    folder = space.folder / "project/fleet"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, wheels in members.items():
        shutil.move(space.write_variant(name, wheels), folder / name)
    store = space.fresh_store([wheel.digest for wheels in members.values() for wheel in wheels])
    options = ("--platform", str(space.platform), "--offline", "--push")
    space.envbuild("build", str(space.base), *options, f"{target.host}/own/base", store=store)
    before = target.stored()
    built = space.envbuild("build", "--all", str(folder), *options, f"{target.host}/own", store=store)
    return built.seconds, target.stored() - before


def _one_by_one(
    docker: Engine, ways: dict[str, DockerfileWay], members: dict[str, list[Wheel]], target: Registry
) -> tuple[float, int]:
    """`docker build` and `docker push` of each, as many at once as there are processors."""
    docker.docker("tag", next(iter(ways.values())).base, f"{target.host}/base")
    docker.docker("push", "--quiet", f"{target.host}/base")
    for name, way in ways.items():
        way.take_wheels(members[name])

    def make(way: DockerfileWay) -> None:
        way.build(cold=True)
        way.push(way.tag, f"{target.host}/{way.slug}")

    start, before = time.perf_counter(), target.stored()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(make, ways.values()))
    return time.perf_counter() - start, target.stored() - before
