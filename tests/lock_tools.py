"""The tools of a lock for tests: those that a test does not give must not be asked."""

from __future__ import annotations

from typing import Any

from builder.lock.wish import Tools


def tools_with(**given: Any) -> Tools:
    """Tools of which only the given ones may be used."""

    def unexpected(*arguments: object, **_: object) -> Any:
        raise AssertionError(f"asked for {arguments}")

    names = ("debian", "conda", "image", "standalone", "build")
    return Tools(**{**dict.fromkeys(names, unexpected), "python": {}, **given})
