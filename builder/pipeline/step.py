"""A stage before anything but declarations was read: its ports are known, its code and parameters not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.pipeline.stage import Port
from builder.spec.load import LoadedEnvironment
from builder.spec.stages import Stage

Report = Callable[[str, str, "str | None"], None]
"""Tells a problem of a stage: the key below it (`inputs.table`), what is wrong, and a hint."""


@dataclass(frozen=True, slots=True)
class Module:
    """What only a module has of a stage that uses it."""

    pin: str
    """Which one it is: `git+https://…@COMMIT`, `oci://…@sha256:…`, or a path with a digest."""
    root: Path
    """Its folder on this machine, where its code is."""
    environment: LoadedEnvironment
    parameters: Mapping[str, Any]
    """All of them, with their defaults where the stage gives none."""
    parameter_files: Mapping[str, Mapping[str, Any]]
    """What it finds of each file of parameters, by path."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stage with its ports."""

    name: str
    stage: Stage
    """What is declared; of a module's use what is in force: its `run`, `code`, `seed`, `env`, `network` with it."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    """Those that are metrics too."""
    metrics: frozenset[str]
    """Names of outputs that are files of metrics."""
    module: Module | None = None


Modules = Callable[[str, Stage, Report], "Step | None"]
"""Makes a step of a stage that `uses` a module: of its name and what is declared. None, if it has reported why not."""
