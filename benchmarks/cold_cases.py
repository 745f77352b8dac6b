"""From a lock and its downloads, with nothing built: to a file, to a registry and to a container."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cases_interface import Line, Setting, each, seconds
from delivery_cases import bytes_text, delivered, tell
from engine import Engine, engine
from measuring import Sample, median
from registry import registry
from ways import Delivery, DockerfileWay, EnvbuildWay, Way, dockerfile_ways, prepare_base
from workspace import Workspace

WHAT = "everything new"
_IMAGE_GOALS = {"pip": 10, "uv": 4}
"""How many times as long as a bundle on the same base a Dockerfile with this installer should take at least."""
_PUSHED_GOALS = {"pip": 8, "uv": 3}
_STARTED_GOALS = {"pip": 1.5, "uv": 1.5}


@dataclass(frozen=True, slots=True)
class Found:
    """What cold runs of some ways took, by their names."""

    deliveries: Mapping[str, list[Delivery]]
    started: Mapping[str, list[float]]
    bundles: list[Sample] = field(default_factory=list)
    bundles_on_base: list[Sample] = field(default_factory=list)


def cold(setting: Setting) -> Iterator[Line]:
    """With downloads there and nothing built: to an OCI layout, to a registry that has the base, to a container."""
    space = setting.space
    with engine(space, setting.docker_host) as docker:
        prepare_base(docker, space.wheels)
        extra = [DockerfileWay(space, docker, "pip --no-compile", buildkit=docker.buildkit)]
        ways: list[Way] = [EnvbuildWay(space, docker), *dockerfile_ways(space, docker), *extra]
        found = measure(setting, docker, ways)
        facts, sizes = docker.facts(), {way.name: way.size() for way in ways}
        saved = docker.docker("save", "-o", str(space.folder / "fresh/saved.tar"), extra[0].tag)
    families = {way.name: way.family for way in ways}
    yield from _images(found, families)
    yield Line("and then `docker save`, to have it as a file too", seconds([saved]), seconds=[saved.seconds])
    yield from delivered(WHAT, found.deliveries, {name: _PUSHED_GOALS.get(families[name]) for name in families})
    yield from started(found.started, families)
    for name, size in sizes.items():
        sent = bytes_text(statistics.median(delivery.sent for delivery in found.deliveries[name]))
        yield Line(f"image size above the base: {name}", f"{bytes_text(size)}; {sent} compressed, in the registry")
    yield Line("with Docker Engine", facts)


def measure(setting: Setting, docker: Engine, ways: Sequence[Way]) -> Found:
    """Run all ways in turn, with a new registry in each round."""
    space = setting.space
    project = space.write_project(space.wheels)
    found = Found({way.name: [] for way in ways}, {way.name: [] for way in ways})
    for _ in range(setting.slow_runs):
        found.bundles.append(bundle(space))
        found.bundles_on_base.append(bundle(space, on_base=True))
        with registry(space.folder / "fresh") as target:
            for way in ways:
                way.take(project, space.wheels)
                delivery = way.deliver(target, cold=True)
                tell(WHAT, way, delivery.pushed)
                found.deliveries[way.name].append(delivery)
                found.started[way.name].append(way.start(delivery))
        docker.forget_builds()
    return found


def started(found: Mapping[str, Sequence[float]], families: Mapping[str, str]) -> Iterator[Line]:
    """A line for each way: seconds until a container has run."""
    own = statistics.median(found[EnvbuildWay.name])
    for name, times in found.items():
        taken, goal = statistics.median(times), _STARTED_GOALS.get(families[name])
        if name == EnvbuildWay.name:
            yield Line(f"{WHAT}, to a container: envbuild", f"{taken:.2f} s", seconds=times)
            continue
        value, met = f"{taken:.2f} s: {taken / own:.1f} times as long", taken / own >= goal if goal else None
        yield Line(f"{WHAT}, to a container: {name}", value, f"{goal:g} times" if goal else "", met, times)


def _images(found: Found, families: Mapping[str, str]) -> Iterator[Line]:
    whole, on_base = median(found.bundles), median(found.bundles_on_base)
    for name, samples in (("all, from debs and wheels", found.bundles), ("on the base", found.bundles_on_base)):
        yield Line(f"bundle to an OCI layout, {name}", seconds(samples), seconds=each(samples))
    for name, deliveries in found.deliveries.items():
        times = [delivery.image for delivery in deliveries]
        taken, goal = statistics.median(times), _IMAGE_GOALS.get(families[name])
        if name != EnvbuildWay.name:
            value = f"{taken:.2f} s: {taken / on_base:.1f} times as long ({taken / whole:.1f} times as long as all)"
            met = taken / on_base >= goal if goal else None
            yield Line(f"`docker build`, {name}", value, f"{goal} times" if goal else "", met, times)


def bundle(space: Workspace, *, on_base: bool = False, watch: bool = False) -> Sample:
    """Bundle the example into an OCI layout, from downloads, the layers of its base being there or not."""
    store = space.fresh_store()
    if on_base:
        space.envbuild("build", str(space.base), "--offline", store=store)
    target = Path(space.folder / "fresh/bundle")
    shutil.rmtree(target, ignore_errors=True)
    arguments = ("bundle", str(space.example), "-o", str(target), "--platform", str(space.platform), "--offline")
    return space.envbuild(*arguments, store=store, watch=watch)
