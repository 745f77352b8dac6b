"""What a stage sees: a scratch folder with its code and parameters, its inputs mounted, its outputs to be written.

Nothing else of the project is there, so what the key of a stage does not know cannot be read. What the stage leaves
elsewhere than at its outputs is thrown away.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.history.leaves import leaves
from builder.layers.files import check_path
from builder.oci.layout import CHUNK
from builder.pipeline.stage import Port, ResolvedStage
from builder.resources import read_template
from builder.run.gpu import Gpus
from builder.run.interface import LocalImage, Mount, RunRequest

CODE = "/app"
OUT = "/out"
CONTROL = "/run/envbuild"
PYTHON = "/opt/env/bin/python"
_LAUNCHER = "stage_launcher.py"
_ORDER, _RESULT, _STEPS, _PARAMETERS = "order.json", "result.json", "metrics.jsonl", "parameters.json"
_LOGGER = "python/envbuild_run.py"
_RESULT_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True)
class World:
    """The folders on this machine that a stage is run with."""

    stage: ResolvedStage
    folder: Path
    """A scratch folder, below which everything is."""
    sources: Mapping[str, Path]
    """Where each input is, by its target."""

    @property
    def code(self) -> Path:
        """What is at `/app`."""
        return self.folder / "app"

    @property
    def control(self) -> Path:
        """What the launcher of stages and envbuild tell each other by."""
        return self.folder / "control"

    def place(self, port: Port) -> Path:
        """Where an output is written, on this machine."""
        return self.code / _below_code(port.target)

    def is_reached(self, port: Port) -> bool:
        """Whether no link of the stage's is on the way to an output: it would lead to files of this machine."""
        above = self.place(port).parent
        return os.path.realpath(above) == os.path.normpath(
            os.path.join(os.path.realpath(self.code), os.path.relpath(above, self.code))
        )

    @property
    def steps(self) -> Path:
        """What the logger of metrics writes."""
        return self.control / _STEPS

    def result(self) -> Mapping[str, Any]:
        """What the launcher tells of the end of the program; empty where it was not started, or killed too."""
        try:
            with open(self.control / _RESULT, "rb", opener=_plain) as file:
                value = json.loads(file.read(_RESULT_LIMIT))
        except (OSError, ValueError, RecursionError):  # the stage can write there too
            return {}
        return value if isinstance(value, dict) else {}


