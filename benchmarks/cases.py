"""What is measured, and against which goal. Each case gives lines of the table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial

import cold_cases
import conda_cases
import data_cases
import delivery_cases
import fleet_cases
import history_cases
import kept_cases
import lock_cases
import memory_cases
import model_cases
import peer_cases
import pipeline_cases
import serve_cases
import size_cases
import stage_cases
import wheels_to_layers
from cases_interface import Line, Setting, timed
from engine import engine
from measuring import Sample, median, rounds

from builder.cli.commands import COMMANDS


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
    helps = {name: partial(space.envbuild, name, "--help") for name in COMMANDS}
    for subject in helps.values():
        subject()
    slowest, samples = max(rounds(helps, setting.runs).items(), key=lambda one: median(one[1]))
    yield timed(f"`--help` of the slowest command of {len(helps)}, `{slowest}`", samples, 0.15)


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


CASES: dict[str, Callable[[Setting], Iterator[Line]]] = {
    "start-up": start_up,
    "edit": edit,
    "cold": cold_cases.cold,
    "changes": delivery_cases.changes,
    "serve": serve_cases.serve,
    "fleet": fleet_cases.fleet,
    "peers": peer_cases.other_tools,
    "packages": size_cases.packages,
    "large": size_cases.large,
    "wheels": wheels,
    "memory": memory_cases.memory,
    "weights": model_cases.weights,
    "lock": lock_cases.lock,
    "check": lock_cases.check,
    "conda-read": conda_cases.conda_read,
    "conda-solve": conda_cases.conda_solve,
    "data": data_cases.data,
    "runs": history_cases.runs,
    "outputs": kept_cases.outputs,
    "pipeline": pipeline_cases.pipeline,
    "stages": stage_cases.stages,
}
