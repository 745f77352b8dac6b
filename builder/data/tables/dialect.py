"""How a CSV file is written: its encoding, what parts its columns, and their names. Pure: the file's first bytes in.

One form is read: columns parted by a comma, semicolon, tab or bar; quotes are `"`, doubled inside; the first row has
the names. What parts the columns is the one by which most rows of the head have as many columns as the first row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

DELIMITERS = (",", ";", "\t", "|")
HEAD = 1 << 20
"""Bytes that are looked at."""
_ROWS = 200
_MARKS = {b"\xff\xfe\x00\x00": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}


class DialectError(ValueError):
    """What is wrong with the head of a file."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file is written."""

    delimiter: str
    columns: tuple[str, ...]


def encoding_of(head: bytes, declared: str = "") -> str:
    """A text's encoding, as Python names it: what is declared, what its mark says, or UTF-8."""
    return declared or next((name for mark, name in _MARKS.items() if head.startswith(mark)), "utf-8")


def read_dialect(head: bytes, encoding: str, *, whole: bool, delimiters: Sequence[str] = DELIMITERS) -> Dialect:
    """How a file is written, from its head; `whole` if there is no more of it.

    Raises: DialectError.
    """
    if not head.removeprefix(b"\xef\xbb\xbf").strip():
        raise DialectError("it is empty: not even the names of columns are there")
    text = _decoded(head, encoding, whole=whole)
    rows = {each: _rows(text, each, whole=whole) for each in delimiters}
    delimiter = max(delimiters, key=lambda each: _likeness(rows[each]))
    if not rows[delimiter]:
        raise DialectError(f"its first row does not end within {HEAD >> 20} MiB")
    names = tuple(rows[delimiter][0])
    _check_names(names)
    return Dialect(delimiter, names)


def _decoded(head: bytes, encoding: str, *, whole: bool) -> str:
    import codecs

    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head, final=whole)
    except UnicodeDecodeError as error:
        line = head[: error.start].count(b"\n") + 1
        raise DialectError(f"line {line} is not {shown_encoding(encoding)}") from error
    except LookupError as error:
        raise DialectError(f"`{encoding}` is no encoding") from error
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        raise DialectError(f"line {line} has a NUL byte: it is no text, or of another encoding")
    return text.removeprefix("\ufeff")


def shown_encoding(encoding: str) -> str:
    """An encoding as people write it: `UTF-8`."""
    return encoding.removesuffix("-sig").upper()


def _rows(text: str, delimiter: str, *, whole: bool) -> list[list[str]]:
    """The first rows; not the last one of a head that goes on."""
    found: list[list[str]] = []
    ended = True
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if len(found) > _ROWS:
                ended = False
                break
            if row or not found:
                found.append(row)
    except csv.Error:
        ended = False
    return found[:-1] if ended and not whole else found


def _likeness(rows: list[list[str]]) -> tuple[float, int]:
    """How well a way of parting explains rows; one column explains nothing."""
    if not rows or len(rows[0]) < 2:
        return (-1, 0)
    width = len(rows[0])
    return (sum(len(row) == width for row in rows) / len(rows) if len(rows) > 1 else 1, width)


def _check_names(names: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise DialectError(f"column {number} has no name")
        before = seen.setdefault(name.casefold(), name)
        if number - 1 != list(names).index(before):
            raise DialectError(f"the column `{name}` stands twice" + (f", as `{before}` too" if before != name else ""))
