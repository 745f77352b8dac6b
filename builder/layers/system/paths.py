"""Where the paths of packages really lie: the links at the top of every image, and the rewriting that they ask for."""

from __future__ import annotations

MERGED = ("bin", "lib", "lib32", "lib64", "libo32", "libx32", "sbin")
"""The folders of the root that are links to those of the same name in `/usr`, where they exist."""

MOVED = {"var/lock": "run/lock", "var/run": "run"}
"""Folders that are links to others, as base-files makes them."""


def merged_path(path: str) -> str:
    """Where a relative `path` really lies, given the links that every image has.

    `lib/x` is `usr/lib/x` (`/sbin` stays apart from `/bin`), `var/run/x` is `run/x`, `var/lock/x` is `run/lock/x`.
    """
    for link, place in MOVED.items():
        if path == link or path.startswith(link + "/"):
            return place + path[len(link) :]
    return "usr/" + path if path.partition("/")[0] in MERGED else path
