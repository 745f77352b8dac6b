"""Memory for what somebody else wrote: DuckDB counts its tables, not the values that a function makes."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOM = 1 << 30
"""Bytes, beside what is taken already."""
_STATUS = Path("/proc/self/status")


@contextmanager
def little_room(most: int = ROOM) -> Iterator[None]:
    """Let this process take no more than so many bytes until the block ends; what wants more fails. Linux alone."""
    taken = _taken()
    before = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [limit for limit in (taken + most, *before) if limit != resource.RLIM_INFINITY]
    if taken:
        resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _taken() -> int:
    """Bytes of data that this process has; 0 where that cannot be told."""
    with suppress(OSError, StopIteration, ValueError):
        lines = _STATUS.read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmData:")).split()[1]) << 10
    return 0
