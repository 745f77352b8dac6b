"""Which names the files of one archive may have, so that they mean the same on every disk and can't leave a folder."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

LONGEST_NAME = 255
"""Of a part of a path, in bytes of UTF-8; what Linux takes."""
LONGEST_PATH = 3000
"""Of a path, in bytes of UTF-8: Linux takes 4096, where the root that it is unpacked to has a part in it."""


def unsafe_reason(path: str) -> str | None:
    """Why `path` (no trailing slash) can't be a file's relative path, or None where it can."""
    if path.isascii() and path.isprintable() and "\\" not in path and len(path) <= LONGEST_NAME:
        reason = None
    else:
        reason = _unusual_reason(path)
    if reason is None and (path.startswith("/") or not path):
        reason = "is absolute" if path else "is empty"
    if reason is None and not {"", ".", ".."}.isdisjoint(path.split("/")):
        reason = "has an empty, `.` or `..` part"
    return reason


def _unusual_reason(path: str) -> str | None:
    if "\0" in path:
        return "holds a NUL"
    if "\\" in path:
        return "holds a backslash"
    if any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in path):
        return "holds a control character"
    encoded = path.encode()
    if len(encoded) > LONGEST_PATH or any(len(part) > LONGEST_NAME for part in encoded.split(b"/")):
        return "is longer than a file system takes"
    return None


def clash(files: Iterable[str], directories: Iterable[str] = ()) -> str | None:
    """How two of these paths can't both be unpacked, in words, or None.

    Refused are: a path twice, a file where another path needs a directory, and files whose paths differ only in case or
    in Unicode normalisation, which are one file on the disks of macOS and Windows.
    """
    seen: dict[str, str] = {}
    for path in files:
        first = seen.setdefault(fold(path), path)
        if first is not path:
            return f"`{path}` is there twice" if first == path else f"`{first}` and `{path}` differ only in case"
    needed = {fold(path) for path in directories}
    both = sorted(seen.keys() & (needed | parents(seen) | parents(needed)))
    return f"`{seen[both[0]]}` is a file and a directory" if both else None


def parents(paths: Iterable[str]) -> set[str]:
    """Every directory that is above one of `paths`, the root (an empty path) included."""
    found: set[str] = set()
    level = {path.rpartition("/")[0] for path in paths}
    while level:
        found |= level
        level = {path.rpartition("/")[0] for path in level} - found
    return found


def fold(path: str) -> str:
    """`path` as a disk that ignores case and Unicode normalisation compares it."""
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFD", path).casefold())
    )
