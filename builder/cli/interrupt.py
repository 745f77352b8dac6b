"""Ctrl-C, or a signal to end, while threads wait: what was started ends at once, and so does this process."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import NoReturn

from builder.cli.output import show_error
from builder.errors import EnvbuildError

_PATIENCE = 3.0
"""Seconds that the main thread has to clean up."""
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""A user's, a scheduler's and a terminal's; the exit code is 128 and the number, of Ctrl-C 130."""
_GRACE = 1.0
"""Seconds that other threads then have to do the same, those whose program was ended."""


@contextmanager
def interruptible() -> Iterator[None]:
    """End at once when interrupted: the programs that were started are ended, and no thread is waited for long.

    The main thread still removes what it was writing, and temporary folders are removed. Elsewhere than in the main
    thread this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = 0

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = number
            end_programs()
            timer = threading.Timer(_PATIENCE, _leave, [number])
            timer.daemon = True
            timer.start()
        raise KeyboardInterrupt

    wanted = [each for each in _SIGNALS if each == signal.SIGINT or signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, interrupt) for each in wanted}
    try:
        yield
    finally:
        if interrupted:
            _leave(interrupted)
        for each, handler in before.items():
            signal.signal(each, handler)


def end_programs() -> None:
    """Kill every process that this one has started, and those that they have started."""
    for process in _descendants(os.getpid()):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process, signal.SIGKILL)


def _descendants(process: int) -> Iterator[int]:
    """Processes below one, where the system tells (Linux, proc(5)); the lowest first."""
    for file in Path(f"/proc/{process}/task").glob("*/children"):
        try:
            children = [int(text) for text in file.read_text().split()]
        except OSError:
            continue
        for child in children:
            yield from _descendants(child)
            yield child


def _others() -> set[int]:
    """The threads that still run, but for those that never end; a join that was interrupted takes them for ended."""
    endless = {thread.ident for thread in threading.enumerate() if thread.daemon}
    return {*sys._current_frames()} - endless - {threading.main_thread().ident, threading.get_ident()}  # noqa: SLF001


def _leave(number: int) -> NoReturn:
    """End with what an interpreter's end does, but for waiting for threads; `number` is the signal's."""
    end_programs()
    show_error(EnvbuildError("interrupted"))
    latest = time.monotonic() + _GRACE
    while _others() and time.monotonic() < latest:
        time.sleep(0.01)
        end_programs()  # a thread whose program was ended may have started another
    atexit._run_exitfuncs()  # noqa: SLF001 - they remove temporary folders
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(128 + number)
