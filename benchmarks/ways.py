"""The ways to an image that are compared: envbuild's, and Dockerfiles with pip and uv in both builders of an engine.

All start from the same base, all have the same wheels on the disk (Dockerfiles find them in a folder of the base, so
that neither downloading nor copying costs them anything), and all put the same code on top.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from engine import Engine
from measuring import Sample
from registry import Registry
from workspace import MEASURED, Workspace

from builder.lock.artifact import Wheel

BASE = "envbuild-benchmark-base"
REPOSITORY = "app"
_PYTHON = "/opt/env/bin/python"
INSTALLERS = {
    "pip": "pip install -q",
    "pip --no-compile": "pip install -q --no-compile",
    "uv": f"uv pip install -q --no-cache --python {_PYTHON}",
}
"""What the Dockerfiles run. pip compiles to bytecode unless told otherwise; uv does not, as envbuild."""
_FROM_WHEELS = "--require-hashes --no-index --find-links /wheels -r /tmp/requirements.txt"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The way of one image: seconds from the start of the work, and bytes."""

    image: float
    """Until it is there, in the engine or, where no engine is needed, in the store."""
    pushed: float
    sent: int
    """Bytes that the registry did not have before."""


class Way(Protocol):
    """A way from locked wheels and code to an image."""

    name: str
    family: str
    """The installer: what a goal is set against; or empty."""

    def take(self, project: Path, wheels: Sequence[Wheel]) -> None:
        """Write what the next image is made of. Not measured."""

    def deliver(self, registry: Registry, *, cold: bool) -> Delivery:
        """Make and push the image, with nothing but downloads and the base there where it is cold.

        Raises: CommandFailedError.
        """

    def start(self, delivery: Delivery) -> float:
        """Seconds from the cold start of the work to the end of a container that does nothing.

        Raises: CommandFailedError.
        """

    def size(self) -> int:
        """Unpacked bytes above the base of the image that was started. Raises: CommandFailedError."""


class EnvbuildWay:
    """envbuild: from the lock straight to the registry, or to the engine."""

    name = "envbuild"
    family = ""

    def __init__(self, space: Workspace, docker: Engine) -> None:
        self._space, self._docker = space, docker
        self._project, self._wheels = space.example, tuple(space.wheels)

    def take(self, project: Path, wheels: Sequence[Wheel]) -> None:
        """See `Way`."""
        self._project, self._wheels = project, tuple(wheels)

    def deliver(self, registry: Registry, *, cold: bool) -> Delivery:
        """See `Way`."""
        place = f"{registry.host}/{self.name}"
        if cold:
            self._build(self._space.base, self._store(cold), "--push", f"{place}:base")
            image = self._build(self._project, self._store(cold)).seconds
        store, before = self._store(cold), registry.stored()
        pushed = self._build(self._project, store, "--push", f"{place}:{MEASURED}").seconds
        return Delivery(image if cold else pushed, pushed, registry.stored() - before)

    def start(self, delivery: Delivery) -> float:  # noqa: ARG002
        """See `Way`. What is in the registry is no help to the engine, so all is made once more."""
        taken, image = self.load()
        return taken + _run_nothing(self._docker, image).seconds

    def size(self) -> int:
        """See `Way`."""
        return self._docker.size("penguins:1.0") - self._docker.size("base:latest")

    def load(self) -> tuple[float, str]:
        """Seconds until a cold image is in the engine that has the base, and its name there."""
        store = self._store(cold=True)
        self._forget()
        loaded = self._build(self._project, store, "--load", "--json")
        return loaded.seconds, str(json.loads(loaded.output)["name"])

    def _forget(self) -> None:
        """Take the project's images out of the engine, not the base's."""
        found = self._docker.docker("image", "ls", "--quiet", "penguins").output.split()
        if found:
            self._docker.docker("image", "rm", "--force", *sorted(set(found)))

    def _build(self, folder: Path, store: Path, *options: str) -> Sample:
        arguments = ("build", str(folder), "--platform", str(self._space.platform), "--offline", *options)
        return self._space.envbuild(*arguments, store=store, variables=self._docker.variables)

    def _store(self, cold: bool) -> Path:
        """The warm store, or one that has downloads and the base's layers alone."""
        if not cold:
            return self._space.store
        store = self._space.fresh_store([wheel.digest for wheel in self._wheels])
        self._build(self._space.base, store)
        return store


class EngineWay:
    """A way through an engine, whose image is pushed by `docker push`. What builds is left to who inherits."""

    name = ""
    family = ""
    part = ""
    """What tells several images of one way apart."""
    base = BASE

    def __init__(self, space: Workspace, docker: Engine) -> None:
        self.space, self.docker = space, docker

    @property
    def slug(self) -> str:
        """The name, for folders and repositories."""
        name = f"{self.name} {self.part}".lower()
        return "-".join("".join(letter if letter.isalnum() else " " for letter in name).split())

    @property
    def tag(self) -> str:
        """What the image is called in the engine."""
        return f"benchmark-{self.slug}:{MEASURED}"

    @property
    def folder(self) -> Path:
        """What the image is made of."""
        return self.space.folder / "fresh" / self.slug

    def build(self, cold: bool, watch: bool = False) -> Sample:
        """Make the image under `tag`."""
        raise NotImplementedError

    def deliver(self, registry: Registry, *, cold: bool) -> Delivery:
        """See `Way`."""
        place = f"{registry.host}/{self.slug}"
        if cold:
            self.push(self.base, f"{place}:base")
        built = self.build(cold)
        before = registry.stored()
        pushed = self.push(self.tag, f"{place}:{MEASURED}")
        return Delivery(built.seconds, built.seconds + pushed.seconds, registry.stored() - before)

    def start(self, delivery: Delivery) -> float:
        """See `Way`."""
        return delivery.image + _run_nothing(self.docker, self.tag).seconds

    def size(self) -> int:
        """See `Way`."""
        return self.docker.size(self.tag) - self.docker.size(self.base)

    def push(self, image: str, reference: str) -> Sample:
        """Push an image of the engine under another name, and forget that one."""
        self.docker.docker("tag", image, reference)
        pushed = self.docker.docker("push", "--quiet", reference)
        self.docker.docker("image", "rm", reference)
        return pushed


