"""Where the requirements stand that an error speaks of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builder.errors import EnvbuildError
from builder.lock.interface import Line

_NAME = re.compile(r"(?:\S*::)?\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
"""Of a requirement (PEP 508) and of a match specification of conda, which may have a channel before it."""
_URL = re.compile(r"\b[a-z+]+://\S+")
_MOST = 10
"""Lines that are told."""


def with_places(error: EnvbuildError, lines: Iterable[Line]) -> EnvbuildError:
    """The same error, and of each line whose package it names, file, line and text.

    Names inside URLs do not count: they are of what was being asked for when an index did not answer.
    """
    text = _URL.sub("", "\n".join([error.what, *error.why])).lower()
    told = [f"{line.place}: `{line.text}`" for line in lines if _is_named(line, text)]
    return type(error)(error.what, [*error.why, *dict.fromkeys(told[:_MOST])], error.hint)


def _is_named(line: Line, text: str) -> bool:
    match = _NAME.match(line.text)
    if match is None:
        return False
    name = re.sub(r"[-_.]+", "[-_.]+", match[1].lower())
    return re.search(rf"(?<![\w./-]){name}(?![\w/-])(?!\.\w)", text) is not None
