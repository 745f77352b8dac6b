"""A terminal for the command, joined to the caller's: made inside, so that `/dev/pts` knows it (pty(7))."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import socket
import termios
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

_INPUT, _OUTPUT = 0, 1
_PIECE = 1 << 16


def open_inside(channel: socket.socket) -> int:
    """Make a terminal, send its controlling end to the caller, and return the other end."""
    controlling, terminal = os.openpty()
    socket.send_fds(channel, [b"terminal"], [controlling])
    os.close(controlling)
    return terminal


def take(terminal: int) -> None:
    """Make `terminal` the controlling one of a new session, and standard input, output and error."""
    os.setsid()
    fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    for number in range(3):
        os.dup2(terminal, number)


def join(controlling: int) -> None:
    """Carry bytes between the caller's terminal and the command's, until the command has closed it."""
    with _raw_mode(), _same_size(controlling):
        inputs = [controlling, _INPUT]
        while True:
            ready = select.select(inputs, [], [])[0]
            if _INPUT in ready and not _carry(_INPUT, controlling):
                inputs.remove(_INPUT)
            if controlling in ready and not _carry(controlling, _OUTPUT):
                os.close(controlling)
                return


def _carry(source: int, target: int) -> bool:
    try:
        data = os.read(source, _PIECE)
        view = memoryview(data)
        while view:
            view = view[os.write(target, view) :]
    except OSError:  # EIO: the other end is closed
        return False
    return bool(data)


@contextmanager
def _raw_mode() -> Iterator[None]:
    """Keys go to the command as they are; Ctrl-C becomes a signal there."""
    before = termios.tcgetattr(_INPUT)
    tty.setraw(_INPUT)
    try:
        yield
    finally:
        termios.tcsetattr(_INPUT, termios.TCSADRAIN, before)


@contextmanager
def _same_size(controlling: int) -> Iterator[None]:
    def copy(*_: object) -> None:
        size = fcntl.ioctl(_INPUT, termios.TIOCGWINSZ, bytes(8))
        fcntl.ioctl(controlling, termios.TIOCSWINSZ, size)

    copy()
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGWINCH, copy)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
