"""The store: whether it can be written to, where it is, and how much room there is."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from builder.errors import EnvbuildError
from builder.oci.store import Store
from builder.run.doctor.interface import Examined, Finding

LEAST_FREE = 2 << 30
"""Bytes without which an image with a framework has no room."""
_ELSEWHERE = "Name another folder in `ENVBUILD_CACHE`"


def storage(machine: Examined) -> Finding:
    """A file is written, and removed again."""
    try:
        store = machine.open_store()
        with tempfile.TemporaryFile(dir=store.temporary) as file:
            file.write(b"\0")
            file.flush()
        free = shutil.disk_usage(store.root).free
    except EnvbuildError as error:
        return Finding("no", "; ".join((error.what, *error.why)), error.hint)
    except OSError as error:
        return Finding("no", f"it cannot be written to: {error.strerror or error}", _ELSEWHERE)
    kind = file_system(store.root)
    detail = f"`{store.root}`{f' on {kind}' if kind else ''}: {_size(_taken(store))} taken, {_size(free)} free"
    if free < LEAST_FREE:
        return Finding("no", detail, f"`envbuild cache prune --all` makes room; or: {_ELSEWHERE.lower()}")
    return Finding("ok", detail)


def file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The kind of file system that a path is on (proc_pid_mountinfo(5)), if that is told."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return None
    best, found, real = -1, None, path.resolve()
    for line in lines:
        fields = line.split()
        if "-" not in fields or len(fields) < fields.index("-") + 2:
            continue
        place = Path(re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), fields[4]))
        if real.is_relative_to(place) and len(place.parts) >= best:
            best, found = len(place.parts), fields[fields.index("-") + 1]
    return found


def _taken(store: Store) -> int:
    """Bytes of the blobs, which are by far the most of it."""
    folder = store.root / "blobs" / "sha256"
    with os.scandir(folder) as entries:
        return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)


def _size(size: int) -> str:
    return f"{size / 1e9:.1f} GB"
