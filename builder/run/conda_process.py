"""Rattler at work on a prefix of this machine, in a process of its own: what to link as JSON on its standard input.

The process ends without the interpreter's own way of ending, in which rattler's threads may abort it. It reaches no
network: every package is a file.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from typing import Any


async def link(request: Mapping[str, Any]) -> None:
    """Make the prefix hold just the packages whose files are given."""
    from rattler import RepoDataRecord, install
    from rattler.platform import Subdir

    records = [await RepoDataRecord.from_package_archive(path) for path in request["packages"]]
    await install(
        records,
        target_prefix=request["prefix"],
        cache_dir=request["cache"],
        platform=Subdir(request["subdir"]),
        reinstall_packages=set(request["reinstall"]),
        execute_link_scripts=False,
        show_progress=False,
    )


def main() -> None:
    """Answer and end."""
    code = 0
    try:
        asyncio.run(link(json.load(sys.stdin)))
    except Exception as error:  # noqa: BLE001 - rattler's errors have no common class; its words are what counts
        print(error, file=sys.stderr)  # noqa: T201
        code = 1
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
