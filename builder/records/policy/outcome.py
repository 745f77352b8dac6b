"""What comes of the rules of a policy. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from builder.errors import CheckFailedError, DigestMismatchError, EnvbuildError, ExitCode, NotMeasuredError


class Result(Enum):
    """What came of a rule."""

    PASSED = "passed"
    FAILED = "failed"
    MISSING = "missing"
    WRONG = "wrong"
    NOT_MEASURED = "not measured"


class SignatureMissingError(EnvbuildError):
    """Somebody who must have signed has not."""

    exit_code = ExitCode.APPROVAL_MISSING


_WORST = (
    (Result.WRONG, DigestMismatchError),
    (Result.MISSING, SignatureMissingError),
    (Result.FAILED, CheckFailedError),
    (Result.NOT_MEASURED, NotMeasuredError),
)
"""The most serious first: of what nobody signed, nothing else needs to be believed."""

_HINTS = {
    Result.WRONG: "Do not use it; get it again from whoever answers for it",
    Result.MISSING: "Ask whoever answers for it to sign it, with `envbuild sign`",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one rule, and why."""

    rule: str
    """Its key in the policy: `signatures[0]`, `vulnerabilities`."""
    result: Result
    reasons: tuple[str, ...] = ()
    """A sentence each."""

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {"rule": self.rule, "result": self.result.value, "reasons": list(self.reasons)}


def failure(name: str, outcomes: Sequence[Outcome]) -> EnvbuildError | None:
    """The error that stands for all outcomes, the worst of them; None if all passed."""
    for result, kind in _WORST:
        if any(outcome.result is result for outcome in outcomes):
            bad = [outcome for outcome in outcomes if outcome.result is not Result.PASSED]
            return kind(f"`{name}` is not what is asked of it", tuple(_lines(bad)), _HINTS.get(result))
    return None


def joined(rule: str, failed: Iterable[str], not_measured: Iterable[str], passed: str) -> Outcome:
    """The outcome of a rule: what failed, else what could not be measured, else that it passed, and why."""
    failed, not_measured = tuple(failed), tuple(not_measured)
    if failed:
        return Outcome(rule, Result.FAILED, (*failed, *not_measured))
    return Outcome(rule, Result.NOT_MEASURED, not_measured) if not_measured else Outcome(rule, Result.PASSED, (passed,))


def _lines(outcomes: Iterable[Outcome]) -> Iterable[str]:
    for outcome in outcomes:
        for reason in outcome.reasons or ("",):
            yield f"{outcome.rule}: {outcome.result.value}: {reason}"
