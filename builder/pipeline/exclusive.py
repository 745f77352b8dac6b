"""One `repro` at a time works on a project: a lock that says who has it, and ends with the process."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.layout import RUNS

LOCK_FILE = ".repro"
"""Below the project's runs."""
_MOST = 1 << 12


@contextmanager
def exclusive(folder: Path, say: Callable[[str], None], since: str, *, waits: bool) -> Iterator[None]:
    """Keep others from working on the stages of the project in `folder`; `since` is the time that they are told.

    The children of this process hold the lock too: nobody begins what one of them still works at.

    Raises: EnvbuildError, if another works on it and `waits` is not set, or the lock cannot be written.
    """
    path = folder / RUNS / LOCK_FILE
    try:
        path.parent.mkdir(exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise OSError(errno.EINVAL, "it is no regular file")
    except OSError as error:
        raise EnvbuildError(f"`{path}` cannot be written", error.strerror or str(error)) from error
    with os.fdopen(descriptor, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _who(file.read(_MOST))
            if not waits:
                raise EnvbuildError(
                    f"the stages of `{folder}` are being run already", other, "Wait until it is done"
                ) from None
            say(f"the stages of `{folder}` are being run already, by {other}: waiting until it is done")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(json.dumps({"process": os.getpid(), "host": os.uname().nodename, "since": since}).encode())
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # so that it is always the same in git


def _who(data: bytes) -> str:
    try:
        value = json.loads(data)
        return f"process {int(value['process'])} on {str(value['host'])[:100]} since {str(value['since'])[:40]}"
    except (ValueError, KeyError, TypeError):
        return "another process"
