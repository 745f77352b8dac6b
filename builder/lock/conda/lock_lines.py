"""The list of packages in a `conda-lock.yml`, read line by line in the one layout that conda-lock writes. Pure.

Ten times as fast as a parser of YAML. Whatever looks different is refused, and then read as YAML.
"""

from __future__ import annotations

import re
from typing import Any

_ITEM = re.compile(r"(- |  )([a-z][a-z0-9_]*):(?: (.+))?")
_INNER = re.compile(r"    ([A-Za-z0-9_][A-Za-z0-9_.-]*|'[^'\\]*'):(?: (.+))?")
_PLAIN = re.compile(r"[A-Za-z0-9_/.][^#\s]*(?: [^#:\s][^#\s]*)*")
_NOT_TEXT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*|0x[0-9a-fA-F_]+|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|"
    r"[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?|\.inf|\.nan|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*)"
    r"|~|null|true|false|yes|no|on|off|y|n",
    re.IGNORECASE,
)
_BOOLEANS = {"true": True, "false": False}


class LinesRefusedError(ValueError):
    """The layout is another one."""


def packages_of_lines(text: str) -> list[dict[str, Any]]:
    """The entries of `package:`, with texts as values but for `optional`.

    Raises: LinesRefusedError.
    """
    return split_lines(text)[1]


def split_lines(text: str) -> tuple[str, list[dict[str, Any]]]:
    """What stands before `package:`, and its entries.

    Raises: LinesRefusedError.
    """
    head, separator, rest = text.partition("\npackage:\n")
    if not separator:
        raise LinesRefusedError
    entries: list[dict[str, Any]] = []
    inner: dict[str, str] | None = None
    for line in rest.split("\n"):
        match = _INNER.fullmatch(line)
        if match:
            if inner is None:
                raise LinesRefusedError
            _set(inner, match[1].strip("'"), _value(match[2]))
            continue
        match = _ITEM.fullmatch(line)
        if match is None:
            if line:
                raise LinesRefusedError
            continue
        if match[1] == "- ":
            entries.append({})
        elif not entries:
            raise LinesRefusedError
        inner = _put(entries[-1], match[2], match[3])
    return head, entries


def _put(entry: dict[str, Any], key: str, text: str | None) -> dict[str, str] | None:
    """Keep one key of an entry; gives the mapping that the next lines belong to, if they do."""
    if key == "optional":
        if text not in _BOOLEANS:
            raise LinesRefusedError
        entry[key] = _BOOLEANS[text]
        return None
    if text is None or text == "{}":
        inner: dict[str, str] = {}
        _set(entry, key, inner)
        return inner if text is None else None
    _set(entry, key, _value(text))
    return None


def _set(target: dict[str, Any], key: str, value: Any) -> None:
    if key in target:
        raise LinesRefusedError
    target[key] = value


def _value(text: str | None) -> str:
    """A single value that is a text."""
    if text is None:
        raise LinesRefusedError
    if text.startswith("'"):
        inner = text[1:-1]
        if len(text) < 2 or not text.endswith("'") or "'" in inner.replace("''", ""):
            raise LinesRefusedError
        return inner.replace("''", "'")
    if not _PLAIN.fullmatch(text) or _NOT_TEXT.fullmatch(text):
        raise LinesRefusedError
    return text
