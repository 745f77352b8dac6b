"""What became of the stages of one `repro`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from builder.errors import EnvbuildError, ExitCode

State = Literal["current", "restored", "ran", "failed", "killed", "not-run"]


@dataclass(frozen=True, slots=True)
class StageResult:
    """What became of a stage."""

    stage: str
    state: State
    reasons: tuple[str, ...] = ()
    """Why it was not current; why it was not run."""
    key: str | None = None
    run: str | None = None
    """The run that made its outputs, where that is known."""
    duration: float | None = None
    exit_code: int | None = None
    metrics: Mapping[str, float | str] = field(default_factory=dict)
    error: EnvbuildError | None = None

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "stage": self.stage,
            "state": self.state,
            "reasons": list(self.reasons),
            "key": self.key,
            "run": self.run,
            "duration": self.duration,
            "exit_code": self.exit_code,
            "metrics": dict(self.metrics),
            "error": self.error.to_dict() if self.error else None,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """What became of all stages."""

    stages: tuple[StageResult, ...]
    signal: int = 0
    """That interrupted it."""

    @property
    def exit_code(self) -> int:
        """Of the first failure; 128 and the signal's number where it was interrupted."""
        if self.signal:
            return 128 + self.signal
        failed = (one for one in self.stages if one.state in ("failed", "killed"))
        return next((int(one.error.exit_code) if one.error else ExitCode.USER for one in failed), ExitCode.OK)
