"""One locked entry: the bytes that a name of `data`, or the model, stands for. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast, get_args

from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest

Kind = Literal["file", "folder", "glob"]
_KINDS = get_args(Kind)
_LONGEST_PATH = 4095
DEEPEST = 200
"""Folders that a file may be in, of data and of outputs."""
_NO_NAME = re.compile(r"(?:^|/)\.{0,2}(?:/|\Z)")
"""A part of a path that is empty, `.` or `..`."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")


@dataclass(frozen=True, slots=True, order=True)
class LockedFile:
    """A file of a folder."""

    path: str
    """Below the folder, `/` between parts."""
    digest: Digest
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Pointer:
    """What a pointer of DVC said when it was locked."""

    path: str
    """The file or folder that it stands for, relative to the project."""
    md5: str
    """DVC's own digest; `.dir` at its end marks a folder."""


@dataclass(frozen=True, slots=True)
class DataEntry:
    """What a reference means."""

    url: str
    """As the spec says it."""
    kind: Kind
    digest: Digest
    """Of the file's bytes; of a folder's or glob's manifest (see `manifest_digest`)."""
    size: int | None
    """Of all files together, in bytes; None where only the spec promises a digest."""
    files: tuple[LockedFile, ...] = ()
    """Of a folder or glob, sorted by path."""
    pinned: str | None = None
    """A URL that means these bytes for good, where `url` may move."""
    pointer: Pointer | None = None
    """Where `url` is a pointer of DVC."""

    @property
    def source(self) -> str:
        """The URL to fetch."""
        return self.pinned or self.url

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        document: dict[str, Any] = {"url": self.url, "kind": self.kind, "sha256": self.digest.hex, "size": self.size}
        if self.kind != "file":
            document["files"] = [[file.path, file.digest.hex, file.size] for file in self.files]
        if self.pinned:
            document["pinned"] = self.pinned
        if self.pointer:
            document["dvc"] = {"path": self.pointer.path, "md5": self.pointer.md5}
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> DataEntry:
        """From JSON data, which may come from anywhere.

        Raises: ValueError, KeyError, TypeError, EnvbuildError, if it is not of the right form or leaves its folder.
        """
        kind = document["kind"]
        if kind not in _KINDS:
            raise ValueError(f"`{kind}` is no kind of data")
        files = tuple(_file_from(row) for row in document["files"]) if kind != "file" else ()
        check_manifest(files)
        pinned, dvc = document.get("pinned"), document.get("dvc")
        return cls(
            _text(document["url"]),
            cast("Kind", kind),
            Digest(_text(document["sha256"])),
            _size(document["size"]),
            files,
            None if pinned is None else _text(pinned),
            None if dvc is None else Pointer(check_path(_text(dvc["path"])), check_md5(_text(dvc["md5"]))),
        )


def folder_entry(url: str, kind: Kind, files: Iterable[LockedFile]) -> DataEntry:
    """The entry of a folder or glob with these files, in whatever order they are given."""
    ordered = tuple(sorted(files))
    return DataEntry(url, kind, manifest_digest(ordered), sum(file.size for file in ordered), ordered)


def manifest_digest(files: Sequence[LockedFile]) -> Digest:
    """The SHA-256 of the canonical JSON of `[[path, sha256, size], …]`, sorted by path."""
    return Digest.of(canonical_json([[file.path, file.digest.hex, file.size] for file in files]))


def check_path(path: str) -> str:
    """`path`, if it is one below a folder, on any machine and in any message.

    Raises: ValueError.
    """
    if _NO_NAME.search(path):
        raise ValueError(f"`{path[:200]}` is not a path below a folder")
    if _CONTROL.search(path):
        raise ValueError(f"{path[:200]!r} has control characters")
    try:
        length = len(path.encode())
    except UnicodeEncodeError as error:
        raise ValueError(f"{path[:200]!r} is not UTF-8") from error
    if length > _LONGEST_PATH:
        raise ValueError(f"`{path[:200]}…` is longer than a path may be")
    if path.count("/") > DEEPEST:
        raise ValueError(f"`{path[:200]}…` is in more than {DEEPEST} folders")
    return path


def check_md5(text: str) -> str:
    """`text`, if it is a digest of DVC. Raises: ValueError."""
    if not _MD5.fullmatch(text):
        raise ValueError(f"`{text[:80]}` is not an MD5")
    return text


def check_manifest(files: Sequence[LockedFile]) -> None:
    """Refuse a manifest that no folder can have. Raises: ValueError."""
    for before, file in itertools.pairwise(files):
        if before.path >= file.path:
            raise ValueError(f"`{file.path}` does not stand in order, or stands twice")
    paths = {file.path for file in files}
    for folder in {file.path.rpartition("/")[0] for file in files}:
        parent = folder
        while parent:
            if parent in paths:
                raise ValueError(f"`{parent}` is both a file and a folder")
            parent = parent.rpartition("/")[0]


def _file_from(row: Any) -> LockedFile:
    path, digest, size = row
    number = _size(size)
    if number is None:
        raise ValueError("a file has no size")
    return LockedFile(check_path(_text(path)), Digest(_text(digest)), number)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is expected")
    return value


def _size(value: Any) -> int | None:
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ValueError("a size is a number of bytes")
    return value
