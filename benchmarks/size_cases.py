"""What cost depends on: the number of packages, and one very large wheel."""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from cases_interface import Line, Point, Setting
from delivery_cases import bytes_text, tell
from engine import Engine, engine
from made_wheels import large_wheel, small_wheel
from registry import registry
from ways import DockerfileWay, EnvbuildWay, Way, prepare_base
from workspace import Workspace

from builder.lock.artifact import Wheel

PLOT = "packages"
_COUNTS = (10, 50, 200, 400)
_LINEAR = 1.2
_TORCH = "torch==2.13.0"


def packages(setting: Setting) -> Iterator[Line]:
    """10, 50, 200 and 400 small packages, nothing built: to a registry that has the base."""
    space = setting.space
    wheels = [_added(space, small_wheel(space.folder / "small", number)) for number in range(max(_COUNTS))]
    taken: dict[int, float] = {}
    with engine(space, setting.docker_host) as docker:
        prepare_base(docker, wheels)
        for count in _COUNTS:
            for way, seconds, sent in _deliver(setting, docker, "packages", wheels[:count]):
                point = Point(PLOT, way.name, count, seconds)
                value = f"{seconds:.2f} s; {bytes_text(sent)} pushed"
                yield Line(f"{count} packages, to the registry: {way.name}", value, seconds=[seconds], point=point)
                if isinstance(way, EnvbuildWay):
                    taken[count] = seconds
    few, some, most = taken[10], taken[200], taken[400]
    expected = some + (some - few) / (200 - 10) * (400 - 200)
    value = f"{most / expected:.2f} times what the line through 10 and 200 says"
    yield Line("400 packages with envbuild", value, f"at most {_LINEAR} times", most / expected <= _LINEAR)


def large(setting: Setting) -> Iterator[Line]:
    """A wheel of 190 MB (torch, 700 MB unpacked; else one that is made up), nothing built: to a registry."""
    space = setting.space
    path = setting.large_wheel or _torch(space.folder / "torch") or large_wheel(space.folder)
    wheel = _added(space, path)
    with engine(space, setting.docker_host) as docker:
        prepare_base(docker, [wheel])
        found = list(_deliver(setting, docker, "large", [wheel], "--no-deps"))
    own = found[0][1]
    for way, seconds, sent in found:
        more = "" if way is found[0][0] else f": {seconds / own:.1f} times as long"
        value = f"{seconds:.2f} s{more}; {bytes_text(sent)} pushed"
        yield Line(f"{wheel.name} {wheel.version} alone, to the registry: {way.name}", value, seconds=[seconds])


def _deliver(
    setting: Setting, docker: Engine, name: str, wheels: Sequence[Wheel], option: str = ""
) -> Iterator[tuple[Way, float, int]]:
    space = setting.space
    project = space.write_project(wheels, name)
    kinds = ("pip", "uv")
    others = [DockerfileWay(space, docker, kind, buildkit=docker.buildkit, option=option) for kind in kinds]
    ways: list[Way] = [EnvbuildWay(space, docker), *others]
    for way in ways:
        way.take(project, wheels)
        found = []
        for _ in range(setting.slow_runs if isinstance(way, EnvbuildWay) else 1):
            with registry(space.folder / "fresh") as target:
                found.append(way.deliver(target, cold=True))
            tell(f"{len(wheels)} packages", way, found[-1].pushed)
        yield way, statistics.median(delivery.pushed for delivery in found), found[0].sent
    docker.forget_builds()


def _added(space: Workspace, path: Path) -> Wheel:
    name, version = path.name.split("-")[:2]
    return space.add_wheel(path, name.replace("_", "-"), version)


def _torch(folder: Path) -> Path | None:
    """The wheel of torch for processors, where pip is told of a place that has it."""
    if not list(folder.glob("*.whl")):
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-index", "-d", str(folder), _TORCH]
        subprocess.run(command, capture_output=True, check=False)
    return next(folder.glob("*.whl"), None)
