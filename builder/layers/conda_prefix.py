"""Replacing the prefix that a conda package was built for by the one that it is installed to.

The bytes are those that conda and rattler write. Pure: works on anything that can be searched, in pieces, so that a
large library is never in memory as a whole.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterator

from builder.errors import EnvbuildError
from builder.layers.conda_metadata import Placeholder

_PIECE = 1 << 20
_LONGEST_STRING = 16 << 20
"""Of a string in a binary file, in bytes."""
_LONGEST_LINE = 1 << 20
_LONGEST_SHEBANG = 127
_SHEBANG = re.compile(rb"#! *(/(?:\\ |[^ \n\r\t])*)(.*)", re.DOTALL)
_PYTHON = re.compile(rb"python(?:\d+(?:\.\d+)?)?")

Searchable = bytes | mmap.mmap


def replaced(data: Searchable, start: int, end: int, placeholder: Placeholder, prefix: str) -> Iterator[bytes]:
    """The bytes of `data` from `start` to `end`, with `prefix` in place of the placeholder, in pieces.

    Raises: EnvbuildError, if it does not fit into a binary file.
    """
    old, new = placeholder.prefix.encode(), prefix.encode()
    if placeholder.mode == "text":
        yield from _in_text(data, start, end, old, new)
        return
    if len(new) > len(old):
        raise EnvbuildError(
            f"`{prefix}` does not fit where the package has its prefix", f"there are {len(old)} bytes in a binary file"
        )
    yield from _in_strings(data, start, end, old, new)


def _in_text(data: Searchable, start: int, end: int, old: bytes, new: bytes) -> Iterator[bytes]:
    if data[start : min(start + 2, end)] == b"#!":
        line_end = data.find(b"\n", start, end)
        line_end = end if line_end < 0 else line_end
        if line_end - start > _LONGEST_LINE:
            raise EnvbuildError("The first line of a script is too long", f"{line_end - start} bytes")
        yield shebang(bytes(data[start:line_end]).replace(old, new))
        start = line_end
    while (found := data.find(old, start, end)) >= 0:
        yield from _pieces(data, start, found)
        yield new
        start = found + len(old)
    yield from _pieces(data, start, end)


def _in_strings(data: Searchable, start: int, end: int, old: bytes, new: bytes) -> Iterator[bytes]:
    while (found := data.find(old, start, end)) >= 0:
        yield from _pieces(data, start, found)
        stop = data.find(b"\0", found + len(old), end)
        stop = end if stop < 0 else stop
        if stop - found > _LONGEST_STRING:
            raise EnvbuildError("A string with the package's prefix is too long", f"{stop - found} bytes")
        yield bytes(data[found:stop]).replace(old, new).ljust(stop - found, b"\0")
        start = stop
    yield from _pieces(data, start, end)


def _pieces(data: Searchable, start: int, end: int) -> Iterator[bytes]:
    for position in range(start, end, _PIECE):
        yield bytes(data[position : min(position + _PIECE, end)])


def shebang(line: bytes) -> bytes:
    """The first line of a script as Linux can read it: one that is too long finds its interpreter through `PATH`."""
    match = _SHEBANG.fullmatch(line)
    if len(line) <= _LONGEST_SHEBANG or match is None:
        return line
    path, options = match[1], match[2]
    name = path.rpartition(b"/")[2]
    if _PYTHON.fullmatch(name):
        return b"#!/bin/sh\n'''exec' \"" + path + b'"' + options + b' "$0" "$@" #\'\'\''
    return b"#!/usr/bin/env " + name + options
