"""What a conda package says of itself: `info/index.json`, `paths.json` or the files before it, `link.json`.

Owns reading them strictly, as they come from anywhere. Of each path it is told what it is, which prefix is to be
replaced in it, and its checksum.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

from builder.errors import EnvbuildError
from builder.layers.files import check_path
from builder.layers.unpacked import Spool
from builder.oci.canonical import parse_json

_LARGEST_INDEX = 4 << 20
_LARGEST_LISTING = 256 << 20
_OLD_PLACEHOLDER = "/opt/anaconda1anaconda2anaconda3"
"""Where a line of `has_prefix` names no other."""
_SHA256 = re.compile(r"[0-9a-f]{64}")

Mode = Literal["text", "binary"]
PathKind = Literal["hardlink", "softlink", "directory"]


@dataclass(frozen=True, slots=True)
class Placeholder:
    """The prefix that a file was built for, to be replaced by the one that it is installed to."""

    prefix: str
    mode: Mode
    """`text`: wherever it stands; `binary`: in strings that end with a NUL, whose length must stay."""


@dataclass(frozen=True, slots=True)
class CondaPath:
    """One path that a package installs."""

    path: str
    """In the archive; relative."""
    kind: PathKind
    placeholder: Placeholder | None = None
    sha256: str | None = None
    """Of the content as it is in the archive, in hexadecimal, if the package tells it."""
    no_link: bool = False


@dataclass(frozen=True, slots=True)
class CondaMetadata:
    """What a package says of itself."""

    index: Mapping[str, Any]
    """`info/index.json`."""
    noarch_python: bool
    """Whether its modules belong into the environment's `site-packages`, whatever its Python is."""
    paths: tuple[CondaPath, ...]
    entry_points: tuple[str, ...] = ()
    """`command = module:function`."""


def read_metadata(spool: Spool) -> CondaMetadata:
    """The metadata of an unpacked package.

    Raises: EnvbuildError, if it is missing or malformed.
    """
    index = _object(_document(spool, "info/index.json", _LARGEST_INDEX), "info/index.json")
    noarch_python = index.get("noarch") == "python"
    listed = "info/paths.json" in spool.items
    paths = _paths(_document(spool, "info/paths.json", _LARGEST_LISTING)) if listed else _old_paths(spool)
    twice = {path.path for path in paths}
    if len(twice) != len(paths):
        raise EnvbuildError("Its list of paths names one twice")
    return CondaMetadata(index, noarch_python, tuple(paths), _entry_points(spool) if noarch_python else ())


def _paths(document: Any) -> list[CondaPath]:
    where = "info/paths.json"
    listed = _object(document, where).get("paths")
    if not isinstance(listed, list):
        raise EnvbuildError(f"`{where}` has no list `paths`")
    return [_path(_object(entry, where), where) for entry in listed]


def _path(entry: Mapping[str, Any], where: str) -> CondaPath:
    path, kind, sha256 = entry.get("_path"), entry.get("path_type", "hardlink"), entry.get("sha256")
    if not isinstance(path, str) or kind not in ("hardlink", "softlink", "directory"):
        raise EnvbuildError(f"`{where}` is malformed", f"an entry is `{str(entry)[:200]}`")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        raise EnvbuildError(f"`{where}` is malformed", f"the checksum of `{path[:200]}` is no SHA-256")
    placeholder, mode = entry.get("prefix_placeholder"), entry.get("file_mode", "text")
    replaced = None if placeholder is None else _placeholder(placeholder, mode, where)
    return CondaPath(check_path(path.removeprefix("./")), kind, replaced, sha256, entry.get("no_link") is True)


def _placeholder(prefix: Any, mode: Any, where: str) -> Placeholder:
    if not isinstance(prefix, str) or len(prefix) < 2 or "\0" in prefix or mode not in ("text", "binary"):
        raise EnvbuildError(f"`{where}` is malformed", f"a placeholder is {str(prefix)[:200]!r} ({str(mode)[:20]})")
    return Placeholder(prefix, mode)


def _old_paths(spool: Spool) -> list[CondaPath]:
    """Of the files that packages had before `paths.json`."""
    replaced = dict(_has_prefix_line(line) for line in _lines(spool, "info/has_prefix"))
    no_link = {*_lines(spool, "info/no_link"), *_lines(spool, "info/no_softlink")}
    found = []
    for name in _lines(spool, "info/files"):
        path = check_path(name)
        item = spool.items.get(path)
        kind: PathKind = "softlink" if item and item.is_link else "hardlink"
        if path in spool.directories:
            kind = "directory"
        found.append(CondaPath(path, kind, replaced.get(path), no_link=path in no_link))
    return found


def _has_prefix_line(line: str) -> tuple[str, Placeholder]:
    where = "info/has_prefix"
    try:
        parts = [part.strip("\"'") for part in shlex.split(line, posix=False)]
    except ValueError as error:
        raise EnvbuildError(f"`{where}` is malformed", str(error)) from error
    if len(parts) == 1:
        return parts[0], Placeholder(_OLD_PLACEHOLDER, "text")
    if len(parts) == 3:
        return parts[2], _placeholder(parts[0], parts[1], where)
    raise EnvbuildError(f"`{where}` is malformed", line[:200])


def _entry_points(spool: Spool) -> tuple[str, ...]:
    where = "info/link.json"
    if where not in spool.items:
        return ()
    noarch = _object(_document(spool, where, _LARGEST_INDEX), where).get("noarch", {})
    listed = noarch.get("entry_points", []) if isinstance(noarch, dict) else None
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise EnvbuildError(f"`{where}` is malformed", "`noarch.entry_points` is no list of texts")
    return tuple(cast("Iterable[str]", listed))


def _document(spool: Spool, path: str, largest: int) -> Any:
    return parse_json(_content(spool, path, largest), f"`{path}`")


def _lines(spool: Spool, path: str) -> list[str]:
    if path not in spool.items:
        return []
    try:
        text = _content(spool, path, _LARGEST_LISTING).decode()
    except UnicodeDecodeError as error:
        raise EnvbuildError(f"`{path}` is not UTF-8", str(error)) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def _content(spool: Spool, path: str, largest: int) -> bytes:
    item = spool.items.get(path)
    if item is None or item.is_link:
        raise EnvbuildError("It is not a conda package", f"it has no file `{path}`")
    if item.size > largest:
        raise EnvbuildError(f"`{path}` is too large", f"{item.size} bytes")
    return spool.read(item, 0, item.size)


def _object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise EnvbuildError(f"`{where}` is malformed", f"an object is expected, not `{str(value)[:100]}`")
    return value
