"""Child processes that work for the scheduler: forked, heard, told of signals, waited for.

The scheduler has one thread and forks; a child never returns into its code. It tells what came of its work in a file,
and what it prints goes through a pipe. A child ends with the scheduler, however that ends.
"""

from __future__ import annotations

import fcntl
import io
import os
import pickle
import selectors
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from builder.errors import EnvbuildError
from builder.run.embedded import system_calls

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_PIECE = 1 << 16
_UNTOLD = 100
"""The exit code of a child that could not write its report, with the number of the error added (a full disk)."""


class Interrupted(BaseException):
    """A signal asked this child to end."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A child printed something."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """A child has ended."""

    name: str
    report: Any
    """What its work returned, or the EnvbuildError that it raised; None where it was killed or interrupted."""


@dataclass(frozen=True, slots=True)
class Signalled:
    """The scheduler got a signal."""

    number: int


Event = Printed | Ended | Signalled


@dataclass(slots=True)
class _Child:
    process: int
    output: int
    report: Path


class Children:
    """The children of this process. As a context it takes the signals of the process, which must have one thread."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._children: dict[str, _Child] = {}
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._reading, self._writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._reading, selectors.EVENT_READ)
        self._wakeup = signal.set_wakeup_fd(self._writing, warn_on_full_buffer=False)
        taken = [number for number in SIGNALS if signal.getsignal(number) != signal.SIG_IGN]
        self._before = {number: signal.signal(number, _noted) for number in (*taken, signal.SIGCHLD)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._children:  # the scheduler failed: nothing goes on without it
            self.kill()
            for child in self._children.values():
                os.waitpid(child.process, 0)
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        self._selector.close()
        os.close(self._reading)
        os.close(self._writing)

    @property
    def running(self) -> tuple[str, ...]:
        """The names of those that have not ended."""
        return tuple(self._children)

    def start(self, name: str, work: Callable[[], object], report: Path) -> None:
        """Fork a child that does `work`; what comes of it is handed over in the file `report`."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        parent = os.getpid()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            process = system_calls.fork()
            if process == 0:
                _live(lambda: _work(work, report, writing, parent, before))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(writing)
        fcntl.fcntl(reading, fcntl.F_SETFL, fcntl.fcntl(reading, fcntl.F_GETFL) | os.O_NONBLOCK)
        self._children[name] = _Child(process, reading, report)
        self._selector.register(reading, selectors.EVENT_READ, name)

    def wait(self) -> Iterator[Event]:
        """Wait until something happens, and tell it."""
        for key, _ in self._selector.select():
            if key.data is not None:
                yield from self._printed(key.data)
        yield from self._signals()
        yield from self._ended()

    def forward(self, number: int) -> None:
        """Pass a signal on to all children."""
        for child in self._children.values():
            with suppress(ProcessLookupError):
                os.kill(child.process, number)

    def kill(self) -> None:
        """End all children at once."""
        self.forward(signal.SIGKILL)

    def _printed(self, name: str) -> Iterator[Printed]:
        child = self._children.get(name)
        while child:
            try:
                data = os.read(child.output, _PIECE)
            except BlockingIOError:
                return
            if not data:
                with suppress(KeyError):
                    self._selector.unregister(child.output)
                return
            yield Printed(name, data)

    def _signals(self) -> Iterator[Signalled]:
        with suppress(BlockingIOError):
            for number in os.read(self._reading, _PIECE):
                if number != signal.SIGCHLD:
                    yield Signalled(number)

    def _ended(self) -> Iterator[Event]:
        for name, child in list(self._children.items()):
            process, status = os.waitpid(child.process, os.WNOHANG)
            if not process:
                continue
            yield from self._printed(name)
            with suppress(KeyError):
                self._selector.unregister(child.output)
            os.close(child.output)
            del self._children[name]
            yield Ended(name, _report(child.report, os.waitstatus_to_exitcode(status)))


def _noted(number: int, _: FrameType | None) -> None:
    """The number of the signal is in the wake-up pipe."""


def _report(report: Path, code: int) -> Any:
    """What a child tells; None where it was killed."""
    if code > _UNTOLD:
        return EnvbuildError("what came of it cannot be written down", os.strerror(code - _UNTOLD))
    return _read(report) if code == 0 else None


def _read(report: Path) -> Any:
    try:
        with open(report, "rb") as file:
            return pickle.load(file)  # noqa: S301 - a child of this process wrote it where no stage sees it
    except (OSError, EOFError, pickle.UnpicklingError) as error:  # a full disk, above all
        return EnvbuildError("what came of it cannot be read", str(error))


def _live(body: Callable[[], None]) -> NoReturn:
    """The life of a child: it ends here, whatever comes."""
    code = 1
    try:
        body()
        code = 0
    except OSError as error:  # of the report; those of the work are told in it
        code = min(_UNTOLD + (error.errno or 0), 255)
    except BaseException:  # noqa: BLE001 - the parent sees that there is no report
        code = 1
    finally:
        os._exit(code)


def _work(work: Callable[[], object], report: Path, output: int, parent: int, mask: set[int | signal.Signals]) -> None:
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number in SIGNALS:
        signal.signal(number, _stop)
    os.setpgid(0, 0)  # keys such as Ctrl-C reach the scheduler alone, which passes them on
    system_calls.die_with_parent(signal.SIGKILL)  # a container that is left is removed by the next scheduler
    if os.getppid() != parent:
        return
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = io.TextIOWrapper(io.FileIO(1, "w", closefd=False), "utf-8", "backslashreplace", write_through=True)
    sys.stderr = io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", "backslashreplace", write_through=True)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        result = work()
    except EnvbuildError as error:
        result = error
    except OSError as error:
        place = f"`{error.filename}`: " if error.filename else ""
        result = EnvbuildError(f"{place}{error.strerror or error}")
    except Exception as error:  # noqa: BLE001 - it is told as what it is, and not as a kill
        result = EnvbuildError("something unexpected happened in envbuild", f"{type(error).__name__}: {error}")
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)  # it is done
    with open(report, "wb") as file:
        pickle.dump(result, file)


def _stop(number: int, _: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)
    raise Interrupted(number)
