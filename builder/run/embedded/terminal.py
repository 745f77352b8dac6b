"""A terminal for the command, made inside, so that `/dev/pts` knows it (pty(7))."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import termios
from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class ControllingEnd:
    """The end that the caller holds (a FarEnd)."""

    descriptor: int

    def fileno(self) -> int:
        """What to wait for bytes on."""
        return self.descriptor

    def receive(self, amount: int) -> bytes:
        """The next bytes of the command. Raises: OSError, once it has closed its terminal."""
        return os.read(self.descriptor, amount)

    def send(self, data: bytes) -> None:
        """Give the command keys. Raises: OSError."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.descriptor, view) :]

    def resize(self, rows: int, columns: int) -> None:
        """Tell the command the size of the window."""
        fcntl.ioctl(self.descriptor, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
