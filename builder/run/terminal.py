"""The caller's terminal joined to the one of a command: bytes, keys as they are, and the window's size (pty(7))."""

from __future__ import annotations

import os
import select
import signal
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

_INPUT, _OUTPUT = 0, 1
_PIECE = 1 << 16


class FarEnd(Protocol):
    """The command's side of a terminal."""

    def fileno(self) -> int:
        """What to wait for bytes on."""

    def receive(self, amount: int) -> bytes:
        """The next bytes of the command; empty, or OSError, once it has closed its terminal."""

    def send(self, data: bytes) -> None:
        """Give the command keys. Raises: OSError, once it has closed its terminal."""

    def resize(self, rows: int, columns: int) -> None:
        """Tell the command the size of the window."""


def join(end: FarEnd) -> bool:
    """Carry bytes between the caller's terminal and the command's, until one of them is closed: whether the command's.

    The caller's is closed when its window is, or its connection.
    """
    with _raw_mode(), _same_size(end.resize):
        inputs: list[int | FarEnd] = [end, _INPUT]
        while True:
            ready = select.select(inputs, [], [])[0]
            if _INPUT in ready:
                keys = _keys()
                if not keys:
                    return False
                if not _sent(end, keys):
                    inputs.remove(_INPUT)
            if end in ready and not _shown(end):
                return True


def _keys() -> bytes:
    with suppress(OSError):  # EIO: the terminal is gone
        return os.read(_INPUT, _PIECE)
    return b""


def _sent(end: FarEnd, keys: bytes) -> bool:
    try:
        end.send(keys)
    except OSError:
        return False
    return True


def _shown(end: FarEnd) -> bool:
    try:
        data = end.receive(_PIECE)
    except OSError:  # EIO: the other end is closed
        return False
    view = memoryview(data)
    with suppress(OSError):  # that the caller's terminal is gone is noticed where keys are read
        while view:
            view = view[os.write(_OUTPUT, view) :]
    return bool(data)


@contextmanager
def _raw_mode() -> Iterator[None]:
    """Keys go to the command as they are; Ctrl-C becomes a signal there."""
    before = termios.tcgetattr(_INPUT)
    tty.setraw(_INPUT)
    try:
        yield
    finally:
        with suppress(termios.error):  # it may be gone
            termios.tcsetattr(_INPUT, termios.TCSADRAIN, before)


@contextmanager
def _same_size(resize: Callable[[int, int], None]) -> Iterator[None]:
    def copy(*_: object) -> None:
        size = os.get_terminal_size(_INPUT)
        resize(size.lines, size.columns)

    copy()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGWINCH, copy)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
