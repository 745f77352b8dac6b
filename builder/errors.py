"""The one error type that reaches a user, and the exit codes.

Owns what an error says; only `builder.cli` prints errors and exits.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from enum import IntEnum
from typing import Any

MOST_TOLD = 20
"""Reasons that one error tells."""


def one_line(text: str, instead: str = " ") -> str:
    """Text that others wrote, fit for a line of a message, a document or a terminal: nothing in it is a command."""
    return "".join(character if character.isprintable() else instead for character in text)


class ExitCode(IntEnum):
    """What a process status means, in every command."""

    OK = 0
    USER = 1
    """The user's input or state is wrong."""
    USAGE = 2
    """Wrong usage, or something that was not expected."""
    CHECK_FAILED = 3
    APPROVAL_MISSING = 4
    DIGEST_WRONG = 5
    """A digest or a signature is wrong."""
    NOT_MEASURED = 6
    """Something could not be measured; never a pass."""
    INTERRUPTED = 130


class EnvbuildError(Exception):
    """Something failed that a user can understand and act upon.

    `what` failed, in one sentence; `why`, one line a cause; `hint`, what to do about it.
    """

    exit_code = ExitCode.USER

    def __init__(self, what: str, why: str | Sequence[str] = (), hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.why = (why,) if isinstance(why, str) else tuple(why)
        self.hint = hint

    def to_dict(self) -> dict[str, Any]:
        """As `--json` has it."""
        return {"what": self.what, "why": list(self.why), "hint": self.hint, "exit-code": int(self.exit_code)}

    def __reduce__(self) -> tuple[type[EnvbuildError], tuple[str, tuple[str, ...], str | None]]:
        """Whole, when it is sent from one process to another."""
        return type(self), (self.what, self.why, self.hint)

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  Caused by: {line}" for line in self.why)])


class CheckFailedError(EnvbuildError):
    """A check ran and did not hold."""

    exit_code = ExitCode.CHECK_FAILED


class DigestMismatchError(EnvbuildError):
    """Bytes are not those that a digest, a size or a checksum promised."""

    exit_code = ExitCode.DIGEST_WRONG


class NotMeasuredError(EnvbuildError):
    """A check could not run, which is not a pass."""

    exit_code = ExitCode.NOT_MEASURED


def shortened(reasons: Sequence[str], rest: str = "") -> list[str]:
    """As many reasons as a person reads; of more, how many there are, and with `rest` where they are told."""
    more = len(reasons) - MOST_TOLD
    return [*reasons[:MOST_TOLD], f"and {more} more{rest}"] if more > 0 else list(reasons)


def command_text(*words: object) -> str:
    """A command line of envbuild for a message, in backquotes, as a shell takes it."""
    return f"`envbuild {shlex.join(map(str, words))}`"
