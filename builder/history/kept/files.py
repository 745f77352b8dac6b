"""One file as another: its blocks shared where the file system can, a link, or a copy. Linux."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_FICLONE = 0x40049409
"""ioctl_ficlonerange(2)."""
_AT_ONCE = 1 << 30
"""Bytes that the kernel is asked to move at a time."""


def clone(source: Path, target: Path) -> bool:
    """Make `target` a new file of the same bytes and times that shares their blocks; False, if that cannot be.

    Raises: OSError, if `source` cannot be read or `target` cannot be made.
    """
    with _both(source, target) as (one, other):
        try:
            fcntl.ioctl(other, _FICLONE, one)
        except OSError:
            os.unlink(target)
            return False
    return True


def link(source: Path, target: Path) -> bool:
    """Make `target` another name of a file, where that can be: on one file system, with links left. Never raises."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def copy(source: Path, target: Path) -> None:
    """Make `target` a copy with the same times. Raises: OSError, such as a full disk."""
    with _both(source, target) as (one, other):
        while os.sendfile(other, one, None, _AT_ONCE):  # from where `one` stands
            pass


@contextmanager
def _both(source: Path, target: Path) -> Iterator[tuple[int, int]]:
    """A file and a new one, to be filled; it is given the same times at the end."""
    one = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        other = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            yield one, other
            status = os.fstat(one)
            os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
        finally:
            os.close(other)
    finally:
        os.close(one)
