"""How much memory builds need."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cold_cases
from cases_interface import Line, Setting, each, seconds
from engine import EngineMissingError, engine
from made_wheels import large_wheel
from measuring import Sample
from ways import dockerfile_ways, prepare_base

_GOAL = 300e6


def memory(setting: Setting) -> Iterator[Line]:
    """The resident memory of builds from fetched artifacts, all processes and what the engine gains together."""
    space = setting.space
    samples = [cold_cases.bundle(space, watch=True) for _ in range(setting.slow_runs)]
    yield _peak("peak memory of a bundle from artifacts", samples, _GOAL)
    path = setting.large_wheel or large_wheel(space.folder)
    name, version = path.name.split("-")[:2]
    wheel = space.add_wheel(path, name, version)
    folder = space.write_variant("large", [wheel])
    samples = []
    for _ in range(setting.slow_runs):
        store = space.fresh_store([wheel.digest])
        samples.append(space.envbuild("build", str(folder), "--offline", store=store, watch=True))
    yield _peak(f"peak memory with a wheel of {wheel.size / 1e6:.0f} MB", samples, _GOAL)
    yield Line(f"building that environment ({path.name})", seconds(samples), seconds=each(samples))
    yield from _engines(setting)


def _engines(setting: Setting) -> Iterator[Line]:
    """What Dockerfiles of the example need, once."""
    space = setting.space
    if setting.docker_host:
        raise EngineMissingError("the memory of an engine that runs elsewhere is not seen")
    with engine(space, None) as docker:
        prepare_base(docker, space.wheels)
        project = space.write_project(space.wheels)
        for way in dockerfile_ways(space, docker):
            way.take(project, space.wheels)
            yield _peak(f"peak memory of `docker build`, {way.name}", [way.build(cold=True, watch=True)])


def _peak(what: str, samples: Sequence[Sample], goal: float | None = None) -> Line:
    peak = max(sample.peak for sample in samples)
    wanted = f"under {goal / 1e6:.0f} MB" if goal else ""
    return Line(what, f"{peak / 1e6:.0f} MB", wanted, peak < goal if goal else None)
