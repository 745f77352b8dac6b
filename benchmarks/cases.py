"""What is measured, and against which goal. Each case gives lines of the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import cold_cases
import conda_cases
import delivery_cases
import fleet_cases
import lock_cases
import peer_cases
import serve_cases
import size_cases
import wheels_to_layers
from cases_interface import Line, Setting, each, seconds, timed
from engine import engine
from made_wheels import large_wheel
from measuring import Sample, rounds

_MEMORY_GOAL = 300e6


def start_up(setting: Setting) -> Iterator[Line]:
    """The time of commands that have nothing to do."""
    space = setting.space
    subjects = {
        "`envbuild --help`": (0.15, partial(space.envbuild, "--help")),
        "`lock --check`": (0.3, partial(space.envbuild, "lock", "--check", str(space.example))),
        "`build` with nothing changed, two platforms": (0.4, partial(space.envbuild, "build", str(space.example))),
    }
    for _, subject in subjects.values():
        subject()
    measured = rounds({name: subject for name, (_, subject) in subjects.items()}, setting.runs)
    for name, (goal, _) in subjects.items():
        yield timed(name, measured[name], goal)


def edit(setting: Setting) -> Iterator[Line]:
    """The inner loop: a line of code is edited, and the image is in the engine again."""
    space = setting.space
    with engine(space, setting.docker_host) as docker:
        load = partial(space.envbuild, "build", str(space.example), "--load", variables=docker.variables)
        load()

        def edited() -> Sample:
            space.edit(str(time.time_ns()))
            return load()

        yield timed("one line of code edited: `build --load`", rounds({"edit": edited}, setting.runs)["edit"], 1.0)
        yield Line("with Docker Engine", docker.facts())


def wheels(setting: Setting) -> Iterator[Line]:
    """Wheels to layers, against taring and gzipping the same files, and against the least work there is."""
    paths = setting.space.linked_wheels(setting.space.folder / "fresh/wheels")
    fast, least = wheels_to_layers.seconds([wheels_to_layers.splice, wheels_to_layers.floor], paths, 1, setting.runs)
    slow, beside = wheels_to_layers.seconds([wheels_to_layers.tar_and_gzip, wheels_to_layers.splice], paths, 1, 1)
    size = sum(path.stat().st_size for path in paths) / 1e6
    yield Line(f"{len(paths)} wheels to segments, {size:.0f} MB, processor time", f"{fast:.2f} s")
    value = f"{slow:.2f} s: {slow / beside:.1f} times as long"
    yield Line("the same files by `tarfile` and gzip -6", value, "8 times", slow / beside >= 8)
    value = f"{least:.2f} s: splicing takes {fast / least:.2f} times as long"
    yield Line("inflating and hashing the same bytes alone", value, "at most 2 times", fast / least <= 2)


def memory(setting: Setting) -> Iterator[Line]:
    """The resident memory of builds from fetched artifacts, all processes together."""
    space = setting.space
    samples = [cold_cases.bundle(space, watch=True) for _ in range(setting.slow_runs)]
    yield _peak("peak memory of a bundle from artifacts", samples)
    path = setting.large_wheel or large_wheel(space.folder)
    name, version = path.name.split("-")[:2]
    wheel = space.add_wheel(path, name, version)
    folder = space.write_variant("large", [wheel])
    samples = []
    for _ in range(setting.slow_runs):
        store = space.fresh_store([wheel.digest])
        samples.append(space.envbuild("build", str(folder), "--offline", store=store, watch=True))
    yield _peak(f"peak memory with a wheel of {wheel.size / 1e6:.0f} MB", samples)
    yield Line(f"building that environment ({path.name})", seconds(samples), seconds=each(samples))


CASES: dict[str, Callable[[Setting], Iterator[Line]]] = {
    "start-up": start_up,
    "edit": edit,
    "cold": cold_cases.cold,
    "bump": delivery_cases.bump,
    "code": delivery_cases.code,
    "serve": serve_cases.serve,
    "fleet": fleet_cases.fleet,
    "peers": peer_cases.other_tools,
    "packages": size_cases.packages,
    "large": size_cases.large,
    "wheels": wheels,
    "memory": memory,
    "lock": lock_cases.lock,
    "check": lock_cases.check,
    "conda-read": conda_cases.conda_read,
    "conda-solve": conda_cases.conda_solve,
}


def _peak(what: str, samples: Sequence[Sample]) -> Line:
    peak = max(sample.peak for sample in samples)
    return Line(what, f"{peak / 1e6:.0f} MB", f"under {_MEMORY_GOAL / 1e6:.0f} MB", peak < _MEMORY_GOAL)
