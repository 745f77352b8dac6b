"""The tools that a lock is made with, from what this machine has."""

from __future__ import annotations

import os
from datetime import UTC, datetime

from builder.fetch import Fetcher
from builder.lock.make import Tools


def make_tools(fetcher: Fetcher) -> Tools:
    """All that reaches out of this process while locking."""
    from builder.lock.debian.archive import Archives
    from builder.lock.pypi.uv import UvResolver, uv_program

    return Tools(Archives(fetcher, datetime.now(UTC)), {"uv": UvResolver(os.environ, uv_program(), fetcher)})
