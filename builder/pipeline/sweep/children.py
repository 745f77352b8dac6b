"""Runs of a sweep as processes of their own, several at once, that end together when the sweep is interrupted."""

from __future__ import annotations

import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from builder.errors import EnvbuildError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TAIL = 64 << 10
"""Bytes of what a process said that are looked at."""


class SweepInterruptedError(Exception):
    """A signal came; every process has ended."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True, slots=True)
class Job:
    """A process that is to be started."""

    number: int
    """Of the point."""
    line: Sequence[str]
    """The program and its arguments."""
    said: Path
    """The file for what it says on standard error. What it prints is in the record of its run."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that has ended."""

    job: Job
    code: int

    @property
    def failure(self) -> str:
        """What envbuild said of a failure of its own; empty, if only the command failed."""
        with suppress(OSError), open(self.job.said, "rb") as file:
            file.seek(max(0, self.job.said.stat().st_size - _TAIL))
            lines = file.read().decode(errors="replace").splitlines()
            return next((line.removeprefix("error: ")[:500] for line in lines if line.startswith("error: ")), "")
        return ""


class Children:
    """Processes that are running, and what ends them.

    They are in groups of their own: a terminal's Ctrl-C reaches them once, through here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        self._signal: int | None = None

    def run(self, jobs: Sequence[Job], at_once: int, done: Callable[[Ended], bool]) -> None:
        """Run all of them; `done` is told of each that has ended, and says whether more are to be started.

        Raises: SweepInterruptedError, once all have ended; EnvbuildError, if one cannot be started.
        """
        waiting = iter(jobs)
        with self._forwarding(), ThreadPoolExecutor(max(1, at_once)) as threads:
            running: set[Future[Ended | None]] = set()
            try:
                self._start(waiting, running, threads, at_once)
                while running:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    ended = [future.result() for future in finished]
                    goes_on = [done(one) for one in ended if one is not None]
                    if all(goes_on):
                        self._start(waiting, running, threads, at_once)
                    else:
                        waiting = iter(())
            finally:
                with self._lock:
                    self._stopped = True
            with self._lock:
                self._stopped = False
        if self._signal is not None:
            raise SweepInterruptedError(self._signal)

    def _start(
        self, waiting: Iterator[Job], running: set[Future[Ended | None]], threads: ThreadPoolExecutor, at_once: int
    ) -> None:
        while len(running) < max(1, at_once) and self._signal is None:
            job = next(waiting, None)
            if job is None:
                return
            running.add(threads.submit(self._run, job))

    def _run(self, job: Job) -> Ended | None:
        with open(job.said, "wb") as said:
            with self._lock:
                if self._stopped or self._signal is not None:
                    return None
                try:
                    process = subprocess.Popen(
                        job.line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, process_group=0
                    )
                except OSError as error:
                    why = error.strerror or str(error)
                    raise EnvbuildError("a run of the sweep cannot be started", why) from error
                self._running.add(process)
            try:
                return Ended(job, process.wait())
            finally:
                with self._lock:
                    self._running.discard(process)

    @contextmanager
    def _forwarding(self) -> Iterator[None]:
        """Pass signals on to the processes instead of ending at them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def pass_on(number: int, _: FrameType | None) -> None:
            again = self._signal is not None
            self._signal = self._signal or number
            for process in tuple(self._running):
                with suppress(ProcessLookupError, PermissionError):
                    process.send_signal(signal.SIGKILL if again else number)

        wanted = [one for one in _SIGNALS if one == signal.SIGINT or signal.getsignal(one) != signal.SIG_IGN]
        before = {one: signal.signal(one, pass_on) for one in wanted}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)
