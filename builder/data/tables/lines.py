"""Where in a text something is wrong that DuckDB names no line of."""

from __future__ import annotations

import re
from typing import IO

_CHUNK = 1 << 20
_MARKS = re.compile(rb'"|\r\n|\r|\n')
_NAMES = {b"\r\n": "CR LF", b"\r": "CR", b"\n": "LF"}


def line_of_other_bytes(stream: IO[bytes]) -> int:
    """The first line that is not UTF-8, from 1; 0 if there is none."""
    number = 0
    while line := stream.readline(_CHUNK << 4):
        number += 1
        try:
            line.decode()
        except UnicodeDecodeError:
            return number
    return 0


def line_of_other_end(stream: IO[bytes]) -> str:
    """The first line of a CSV file that ends in another way than the first one does: `line 3 ends in CR LF, …`."""
    number, quotes, first = 0, 0, b""
    left = b""
    while chunk := stream.read(_CHUNK):
        data = left + chunk
        left = data[-1:] if data.endswith(b"\r") else b""  # a LF may follow
        for mark in _MARKS.findall(data[: len(data) - len(left)]):
            if mark == b'"':
                quotes ^= 1
                continue
            number += 1
            if quotes:
                continue
            first = first or mark
            if mark != first:
                return f"line {number} ends in {_NAMES[mark]}, those before it in {_NAMES[first]}"
    return ""
