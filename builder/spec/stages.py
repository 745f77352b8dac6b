"""The stages of a pipeline, as `envbuild.yaml` has them: what each runs, reads, writes and is run in. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from builder.spec.command_line import command_problems, split_command
from builder.spec.fields import Form, key, missing_file

_PATH_PATTERN = r"(?!/)(?!.*(?:^|/)\.\.(?:/|$)).+"
_PATH = Form(_PATH_PATTERN, "a path inside the project")
_FILE = Form(_PATH_PATTERN, "a path inside the project", missing_file=missing_file)
_TEXT = Form(r"(?:.|\n)+", "a text that is not empty")
_VARIABLE = Form(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")
_MEMORY = Form(r"[0-9]+(?:\.[0-9]+)?[kmgt]?", "an amount of memory: `512m`, `2g`")
METRICS_SUFFIXES = (".json", ".jsonl", ".csv")
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, slots=True)
class Resources:
    """What a stage needs of the machine; stages run beside each other as long as all find room."""

    cpu: float = key("Processors.", default=1.0)
    memory: str | None = key("Memory, which it may not pass: `512m`, `2g`.", default=None, form=_MEMORY)
    gpu: int = key("GPUs.", default=0)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.cpu is not None and self.cpu <= 0:
            yield "cpu", "a stage needs some of a processor", None
        if self.gpu is not None and self.gpu < 0:
            yield "gpu", "a number of GPUs is not negative", None

    @property
    def memory_bytes(self) -> int | None:
        """`memory` in bytes."""
        if self.memory is None:
            return None
        number, unit = re.fullmatch(r"([0-9.]+)([kmgt]?)", self.memory).groups()  # type: ignore[union-attr]
        return int(float(number) * (1 << _UNITS[unit]))


@dataclass(frozen=True, slots=True)
class Stage:
    """A step of the pipeline: a command in an image, what it reads and what it writes."""

    run: str | tuple[str, ...] = key(
        "The program and its arguments; no shell is involved. Its folder is `/app`, the project's inside the image.",
        default=(),
        form=_TEXT,
    )
    uses: str | None = key(
        "A module instead of `run`: a PATH in the project, `git+https://…@COMMIT#PATH`, or `oci://HOST/NAME@DIGEST`.",
        default=None,
        form=_TEXT,
    )
    inputs: tuple[str, ...] | Mapping[str, str] = key(
        "What it reads: names of `data` (at /data/<name>), or paths of files and folders in the project, which other "
        "stages may write. Of a module: for each of its inputs, which of these.",
        default=(),
        form=_PATH,
    )
    outputs: tuple[str, ...] | Mapping[str, str] = key(
        "What it writes: paths of files and folders in the project. Of a module: for each of its outputs, which path.",
        default=(),
        form=_PATH,
    )
    metrics: tuple[str, ...] = key(
        "Files of metrics that it writes (`.json`, `.jsonl`, `.csv`); they are outputs too.", default=(), form=_PATH
    )
    params: str | Mapping[str, Any] = key(
        "A YAML, JSON or TOML file, all of it; or, by file, the list of keys that it reads (`train.rate`, `train`). "
        "Of a module: its parameters by name, with their values.",
        default=dict,
    )
    seed: int | None = key("The seed, 0 to 4294967295.", default=None)
    environment: str | None = key("The folder of its environment, if it is not the project's.", default=None)
    code: tuple[str, ...] | None = key(
        "The files that it runs, as globs; without it, those that its command names and that they import.",
        default=None,
        form=_PATH,
    )
    contracts: Mapping[str, str] = key(
        "Data contracts that its inputs are held to before it and its outputs after it, by name or path.",
        default=dict,
    )
    owner: str = key("Who answers for it.", default="")
    why: str = key("Why it is done, and done so.", default="")
    resources: Resources = key("What it needs of the machine.", default=Resources)
    env: Mapping[str, str] = key("Environment variables for it.", default=dict, key_form=_VARIABLE)
    network: bool = key("Whether it may reach the network; what it makes is then kept all the same.", default=False)
    always: bool = key("Whether it is run each time, changed or not.", default=False)
    deterministic: bool = key(
        "Whether the same inputs, code, parameters and seed give outputs of the same bytes, which "
        "`envbuild runs reproduce` checks.",
        default=False,
    )
    tolerances: Mapping[str, float] = key(
        "How far each metric may be from the recorded one, as an absolute difference, when it is run again.",
        default=dict,
    )

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        yield from self._kind_problems()
        for number, path in enumerate(self.metrics):
            if path and not path.endswith(METRICS_SUFFIXES):
                yield f"metrics[{number}]", f"`{path}` is no file of metrics", f"one of {', '.join(METRICS_SUFFIXES)}"
        if self.seed is not None and not 0 <= self.seed < 1 << 32:
            yield "seed", f"{self.seed} is not a seed", "0 to 4294967295"
        for name, value in self.tolerances.items():
            if value < 0:
                yield f"tolerances.{name}", "a tolerance is not negative", None

    def _kind_problems(self) -> Iterable[tuple[str, str, str | None]]:
        """Where it is neither a command nor the use of a module, or both."""
        if self.run is not None and bool(self.run) == (self.uses is not None):
            yield ("uses" if self.run else "run"), "a stage has either a command in `run` or a module in `uses`", None
        if self.run:
            yield from command_problems(self.run)
        for name in ("inputs", "outputs"):
            if self.uses is None and isinstance(getattr(self, name), Mapping):
                yield name, "only the stages of modules (`uses`) name them", "Write a list"

    @property
    def arguments(self) -> tuple[str, ...]:
        """`run` as a list, split as a shell would; empty, if a quote in it is not closed."""
        return split_command(self.run)

    @property
    def written(self) -> tuple[str, ...]:
        """The paths that it writes, as declared."""
        outputs = self.outputs.values() if isinstance(self.outputs, Mapping) else self.outputs
        return (*outputs, *self.metrics)
