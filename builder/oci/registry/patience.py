"""How often a registry is asked again, and how long is waited before: as long as it wishes, within bounds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from builder.errors import EnvbuildError

RETRIED_STATUSES = frozenset({408, 429, 499, 500, 502, 503, 504})
_FIRST_PAUSE = 0.3
_LONGEST_PAUSE = 60.0
"""Seconds to wait at most because a registry asks for it."""


class TransientError(EnvbuildError):
    """Something that may go well a moment later."""

    pause: float = 0.0
    """Seconds that the registry wishes to be left alone."""
    status: int | None = None
    """Of the answer; None if there was none."""


@dataclass(frozen=True, slots=True)
class Patience:
    """When to give up."""

    attempts: int = 5
    sleep: Callable[[float], None] = time.sleep

    def wait(self, failures: int, error: TransientError) -> None:
        """Let some time pass after the failure with this number, from 1 on.

        Raises: TransientError, the same, if there have been enough.
        """
        if failures >= self.attempts:
            raise error
        self.sleep(max(_FIRST_PAUSE * 2 ** (failures - 1), min(error.pause, _LONGEST_PAUSE)))


def retry_after(header: str | None) -> float:
    """The seconds that a header Retry-After asks for (RFC 9110, section 10.2.3); 0 if it cannot be read."""
    text = (header or "").strip()
    if text.isdecimal():
        return float(text[:9])
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return 0.0
