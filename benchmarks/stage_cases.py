"""What running a stage costs above a bare `docker run` of the same program in the same image."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cases_interface import Line, Setting, each
from engine import Engine, engine
from measuring import Sample, median, rounds, run

_STAGES = 10
_GOAL = 0.3


def stages(setting: Setting) -> Iterator[Line]:
    """A `repro` of ten stages that each write a line, one after the other, and ten times `docker run` of the same."""
    space = setting.space
    folder = space.folder / "few-stages"
    _write(folder, os.path.relpath(space.base, folder))
    words = ("repro", "--force", "--jobs", "1", "--engine", "docker", "--project", str(folder))
    with engine(space, setting.docker_host) as docker:
        image = space.envbuild("build", str(space.base), "--load", variables=docker.variables).output.partition("@")[0]
        subjects = {
            "repro": partial(space.envbuild, *words, variables=docker.variables),
            "docker run": partial(_bare, docker, image, folder),
        }
        for subject in subjects.values():
            subject()  # the image of the stages is loaded
        found = rounds(subjects, setting.slow_runs)
    bare = median(found["docker run"]) / _STAGES
    more = (median(found["repro"]) - median(found["docker run"])) / _STAGES
    yield Line("`docker run` of a program that writes a line", f"{bare:.2f} s", seconds=each(found["docker run"]))
    what = f"and a stage that runs it, recorded and kept, in a `repro` of {_STAGES} with its start"
    yield Line(what, f"{more:.2f} s more", f"under {_GOAL:g} s more", more < _GOAL, each(found["repro"]))


def _write(folder: Path, environment: str) -> None:
    lines = [f"environment: {environment}", "stages:"]
    for number in range(_STAGES):
        lines += [f"  s{number}:", f"    run: [python, -c, {_program(number)!r}]", f"    outputs: [{number}.txt]"]
    folder.mkdir(exist_ok=True)
    (folder / "envbuild.yaml").write_text("\n".join(lines) + "\n")


def _program(number: int) -> str:
    return f"open('{number}.txt', 'w').write('one line')"


def _bare(docker: Engine, image: str, folder: Path) -> Sample:
    scratch = folder.with_name("fresh") / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    own, alone = ["--user", f"{os.getuid()}:{os.getgid()}"], ["--network", "none"]
    place = ["-v", f"{scratch}:/app", "-w", "/app", "--entrypoint", "/opt/env/bin/python"]
    line = [docker.client, "run", "--rm", *own, *alone, *place, image, "-c", _program(0)]
    times = f"for _ in $(seq {_STAGES}); do {shlex.join(line)} || exit 1; done"
    return run(["bash", "-c", times], {**os.environ, **docker.variables})