class DockerfileWay(EngineWay):
    """A Dockerfile that installs wheels with pip or uv."""

    def __init__(
        self, space: Workspace, docker: Engine, installer: str, *, buildkit: bool, part: str = "", option: str = ""
    ) -> None:
        super().__init__(space, docker)
        self.name = f"{installer}, {'BuildKit' if buildkit else 'classic builder'}"
        self.part = part
        self.family, self._installer, self._buildkit = installer, installer, buildkit
        self._option = option

    def take(self, project: Path, wheels: Sequence[Wheel]) -> None:
        """See `Way`."""
        self.take_wheels(wheels)
        copy_code(project, self.folder)
        with (self.folder / "Dockerfile").open("a", encoding="utf-8") as file:
            file.write("COPY app /app\nWORKDIR /app\nENV PYTHONPATH=/app/src ENVBUILD_MODEL=/app/model\n")

    def take_wheels(self, wheels: Sequence[Wheel]) -> None:
        """The same without code."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "requirements.txt").write_text(requirements(wheels), "utf-8")
        command = exec_form(f"{INSTALLERS[self._installer]} {self._option} {_FROM_WHEELS}")
        text = f"FROM {self.base}\nCOPY requirements.txt /tmp/\nRUN {command}\n"
        (self.folder / "Dockerfile").write_text(text, "utf-8")

    def build(self, cold: bool, watch: bool = False) -> Sample:
        """See `EngineWay`."""
        options = ["--no-cache"] if cold else []
        line = ["build", *options, "--network", "none", "--tag", self.tag, str(self.folder)]
        return self.docker.docker(*line, buildkit=self._buildkit, watch=watch)


def dockerfile_ways(space: Workspace, docker: Engine, installers: Iterable[str] = ("pip", "uv")) -> list[DockerfileWay]:
    """One for each installer and each builder that the engine has."""
    builders = (False, True) if docker.buildkit else (False,)
    pairs = [(buildkit, installer) for buildkit in builders for installer in installers]
    return [DockerfileWay(space, docker, installer, buildkit=buildkit) for buildkit, installer in pairs]


def prepare_base(docker: Engine, wheels: Iterable[Wheel]) -> None:
    """Put the image that all Dockerfiles start from into the engine: envbuild's own without wheels, and tools.

    It has pip, uv and a folder of the wheels. pip is compiled to bytecode, as an image of pip would have it.
    """
    from uv import find_uv_bin

    space = docker.space
    folder = space.folder / "fresh" / "base-image"
    shutil.rmtree(folder, ignore_errors=True)
    space.linked_wheels(folder / "wheels", wheels)
    tools = space.folder / "tools"
    if not list(tools.glob("pip-*.whl")):
        download = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tools), "pip"]
        subprocess.run(download, check=True)
    pip = next(tools.glob("pip-*.whl"))
    shutil.copy(pip, folder)
    shutil.copy(find_uv_bin(), folder / "uv")
    command = exec_form(f"python /tools/{pip.name}/pip install -q --no-index /tools/{pip.name}")
    (folder / "Dockerfile").write_text(
        f"FROM base:latest\nUSER 0\nENV PYTHONDONTWRITEBYTECODE=\nCOPY {pip.name} /tools/\nCOPY uv /opt/env/bin/\n"
        f"COPY wheels /wheels\nRUN {command}\n",
        "utf-8",
    )
    space.envbuild("build", str(space.base), "--platform", str(space.platform), "--load", variables=docker.variables)
    docker.docker("build", "--network", "none", "--tag", BASE, str(folder))


def requirements(wheels: Iterable[Wheel]) -> str:
    """The locked wheels as a hashed `requirements.txt`."""
    return "".join(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.digest.hex}\n" for wheel in wheels)


def copy_code(project: Path, folder: Path) -> None:
    """Put the code of a project, and its model if it has one, below `app` of a folder."""
    shutil.rmtree(folder / "app", ignore_errors=True)
    shutil.copytree(project / "src", folder / "app/src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project / "params.yaml", folder / "app")
    if (project / "out/model").exists():
        shutil.copytree(project / "out/model", folder / "app/model")


def exec_form(command: str) -> str:
    """A command for RUN that needs no shell, which the base does not have."""
    return json.dumps(command.split())


def _run_nothing(docker: Engine, image: str) -> Sample:
    return docker.docker("run", "--rm", "--network", "none", "--entrypoint", _PYTHON, image, "-c", "pass")
