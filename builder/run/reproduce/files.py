"""Data that a commit does not hold, brought to where the project of that time looks for them, by their digest."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from builder.errors import EnvbuildError
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Hasher
from builder.lock.data.local import check_inside, read_local
from builder.lock.data.locking import entries
from builder.oci.store import Store
from builder.spec import LoadedProject
from builder.spec.data_url import is_path


def bring_data(loaded: LoadedProject, source: Path, store: Store) -> list[str]:
    """Copy data of the project in `source` to their place in `loaded`; names of those that could not be had.

    Only what is not there yet is copied, and only bytes that are locked.

    Raises: EnvbuildError, if the data lock of `loaded` is stale.
    """
    missing = []
    hasher = Hasher(store, time.time_ns)
    for name, entry in entries(loaded).data.items():
        path = _place(entry)
        if path is None or (loaded.folder / path).exists():
            continue
        if not _copied(path, entry, source, loaded.folder, hasher):
            missing.append(name)
    return missing


def _place(entry: DataEntry) -> str | None:
    """Where they are in the project; None of those that have a URL."""
    if entry.pointer:
        return entry.pointer.path
    return entry.url if is_path(entry.url) and "*" not in entry.url else None


def _copied(path: str, entry: DataEntry, source: Path, target: Path, hasher: Hasher) -> bool:
    place = source / path
    try:
        check_inside(place, source)
        if not place.exists() or read_local(path, place, source, hasher).digest != entry.digest:
            return False
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        if place.is_dir():
            shutil.copytree(place, target / path, copy_function=_copy)
        else:
            _copy(place, target / path)
    except (EnvbuildError, OSError):
        return False
    return True


def _copy(source: Path | str, target: Path | str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
