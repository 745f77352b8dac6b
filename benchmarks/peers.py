"""Other tools that make images of Python environments: BentoML and envd; and why Cog and repo2docker are not measured.

They are installed from PyPI into a virtual environment of the benchmarks, at their newest versions that install. Both
need a base with a shell, so theirs is made by mmdebstrap: Debian, Python, uv, an environment in /opt/env, and a folder
of wheels that pip and uv are set to, so that nothing is downloaded.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cases_interface import Line
from engine import Engine
from measuring import Sample, run
from registry import registry
from ways import EngineWay, copy_code
from workspace import Workspace

from builder.lock.artifact import Wheel

BASE = "envbuild-benchmark-peers"
LEFT_OUT = {
    "Cog": "its package on PyPI is the library inside its images; the command is a program to be downloaded elsewhere",
    "repo2docker": "its images of a Python environment start with micromamba and packages of conda-forge, which it "
    "downloads in the build",
}
"""Why they are not measured."""
_BENTO_BRINGS = frozenset({"opentelemetry-api"})
"""Locked packages that BentoML wants in another version than the lock has."""
_SERVICE = """\
import bentoml


@bentoml.service
class Penguins:
    @bentoml.api
    def predict(self, bill_length_mm: float) -> float:
        return bill_length_mm
"""
_BENTOFILE = """\
service: "service:Penguins"
include: [service.py, "app/**"]
python: {{requirements_txt: requirements.txt, lock_packages: false}}
docker: {{base_image: "{base}", python_version: "3.11"}}
"""
_ENVD = """\
# syntax=v1
def build():
    base(image="{base}", dev=False)
    install.python_packages(requirements="requirements.txt")
    io.copy(source="app", target="/app")
"""
_SETTINGS = """\
ENV PATH=/opt/env/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
ENV UV_NO_INDEX=1 UV_FIND_LINKS=/wheels UV_PYTHON_DOWNLOADS=never UV_OFFLINE=1
"""
_PACKAGES = "python3,python3-venv,libgomp1,ca-certificates,gnupg2,bash,build-essential,git"
"""The last five are what BentoML installs with apt into every image; here it finds that they are there."""


class Bentoml(EngineWay):
    """`bentoml build` and `bentoml containerize`, which installs with uv and compiles to bytecode."""

    name = "BentoML"
    base = BASE

    def take(self, project: Path, wheels: Sequence[Wheel]) -> None:
        """See `Way`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        copy_code(project, self.folder)
        (self.folder / "requirements.txt").write_text(pins(wheels, _BENTO_BRINGS), "utf-8")
        (self.folder / "service.py").write_text(_SERVICE, "utf-8")
        (self.folder / "bentofile.yaml").write_text(_BENTOFILE.format(base=self.base), "utf-8")

    def build(self, cold: bool, watch: bool = False) -> Sample:
        """See `EngineWay`."""
        options = ["--opt", "no-cache"] if cold else []
        first = self._bentoml("build", "--output", "tag", watch=watch)
        bento = first.output.split("__tag__:")[-1].split()[0]
        second = self._bentoml("containerize", bento, "--image-tag", self.tag, *options, watch=watch)
        peak = max(first.peak, second.peak)
        return Sample(first.seconds + second.seconds, first.processor_seconds + second.processor_seconds, peak, "")

    def _bentoml(self, *arguments: str, watch: bool) -> Sample:
        own = {"BENTOML_HOME": str(self.space.folder / "fresh/bentoml"), "BENTOML_DO_NOT_TRACK": "true"}
        variables = environment(self.space, self.docker) | own
        line = [str(programs(self.space) / "bentoml"), *arguments]
        return run(line, variables, self.folder, watch, self.docker.process if watch else None)


class Envd(EngineWay):
    """`envd build` in the engine's BuildKit, which installs with pip."""

    name = "envd"
    base = BASE
    image = ""
    """The base in a registry, where envd looks for it."""

    def take(self, project: Path, wheels: Sequence[Wheel]) -> None:
        """See `Way`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        copy_code(project, self.folder)
        (self.folder / "requirements.txt").write_text(pins(wheels), "utf-8")
        (self.folder / "build.envd").write_text(_ENVD.format(base=self.image), "utf-8")

    def build(self, cold: bool, watch: bool = False) -> Sample:
        """See `EngineWay`."""
        if cold:
            self.docker.forget_builds()
        force = ["--force"] if cold else []
        line = [str(programs(self.space) / "envd"), "--analytics-enabled=false"]
        variables = environment(self.space, self.docker)
        if not (self.space.folder / "fresh/home/.config/envd").exists():
            context = ["context", "create", "--name", "benchmark", "--builder", "moby-worker", "--builder-address", ""]
            run([*line, *context, "--use"], variables, self.folder)
        build = [*line, "build", "--path", str(self.folder), "--tag", self.tag, *force]
        return run(build, variables, self.folder, watch, self.docker.process if watch else None)


def environment(space: Workspace, docker: Engine) -> dict[str, str]:
    """The variables of the tools: a home of their own, and the same client of the engine as for all."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PIP_", "UV_"))}
    client = space.folder / "fresh/client"
    client.mkdir(parents=True, exist_ok=True)
    if not (client / "docker").exists():
        (client / "docker").symlink_to(docker.client)
    path = os.pathsep.join([str(client), str(programs(space)), os.environ.get("PATH", os.defpath)])
    return kept | docker.variables | {"HOME": str(space.folder / "fresh/home"), "PATH": path}


