"""What a check is given, and what it finds. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.run.gpu import Machine
from builder.run.interface import Engine
from builder.spec.cuda import Cuda

State = Literal["ok", "no", "unknown"]
"""It is there and works, it is not or does not, or it could not be measured."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    state: State
    detail: str
    """One line: a version, a place, or why not."""
    hint: str | None = None
    """What to do about it."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a project or an environment needs of the machine that works with it."""

    engine: bool = False
    """Its commands are run."""
    cuda: Cuda | None = None
    uv: bool = False
    pip_tools: bool = False
    emulated: tuple[Platform, ...] = ()
    """Platforms for which programs are run while images are made, if this machine is of another."""
    suite: str = "bookworm"
    """Of Debian."""


@dataclass(frozen=True, slots=True)
class Examined:
    """A machine, and how it is looked at."""

    variables: Mapping[str, str] = field(repr=False)
    """The environment variables; they may hold credentials."""
    open_store: Callable[[], Store]
    """Raises: EnvbuildError, if there is none."""
    engines: Mapping[str, Callable[[], Engine]]
    """By name."""
    needs: Needs = field(default_factory=Needs)
    gpu: Machine = field(default_factory=Machine)
    read: Callable[[str], bytes] | None = None
    """Fetches a document, where the network may be asked. Raises: EnvbuildError."""


Check = Callable[[Examined], Finding]


@dataclass(frozen=True, slots=True)
class Result:
    """A check's name, what it found, and whether that is needed."""

    name: str
    finding: Finding
    needed: bool
