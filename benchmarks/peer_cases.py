"""Other tools on the example: everything new, one line of code edited, nothing changed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import peers
from cases_interface import Line, Setting
from delivery_cases import delivered, tell
from engine import engine
from measuring import CommandFailedError
from registry import registry
from ways import Delivery, EnvbuildWay, Way
from workspace import Workspace


def other_tools(setting: Setting) -> Iterator[Line]:
    """BentoML and envd, each on a base of its kind: everything new, a line of code, nothing changed; one run."""
    space = setting.space
    peers.install(space)
    yield from peers.left_out()
    with engine(space, setting.docker_host) as docker:
        peers.prepare(docker)
        with peers.envd_base(space, docker) as base:
            bentoml, envd = peers.Bentoml(space, docker), peers.Envd(space, docker)
            envd.image = base
            found = {way.name: _measure(space, way) for way in (EnvbuildWay(space, docker), bentoml, envd)}
    failed = {name: result for name, result in found.items() if isinstance(result, CommandFailedError)}
    for name, error in failed.items():
        yield Line(name, f"not measured: {str(error).splitlines()[0]}")
    for number, what in enumerate(("other tools, everything new", "other tools, one line of code edited",
                                   "other tools, nothing changed")):  # fmt: skip
        deliveries = {name: [result[number]] for name, result in found.items() if isinstance(result, list)}
        yield from delivered(what, deliveries, {})
    yield Line("other tools", peers.versions(space))


def _measure(space: Workspace, way: Way) -> list[Delivery] | CommandFailedError:
    """The three deliveries of a tool, or why it gave none."""
    found = []
    try:
        with registry(space.folder / "fresh") as target:
            for cold, change in ((True, False), (False, True), (False, False)):
                project = space.write_project(space.wheels)
                if change:
                    space.edit(str(time.time_ns()), project)
                way.take(project, space.wheels)
                found.append(way.deliver(target, cold=cold))
                tell("other tools", way, found[-1].pushed)
    except CommandFailedError as error:
        print(error, file=sys.stderr)
        return error
    return found