def programs(space: Workspace) -> Path:
    """Where the tools are installed."""
    return space.folder / "peers/bin"


def install(space: Workspace) -> None:
    """Install the tools, once, and download what BentoML needs besides the lock.

    Raises: CalledProcessError.
    """
    if (space.folder / "peers/done").exists():
        return
    python = str(programs(space) / "python")
    subprocess.run([sys.executable, "-m", "venv", str(space.folder / "peers")], check=True)
    pip = [python, "-m", "pip", "install", "-q", "--prefer-binary", "bentoml", "envd"]
    subprocess.run(pip, check=True, capture_output=True)
    version = _version(space, "bentoml")
    wanted = space.folder / "peers/requirements.txt"
    wanted.write_text(f"{pins(space.wheels, _BENTO_BRINGS)}bentoml=={version}\n", "utf-8")
    locked = space.folder / "peers/locked"
    space.linked_wheels(locked)
    target = ["-d", str(space.folder / "peers/wheels"), "--find-links", str(locked), "-r", str(wanted)]
    download = [python, "-m", "pip", "download", "-q", "--only-binary", ":all:", *target]
    subprocess.run(download, check=True, capture_output=True)
    (space.folder / "peers/done").touch()


def prepare(docker: Engine) -> None:
    """Put the base of the tools into the engine. Raises: CalledProcessError, CommandFailedError."""
    from uv import find_uv_bin

    space = docker.space
    archive, folder = space.folder / "peers/debian.tar", space.folder / "fresh/peers-base"
    if not archive.exists():
        draft = archive.with_name("draft.tar")
        line = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(draft)]
        subprocess.run(line, check=True, capture_output=True)
        draft.rename(archive)
    space.linked_wheels(folder / "wheels")
    for wheel in (space.folder / "peers/wheels").iterdir():
        shutil.copy(wheel, folder / "wheels")
    shutil.copy(find_uv_bin(), folder / "uv")
    lines = [
        "COPY uv /usr/local/bin/",
        "RUN python3 -m venv /opt/env && rm -f /etc/apt/sources.list",
        "COPY wheels /wheels",
        _SETTINGS,
    ]
    (folder / "Dockerfile").write_text("\n".join([f"FROM {BASE}-debian", *lines]), "utf-8")
    docker.docker("import", str(archive), f"{BASE}-debian")
    docker.docker("build", "--network", "none", "--tag", BASE, str(folder))


@contextmanager
def envd_base(space: Workspace, docker: Engine) -> Iterator[str]:
    """The base in a registry without TLS, which envd's own client is told of."""
    with registry(space.folder / "fresh/for-envd") as served:
        reference = f"{served.host}/base:1"
        docker.docker("tag", BASE, reference)
        docker.docker("push", "--quiet", reference)
        settings = space.folder / "fresh/home/.config/containers"
        settings.mkdir(parents=True, exist_ok=True)
        text = f'[[registry]]\nlocation = "{served.host}"\ninsecure = true\n'
        (settings / "registries.conf").write_text(text, "utf-8")
        yield reference


def versions(space: Workspace) -> str:
    """What is measured."""
    return f"BentoML {_version(space, 'bentoml')}, envd {_version(space, 'envd')}"


def left_out() -> Iterator[Line]:
    """A line for each tool that is not measured."""
    for name, reason in LEFT_OUT.items():
        yield Line(name, f"not measured: {reason}")


def pins(wheels: Iterable[Wheel], without: frozenset[str] = frozenset()) -> str:
    """The locked versions as a `requirements.txt`."""
    return "".join(f"{wheel.name}=={wheel.version}\n" for wheel in wheels if wheel.name not in without)


def _version(space: Workspace, name: str) -> str:
    code = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    line = [str(programs(space) / "python"), "-c", code]
    return subprocess.run(line, check=True, capture_output=True, text=True).stdout.strip()
