"""The data that stages read: as they are locked, and compared with what of them is in the project."""

from __future__ import annotations

from collections.abc import Sequence

from builder.errors import command_text
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Hasher, shown
from builder.lock.data.local import differences, read_local
from builder.lock.data.locking import entries, place_of
from builder.lock.integrity import StaleLockError
from builder.spec import LoadedProject


def locked_data(loaded: LoadedProject, names: Sequence[str], hasher: Hasher) -> dict[str, DataEntry]:
    """The entries of the data of these names.

    Raises: StaleLockError, if the lock does not belong to the spec, or what is here has other bytes; EnvbuildError.
    """
    lock = entries(loaded)
    reasons = [f"`data.{name}`: {change}" for name in names for change in _changes(lock.data[name], loaded, hasher)]
    if reasons:
        raise StaleLockError(
            f"the data that stages of `{shown(loaded.file)}` read are not as they were locked",
            reasons,
            f"To take them as they are now, run {command_text('lock', shown(loaded.folder))}",
        )
    return {name: lock.data[name] for name in names}


def _changes(entry: DataEntry, loaded: LoadedProject, hasher: Hasher) -> list[str]:
    path = place_of(entry, loaded.folder)
    if path is None or not path.exists():
        return []
    return differences(
        entry, read_local(entry.pointer.path if entry.pointer else entry.url, path, loaded.folder, hasher)
    )
