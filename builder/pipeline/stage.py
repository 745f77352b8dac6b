"""A stage as it is run: what is declared of it, with its module, its paths and its environment found. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from builder.spec.load import LoadedEnvironment
from builder.spec.stages import Resources

STAGE_FORMAT = 1
"""Moves where what a stage sees of its surroundings changes, so that nothing older is taken for the same."""


@dataclass(frozen=True, slots=True)
class Port:
    """Something that a stage reads or writes."""

    name: str
    """As it is declared: a path, a name of data, or what the module calls it."""
    path: str
    """In the project, with `/`; of data its name."""
    target: str
    """Where the stage finds it, absolute in the image: `/app/PATH`, `/data/NAME`."""
    source: Literal["project", "data"] = "project"
    contract: Path | None = None
    """What it is held to: on this machine."""


@dataclass(frozen=True, slots=True)
class StageCode:
    """The code of a stage: which files, and who says so."""

    root: Path
    """On this machine: the project's folder, or the module's. It is at `/app` in the image."""
    files: Mapping[str, str]
    """The hexadecimal SHA-256 of each, by path below `root`."""
    found: Literal["declared", "imports"]


@dataclass(frozen=True, slots=True)
class ResolvedStage:
    """A stage with everything that it depends on but the bytes of its inputs."""

    name: str
    arguments: tuple[str, ...]
    """The program and its arguments."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    """Those that are metrics too."""
    metrics: frozenset[str]
    """Names of outputs that are files of metrics."""
    parameters: Mapping[str, Any]
    """Nested as in their files."""
    parameter_files: Mapping[str, Mapping[str, Any]]
    """What the stage finds of each file of parameters: by path, the declared keys alone."""
    seed: int | None
    environment: LoadedEnvironment
    environment_key: str
    """The key of its plan: equal keys, equal images."""
    platform: str
    """That it is run on: `linux/amd64`."""
    code: StageCode
    owner: str = ""
    why: str = ""
    resources: Resources = field(default_factory=Resources)
    variables: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    always: bool = False
    deterministic: bool = False
    tolerances: Mapping[str, float] = field(default_factory=dict)
    module: str | None = None
    """The module that it is a use of, pinned: `git+https://…@COMMIT`, `oci://…@sha256:…`, or a path with a digest."""
