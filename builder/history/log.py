"""What is printed, shown as before and kept in a file: the first and the last of it, however much it is.

A process of its own carries the bytes, so that the caller may wait, fork and get signals as if nothing stood between.
What was a terminal stays one for the command (pty(7)); its keys and its window's size are the caller's.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import signal
import sys
import termios
import tty
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.history.record import Log

HEAD = 4 << 20
"""Bytes from the beginning that are kept."""
TAIL = 4 << 20
"""Bytes from the end that are kept at least."""
_PIECE = 1 << 16
_WINDOW = b"\0" * 8


class LogFile:
    """A log that grows to a bound: what is in the middle is left out, and that is said in its place."""

    def __init__(self, path: Path, head: int = HEAD, tail: int = TAIL) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._head, self._tail = head, tail
        self._there = os.fstat(self._file).st_size
        self.size = self._there
        """Bytes that were printed."""
        self.failure = ""
        """Why it has not all that it could, where it cannot be written."""

    def fileno(self) -> int:
        """The open file."""
        return self._file

    @property
    def cut(self) -> bool:
        """Whether the file has not all that was printed."""
        return self.size > self._there or bool(self.failure)

    def write(self, data: bytes) -> None:
        """Take what was printed. A full disk ends the log, not the run."""
        self.size += len(data)
        if self.failure:
            return
        try:
            self._append(data)
        except OSError as error:
            self.failure = error.strerror or str(error)

    def close(self) -> None:
        """Nothing more comes."""
        os.close(self._file)

    def _append(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self._file, view, self._there)
            self._there += written
            view = view[written:]
        if self._there > self._head + 2 * self._tail:
            self._leave_out()

    def _leave_out(self) -> None:
        """Move the end of the file to behind its beginning, at whole lines where there are some."""
        last = os.pread(self._file, self._tail, self._there - self._tail)
        last = last[last.find(b"\n", 0, _PIECE) + 1 :]
        left_out = self.size - self._head - len(last)
        text = f"\n[{left_out} bytes are left out]\n".encode() + last
        os.pwrite(self._file, text, self._head)
        self._there = self._head + len(text)
        os.ftruncate(self._file, self._there)


@dataclass(slots=True)
class Capture:
    """What became of what was printed; known once the context has ended."""

    log: Log | None = None
    note: str | None = None


@contextmanager
def logged(path: Path) -> Iterator[Capture]:
    """Have all that this process and its children print go to the file as well, for as long as the context lasts."""
    capture = Capture()
    _flush()
    try:
        carrier = _Carrier.start(path)
    except OSError as error:
        capture.note = f"what was printed is not recorded: {error.strerror or error}"
        yield capture
        return
    try:
        yield capture
    finally:
        _flush()
        told = carrier.finish()
        size = int(told.get("size", path.stat().st_size if path.exists() else 0))
        capture.log = Log(path.name, size, bool(told.get("cut", False)))
        if told.get("failure"):
            capture.note = f"the log is not whole: {told['failure']}"


@dataclass(frozen=True, slots=True)
class _Carrier:
    """The process that carries, the caller's own outputs while it does, and the pipe by which it tells its end."""

    process: int
    own: tuple[int, int]
    report: int

    @classmethod
    def start(cls, path: Path) -> _Carrier:
        """Put a channel in the place of standard output and error. Raises: OSError."""
        log = LogFile(path)
        own = (os.dup(1), os.dup(2))
        channels = _channels(own)
        report, reported = os.pipe()
        process = _fork()
        if process == 0:
            for number in (report, *(end for _, end in channels)):
                os.close(number)
            _carry([(near, out) for (near, _), out in zip(channels, own, strict=False)], log, reported)
        os.close(reported)
        log.close()
        for number, (_, end) in zip((1, 2), channels if len(channels) == 2 else channels * 2, strict=True):
            os.dup2(end, number)
        for near, end in channels:
            os.close(near)
            os.close(end)
        return cls(process, own, report)

    def finish(self) -> dict[str, Any]:
        """Give the caller its outputs back; what the carrier tells once everything was carried."""
        for number, own in enumerate(self.own, 1):
            os.dup2(own, number)
            os.close(own)
        with os.fdopen(self.report, "rb") as file:
            data = file.read(_PIECE)
        os.waitpid(self.process, 0)
        with suppress(ValueError):
            told = json.loads(data)
            return told if isinstance(told, dict) else {}
        return {}


def _channels(own: Sequence[int]) -> list[tuple[int, int]]:
    """The reading and the writing end for each output; one for both where they are one place, so that order is kept."""
    status = [os.fstat(number) for number in own]
    together = (status[0].st_dev, status[0].st_ino, status[0].st_rdev) == (
        status[1].st_dev,
        status[1].st_ino,
        status[1].st_rdev,
    )
    return [_channel(number) for number in own[: 1 if together else 2]]


def _channel(number: int) -> tuple[int, int]:
    if not os.isatty(number):
        return os.pipe()
    near, end = os.openpty()
    tty.setraw(end)
    with suppress(OSError):
        fcntl.ioctl(end, termios.TIOCSWINSZ, fcntl.ioctl(number, termios.TIOCGWINSZ, _WINDOW))
    return near, end


def _carry(channels: list[tuple[int, int]], log: LogFile, reported: int) -> None:
    """Show and keep what comes, until nothing more can; never comes back."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE):
            signal.signal(number, signal.SIG_IGN)  # the command's end is the end of what is carried
        _close_all_but({0, 1, 2, log.fileno(), reported, *(number for pair in channels for number in pair)})
        _carry_all(dict(channels), log)
        told = {"size": log.size, "cut": log.cut, "failure": log.failure}
        os.write(reported, json.dumps(told).encode())
    finally:
        os._exit(0)


def _carry_all(channels: dict[int, int], log: LogFile) -> None:
    while channels:
        for near in select.select(list(channels), [], [])[0]:
            data = b""
            with suppress(OSError):  # EIO: no command has this terminal open any longer
                data = os.read(near, _PIECE)
            if data:
                log.write(data)
            if not data or not _shown(channels[near], data):
                os.close(near)  # whoever writes on is told so, as if nothing stood between
                del channels[near]


def _shown(number: int, data: bytes) -> bool:
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(number, view) :]
    except BlockingIOError:
        select.select([], [number], [])
        return _shown(number, bytes(view))
    except OSError:
        return False
    return True


def _close_all_but(kept: set[int]) -> None:
    """What was open in the caller: a lock above all, which would go on being held."""
    for number in map(int, os.listdir("/proc/self/fd" if os.path.isdir("/proc/self/fd") else "/dev/fd")):
        if number not in kept:
            with suppress(OSError):
                os.close(number)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, OSError, ValueError):
            stream.flush()


def _fork() -> int:
    """The child takes no lock and ends in `_exit`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
