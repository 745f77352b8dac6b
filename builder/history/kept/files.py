"""One file as another: its blocks shared where the file system can, a link, or a copy. Linux."""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

_FICLONE = 0x40049409
"""ioctl_ficlonerange(2)."""


def clone(source: Path, target: Path) -> bool:
    """Make `target` a new file of the same bytes that shares their blocks, where both are on a file system that can.

    Raises: OSError, if `source` cannot be read or `target` cannot be made.
    """
    with open(source, "rb", buffering=0) as one:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            fcntl.ioctl(descriptor, _FICLONE, one.fileno())
        except OSError:
            os.unlink(target)
            return False
        finally:
            os.close(descriptor)
    return True


def link(source: Path, target: Path) -> bool:
    """Make `target` another name of a file, where that can be: on one file system, with links left. Never raises."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def copy(source: Path, target: Path) -> None:
    """Make `target` a copy. Raises: OSError, such as a full disk."""
    shutil.copyfile(source, target)
