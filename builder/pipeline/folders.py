"""What folders of a project held when they were last read, by how they looked then.

A folder in which nothing changed is looked at, and neither its files nor a list of them are read.
As in `lock/data/hashing.py`, a file counts as unchanged if its device, inode, size, and times of change are the same,
and if it was at rest when it was hashed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.history.content import Content
from builder.lock.data.hashing import AT_REST, LEFT_OUT
from builder.oci.sourced import identity_of
from builder.oci.store import Store

_RECORDS = "seen-folders"


@dataclass(frozen=True, slots=True)
class Look:
    """How a folder looks: files and folders alone are in it."""

    fingerprint: str
    newest: int
    """When any of its files changed last, in nanoseconds."""


class SeenFolders:
    """The folders of one project."""

    def __init__(self, project: Path, store: Store, now: Callable[[], int]) -> None:
        self._store = store
        self._now = now
        self._key = hashlib.sha256(os.fsencode(os.path.abspath(project))).hexdigest()
        record = store.record(_RECORDS, self._key)
        self._rows: dict[str, Any] = record if isinstance(record, dict) else {}
        self._changed = False

    def recall(self, path: str, look: Look) -> Content | None:
        """What a folder holds that looks like this, without the list of its files; None where it did not before."""
        row = self._rows.get(path)
        if not isinstance(row, list) or len(row) != 3 or row[0] != look.fingerprint:
            return None
        return Content("folder", str(row[1]), int(row[2]))

    def take(self, path: str, look: Look, content: Content) -> None:
        """Take it that a folder that looks like this holds that, if it is at rest."""
        if look.newest < self._now() - AT_REST:
            self._rows[path] = [look.fingerprint, content.sha256, content.size]
            self._changed = True

    def remember(self) -> None:
        """Keep what is new."""
        if self._changed:
            self._store.keep_record(_RECORDS, self._key, self._rows)
            self._changed = False


def look_at(folder: Path) -> Look | None:
    """How a folder looks; None where links or other things are in it, or it cannot be read: then it is to be walked."""
    rows: list[str] = []
    newest = 0
    waiting = [""]
    top = os.fspath(folder)
    try:
        while waiting:
            below = waiting.pop()
            with os.scandir(os.path.join(top, below)) as entries:
                for entry in entries:
                    if entry.name in LEFT_OUT:
                        continue
                    status = entry.stat(follow_symlinks=False)
                    if stat.S_ISREG(status.st_mode):
                        device, inode, size, changed, noted = identity_of(status)
                        rows.append(f"{below}{entry.name}\0{device} {inode} {size} {changed} {noted}")
                        newest = max(newest, changed, noted)
                    elif stat.S_ISDIR(status.st_mode):
                        waiting.append(f"{below}{entry.name}/")
                    else:
                        return None
    except OSError:
        return None
    text = "\0".join(sorted(rows))
    return Look(hashlib.sha256(os.fsencode(text)).hexdigest(), newest)
