"""Programs of this machine that speak BuildKit's protocol, which the engine's API for Python does not."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 30
_DOCKER = re.compile(r"Docker version (\d+)\.(\d+)[^,\s]*")
_FIRST, _LAST = (18, 9), (22, 99)
"""Releases of the `docker` program that have BuildKit's client inside; later ones have it in the plugin buildx."""


@dataclass(frozen=True, slots=True)
class Client:
    """A program that builds by BuildKit."""

    program: str
    """Its path."""
    kind: str
    """`buildx`, `docker` or `buildctl`."""
    version: str

    def __str__(self) -> str:
        if self.kind == "buildx":
            return f"`{self.program} buildx` {self.version}"
        return f"`{self.program}` {self.version}"


def find_client(variables: Mapping[str, str]) -> Client | None:
    """The first that works: buildx, a `docker` that has it inside, buildctl with a daemon that answers."""
    dockers = [(program, version) for program in _programs("docker", variables) if (version := _docker(program))]
    for program, _ in dockers:
        if version := _answer(program, "buildx", "version"):
            return Client(program, "buildx", version.split()[1] if len(version.split()) > 1 else version)
    for program, version in dockers:
        numbers = _DOCKER.match(version)
        if numbers and _FIRST <= (int(numbers[1]), int(numbers[2])) <= _LAST:
            return Client(program, "docker", version.split()[2].rstrip(","))
    for program in _programs("buildctl", variables):
        if _answer(program, "debug", "workers") is not None:
            return Client(program, "buildctl", (_answer(program, "--version") or "").split(" ")[-1])
    return None


def _docker(program: str) -> str | None:
    """What `docker --version` says, unless it is another program of that name, such as podman's."""
    version = _answer(program, "--version")
    return version if version and _DOCKER.match(version) else None


def _programs(name: str, variables: Mapping[str, str]) -> Iterator[str]:
    """Every program of this name, in the order of PATH."""
    seen = set()
    for folder in variables.get("PATH", os.defpath).split(os.pathsep):
        path = shutil.which(name, path=folder) if folder else None
        if path and (real := Path(path).resolve()) not in seen:
            seen.add(real)
            yield path


def _answer(*line: str) -> str | None:
    """The first line that a program prints, None if it fails."""
    try:
        done = subprocess.run(line, capture_output=True, timeout=_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace").partition("\n")[0][:200].strip() if done.returncode == 0 else None
