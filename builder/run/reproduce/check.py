"""What came of comparing one thing with what it was, and what all of it together means. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from builder.errors import ExitCode

Outcome = Literal["same", "different", "not measured"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared."""

    name: str
    """What: `image linux/amd64`, `metric accuracy`, `output model`."""
    outcome: Outcome
    reason: str = ""
    """Why, where it is not plainly the same."""
    recorded: Any = None
    """What it was; a JSON value."""
    found: Any = None
    """What it is now."""
    required: bool = True
    """Whether the bundle promises it; what differs without a promise is told and fails nothing."""

    def to_dict(self) -> dict[str, Any]:
        """For the report."""
        return {
            "name": self.name,
            "outcome": self.outcome,
            "required": self.required,
            "reason": self.reason,
            "recorded": self.recorded,
            "found": self.found,
        }


def exit_code(checks: Sequence[Check]) -> ExitCode:
    """What all of it comes to: a digest weighs most, then what differs, then what could not be measured."""
    wrong = [check for check in checks if check.required and check.outcome == "different"]
    if any(is_digest(check) for check in wrong):
        return ExitCode.DIGEST_WRONG
    if wrong:
        return ExitCode.CHECK_FAILED
    if not checks or any(check.required and check.outcome == "not measured" for check in checks):
        return ExitCode.NOT_MEASURED
    return ExitCode.OK


def is_digest(check: Check) -> bool:
    """Whether it is about the digest of an image or of the bundle."""
    return check.name.partition(" ")[0] in ("image", "bundle")
