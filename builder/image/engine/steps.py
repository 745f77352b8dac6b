"""The steps of a build while it goes on: what each has said last, and the error that tells which one failed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import Final

from builder.errors import EnvbuildError
from builder.image.dockerfile.shape import LINKER
from builder.image.engine.interface import Observer

_LINES: Final = 30
"""Of a step, that an error shows."""
_WIDTH: Final = 500
"""Characters of a line that are kept: an engine may send any number of them."""
_TITLE: Final = 120
_STEPS: Final = 2000
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BASE_STEP = re.compile(r"\S+ FROM |\[internal\] load metadata for ")


class Steps:
    """Follows one build."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._titles: dict[str, str] = {}
        self._lines: dict[str, deque[str]] = {}
        self._current = ""

    def begin(self, key: str, title: str) -> None:
        """A step begins or goes on; `key` tells it from others."""
        self._current, title = key, plain(title)
        if self._titles.get(key) != title and len(self._titles) < _STEPS:
            self._titles[key] = title
            self._observer.step(title)

    def line(self, text: str, key: str | None = None) -> None:
        """A step, the current one if none is named, says something."""
        text = plain(text)
        if text and len(self._lines) < _STEPS:
            self._lines.setdefault(self._current if key is None else key, deque(maxlen=_LINES)).append(text)
        self._observer.line(text)

    def failure(self, reason: str, key: str | None = None) -> EnvbuildError:
        """The error of a build whose step failed."""
        key = self._current if key is None else key
        title = self._titles.get(key, "")
        shown = title if len(title) <= _TITLE else f"{title[:_TITLE]}…"
        what = f"the build failed in the step `{shown}`" if title else "the build failed"
        return EnvbuildError(what, list(_causes(plain(reason), self._lines.get(key, ()))), _hint(title))


def _causes(reason: str, lines: Iterable[str]) -> Iterable[str]:
    if reason:
        yield reason
    if shown := "\n".join(lines):
        yield f"its last lines are:\n{shown}"


def _hint(title: str) -> str:
    if _BASE_STEP.match(title) and ("${LINKER}" in title or LINKER in title):
        return (
            f"Conda packages are linked in `{LINKER}`: let the engine have it, or run `envbuild render` and name "
            "another with `--build-arg LINKER=…`"
        )
    if _BASE_STEP.match(title):
        return "Name a base image that the engine has or can pull with `--base`"
    return "`--verbose` shows every line; `envbuild render` writes the Dockerfile and its files to look at"


def plain(text: str) -> str:
    """A line without commands to a terminal, of a length that can be kept."""
    return _ESCAPES.sub("", text).rstrip()[:_WIDTH]
