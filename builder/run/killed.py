"""What is said of a command that was killed, most often by the kernel for want of memory."""

from __future__ import annotations

import signal
import sys

_KILLED = 128 + signal.SIGKILL
_UNITS = ((1 << 30, "g"), (1 << 20, "m"), (1 << 10, "k"))


def say_if_killed(code: int, limit: int | None, out_of_memory: bool | None = None) -> None:
    """Say on standard error that a command was killed, and why; `limit` is of memory, in bytes.

    `out_of_memory` is what the engine knows of it; None is that it does not tell.
    """
    text = explain(code, limit, out_of_memory)
    if text:
        sys.stderr.write(f"{text}\n")


def explain(code: int, limit: int | None, out_of_memory: bool | None) -> str | None:
    """The sentence for an exit code, or None where there is nothing to say."""
    if code != _KILLED and not out_of_memory:
        return None
    allowed = f"`--memory {_size(limit)}` allows" if limit else "there is"
    if code != _KILLED:
        return f"error: a process of the command was killed by signal 9, because it used more memory than {allowed}"
    if out_of_memory or (out_of_memory is None and limit):
        return f"error: the command was killed by signal 9, probably because it used more memory than {allowed}"
    return "error: the command was killed by signal 9"


def _size(number: int) -> str:
    return next((f"{number // unit}{letter}" for unit, letter in _UNITS if number % unit == 0), str(number))
