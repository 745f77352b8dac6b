"""Patterns of dates and times as ODCS has them (Java's DateTimeFormatter) in the words of `strptime`. Pure.

The letters that people use are translated; what has no equal is refused. Two digits of a year are read as POSIX does:
69 to 99 are of the last century.
"""

from __future__ import annotations

import re

_LETTERS = {
    "yyyy": "%Y",
    "uuuu": "%Y",
    "yy": "%y",
    "uu": "%y",
    "MM": "%m",
    "M": "%-m",
    "MMM": "%b",
    "MMMM": "%B",
    "dd": "%d",
    "d": "%-d",
    "DDD": "%j",
    "EEE": "%a",
    "EEEE": "%A",
    "HH": "%H",
    "H": "%-H",
    "hh": "%I",
    "h": "%-I",
    "mm": "%M",
    "m": "%-M",
    "ss": "%S",
    "s": "%-S",
    "SSS": "%g",
    "SSSSSS": "%f",
    "SSSSSSSSS": "%n",
    "a": "%p",
    **dict.fromkeys(("X", "XX", "XXX", "x", "xx", "xxx", "Z", "ZZZZZ"), "%z"),
    "VV": "%Z",
    "z": "%Z",
}
_PART = re.compile(r"'((?:[^']|'')*)'|([A-Za-z])\2*|[^A-Za-z']")
_ISO = re.compile(r"(?:yyyy|uuuu)-MM-dd(?:(?:'T'| )HH:mm(?::ss(?:\.S{1,9})?)?(?:X|XXX|xxx|'Z')?)?|HH:mm:ss")
"""Patterns of ISO 8601, which is read without one, and sooner."""


def strptime_of(pattern: str) -> str:
    """A pattern for `strptime`; empty for ISO 8601.

    Raises: ValueError, with what is not read.
    """
    if _ISO.fullmatch(pattern):
        return ""
    parts, place = [], 0
    while place < len(pattern):
        found = _PART.match(pattern, place)
        if not found:
            raise ValueError(f"`{pattern}` has a quote that is not closed")
        parts.append(_translated(found))
        place = found.end()
    return "".join(parts)


def _translated(part: re.Match[str]) -> str:
    text = part[0]
    if part[1] is not None:
        return (part[1].replace("''", "'") or "'").replace("%", "%%")
    if part[2]:
        if text not in _LETTERS:
            raise ValueError(f"`{text}` in `{part.string}` is not read")
        return _LETTERS[text]
    if text in "[]{}#":
        raise ValueError(f"`{text}` in `{part.string}` is not read")
    return text.replace("%", "%%")
