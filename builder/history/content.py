"""What a file or a folder holds, by digest: the form that inputs and outputs of runs are told in. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from builder.errors import EnvbuildError
from builder.layers.files import check_path

LISTED_FILES = 1000
"""Files of a folder that the record of a run lists at most; its digest is of all."""

Row = tuple[str, str, int]
"""A file: its path below the folder (of a file by itself its name), hexadecimal SHA-256, size in bytes."""


def listing_bytes(rows: Sequence[Row]) -> bytes:
    """The list as JSON without spaces: what a folder's digest is of."""
    return json.dumps([list(row) for row in rows], ensure_ascii=False, separators=(",", ":")).encode()


def listing_digest(rows: Sequence[Row]) -> str:
    """The hexadecimal SHA-256 of the list (`listing_bytes`), as data locks and the launcher have it."""
    return hashlib.sha256(listing_bytes(rows)).hexdigest()


@dataclass(frozen=True, slots=True)
class Content:
    """A file or a folder."""

    kind: Literal["file", "folder"]
    sha256: str
    """Hexadecimal: of a file's bytes, of a folder's list of files (`listing_digest`)."""
    size: int
    """In bytes, of all files together."""
    files: tuple[Row, ...] | None = None
    """Every file, sorted by the bytes of the path; None where they were too many to be listed."""

    @classmethod
    def of_file(cls, name: str, sha256: str, size: int) -> Content:
        """A file by itself."""
        return cls("file", sha256, size, ((name, sha256, size),))

    @classmethod
    def of_folder(cls, rows: Sequence[Row]) -> Content:
        """A folder of these files."""
        rows = tuple(sorted(rows, key=lambda row: row[0].encode()))
        return cls("folder", listing_digest(rows), sum(row[2] for row in rows), rows)

    def to_dict(self) -> dict[str, Any]:
        """For records; the list only where it is not too long."""
        files = self.files if self.files is not None and len(self.files) <= LISTED_FILES else None
        return {
            "kind": self.kind,
            "sha256": self.sha256,
            "size": self.size,
            "files": None if files is None else [list(row) for row in files],
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Content:
        """Of a record from anywhere. Raises: EnvbuildError, if it is none."""
        try:
            kind, sha256, size, files = value["kind"], value["sha256"], value["size"], value.get("files")
            if kind not in ("file", "folder") or not _is_sha256(sha256) or not _is_size(size):
                raise ValueError("a kind, a SHA-256 and a size are expected")
            rows = None if files is None else tuple(_row(row) for row in files)
            if rows is not None and kind == "folder" and listing_digest(rows) != sha256:
                raise ValueError("its list of files has another digest")
        except (KeyError, TypeError, ValueError, EnvbuildError) as error:
            raise EnvbuildError("this is no description of a file or a folder", str(error)) from error
        return cls(kind, sha256, size, rows)


def _row(value: Any) -> Row:
    path, sha256, size = value
    if not isinstance(path, str) or not _is_sha256(sha256) or not _is_size(size):
        raise ValueError("a row of a list of files is another")
    return check_path(path), sha256, size


def _is_sha256(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and not value.strip("0123456789abcdef")


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63