def _plain(path: str, flags: int) -> int:
    """Open a file, and neither what a link leads to nor wait for what comes through a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def make_world(stage: ResolvedStage, folder: Path, sources: Mapping[str, Path], *, own_group: bool) -> World:
    """Fill the scratch folder. `own_group` says whether the engine gives a container a control group of its own.

    Raises: EnvbuildError, if a file of the code is not what the key of the stage says, or things stand in each other's
        way.
    """
    world = World(stage, folder, sources)
    try:
        for made in (world.code, world.control, world.code / "out"):
            made.mkdir(mode=0o755)
        for path, digest in stage.code.files.items():
            _copy_code(stage.code.root / check_path(path), _made(world.code / path), digest)
        for path, values in stage.parameter_files.items():
            _made(world.code / check_path(path)).write_bytes(parameter_bytes(path, values))
        for port in stage.outputs:
            _made(world.place(port))
        for target in filter(_is_code, sources):
            _make_mount_point(world.code / _below_code(target), sources[target])
        (world.control / _LAUNCHER).write_bytes(read_template(_LAUNCHER))
        logger = _made(world.control / _LOGGER)
        logger.write_bytes(read_template(logger.name))
        (world.control / _PARAMETERS).write_text(json.dumps(stage.parameters, indent=2, sort_keys=True), "utf-8")
        (world.control / _ORDER).write_text(json.dumps(_order(stage, own_group)), "utf-8")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        what = f"the code, the parameters, inputs and outputs of `{stage.name}` do not fit into one folder"
        clash = os.path.relpath(error.filename or "", world.code)
        raise EnvbuildError(what, f"something else is in the way of `{clash}`") from error
    return world


def request_of(world: World, image: LocalImage, gpus: Gpus | None, labels: Mapping[str, str]) -> RunRequest:
    """How the stage is run in the image of its environment."""
    stage = world.stage
    return RunRequest(
        arguments=("-I", f"{CONTROL}/{_LAUNCHER}", f"{CONTROL}/{_ORDER}"),
        entrypoint=(*image.config.entrypoint, PYTHON),
        mounts=tuple(_mounts(world)),
        user=f"{os.getuid()}:{os.getgid()}",
        network="default" if stage.network else "none",
        memory=stage.resources.memory_bytes,
        working_directory=CODE,
        interactive=False,
        gpus=gpus,
        labels=labels,
    )


def parameter_bytes(path: str, values: Mapping[str, Any]) -> bytes:
    """A file of parameters with these values alone, in the format that its name says."""
    suffix = posixpath.splitext(path)[1].lower()
    if suffix == ".toml":
        import tomli_w

        return tomli_w.dumps(dict(values)).encode()
    if suffix in (".yaml", ".yml"):
        import yaml

        return yaml.safe_dump(json.loads(json.dumps(values)), allow_unicode=True).encode()
    return (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode()


def _order(stage: ResolvedStage, own_group: bool) -> dict[str, Any]:
    return {
        "name": stage.name,
        "arguments": list(stage.arguments),
        "environment": stage_variables(stage),
        "own_group": own_group,
        "result": f"{CONTROL}/{_RESULT}",
    }


def stage_variables(stage: ResolvedStage) -> dict[str, str]:
    """What a stage is told by environment variables: its own first, then what the launcher tells a command."""
    told = {
        "PYTHONPATH": _python_path(stage),
        **stage.variables,
        "ENVBUILD_COMMAND": stage.name,
        "ENVBUILD_PARAMS": f"{CONTROL}/{_PARAMETERS}",
        "ENVBUILD_OUT": OUT,
        "ENVBUILD_METRICS": f"{CONTROL}/{_STEPS}",
    }
    told |= {
        f"ENVBUILD_PARAM_{_variable(name)}": value if isinstance(value, str) else json.dumps(value)
        for name, value in leaves(stage.parameters)
    }
    told |= {f"ENVBUILD_DATA_{_variable(port.path)}": port.target for port in stage.inputs if port.source == "data"}
    if stage.seed is not None:
        told |= {"ENVBUILD_SEED": str(stage.seed), "PYTHONHASHSEED": str(stage.seed)}
    return told


def _python_path(stage: ResolvedStage) -> str:
    """As bundles have it (`bundle/build.py`); the logger is behind all else, so that it hides nothing."""
    has_src = any(path.startswith("src/") for path in stage.code.files)
    return ":".join([*([f"{CODE}/src"] if has_src else []), CODE, f"{CONTROL}/python"])


def _variable(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _mounts(world: World) -> Iterator[Mount]:
    yield Mount(world.code, CODE)
    yield Mount(world.code / "out", OUT)
    yield Mount(world.control, CONTROL)
    for target, source in world.sources.items():
        yield Mount(source, target, read_only=True)
        if target.startswith(f"{CODE}/out/"):  # what is mounted below /app/out is not seen at /out
            yield Mount(source, target.removeprefix(CODE), read_only=True)


def _is_code(target: str) -> bool:
    return target.startswith(f"{CODE}/")


def _below_code(target: str) -> str:
    return check_path(target.removeprefix(f"{CODE}/"))


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _make_mount_point(place: Path, source: Path) -> None:
    """An engine of another user would make it as theirs."""
    if source.is_dir():
        place.mkdir(parents=True, exist_ok=True)
    else:
        _made(place).touch()


def _copy_code(source: Path, target: Path, digest: str) -> None:
    checksum = hashlib.sha256()
    try:
        with open(source, "rb") as file, open(target, "wb") as copy:
            while data := file.read(CHUNK):
                checksum.update(data)
                copy.write(data)
            target.chmod(0o755 if os.fstat(file.fileno()).st_mode & 0o100 else 0o644)
    except FileNotFoundError as error:
        raise EnvbuildError(f"`{source}` is gone", hint="Run the command again") from error
    if checksum.hexdigest() != digest:
        raise EnvbuildError(f"`{source}` changed while it was read", hint="Run the command again")
