"""What running stages needs of the machine and of whoever asked: handed in by the command line and by tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from builder.errors import EnvbuildError
from builder.history.record import RunRecord
from builder.oci.store import Store
from builder.pipeline.recording import Circumstances
from builder.pipeline.schedule import Capacity
from builder.pipeline.shared import Shared
from builder.pipeline.stage import Port, ResolvedStage
from builder.run.interface import Engine, LocalImage


@dataclass(frozen=True, slots=True)
class Wishes:
    """How stages are made current."""

    force: frozenset[str] = frozenset()
    """Stages that are run whether anything changed for them or not."""
    keep_going: bool = False
    """After a failure, run what does not depend on it."""
    jobs: int | None = None
    no_check: bool = False
    share: bool = False
    """Have the shared cache keep what is current, too."""


@dataclass(frozen=True, slots=True)
class EnvironmentImage:
    """The image that stages of an environment run in."""

    image: LocalImage
    lock: str
    """The digest of its lock."""


class Screen(Protocol):
    """Shows what goes on."""

    def say(self, text: str) -> None:
        """A line of envbuild's own."""

    def printed(self, name: str, data: bytes) -> None:
        """What a stage prints."""

    def ended(self, name: str, error: EnvbuildError | None, log: Path | None) -> None:
        """A stage prints nothing more; `error` is why it failed, `log` where its last words are."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What running stages needs of the machine."""

    store: Store
    capacity: Capacity
    engine: Callable[[], Engine]
    """Makes the engine; each child makes its own."""
    own_group: Callable[[], bool]
    """Whether the engine gives each container a control group of its own."""
    image: Callable[[ResolvedStage], EnvironmentImage]
    """The image of a stage's environment, made where it is not there. Raises: EnvbuildError."""
    source: Callable[[Port], Path]
    """Where an input is, fetched if need be. Raises: EnvbuildError."""
    circumstances: Callable[[], Circumstances]
    """What runs have in common; asked for once, before the first."""
    tidy: Callable[[], None]
    """Removes what killed runs of this project left in the engine and the store."""
    screen: Screen
    now: Callable[[], datetime]
    told: Callable[[RunRecord], None] = lambda _: None
    """Hears of each run that has ended."""
    labels: Mapping[str, str] = field(default_factory=dict)
    shared: Shared | None = None
