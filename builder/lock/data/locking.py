"""The data lock of a project on disk: what is wanted is compared with it, read where it is not locked, and written.

An entry is wanted in the lock where the spec alone does not say which bytes are meant: see `is_promised`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import DigestMismatchError, EnvbuildError, command_text, shortened
from builder.lock.data.document import DataLock, read_data_lock
from builder.lock.data.dvc import read_pointer
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Hasher, shown
from builder.lock.data.local import differences, local_path, read_local
from builder.lock.integrity import StaleLockError
from builder.oci.digest import Digest
from builder.progress import Progress
from builder.spec import DataReference, LoadedProject
from builder.spec.data_url import is_glob, is_pointer
from builder.spec.load import LOCK_FOLDER

if TYPE_CHECKING:
    from builder.fetch import Fetcher
    from builder.lock.data.download import Downloader


@dataclass(frozen=True, slots=True)
class DataTools:
    """What reading data needs of this machine."""

    hasher: Hasher
    fetcher: Callable[[], Fetcher]
    """Asked for only where something is fetched."""
    progress: Progress


@dataclass(frozen=True, slots=True)
class Checked:
    """A data lock that belongs to its project."""

    lock: DataLock
    """As it is written."""
    notes: tuple[str, ...]
    """What could not be compared, a sentence each."""


def lock_folder(loaded: LoadedProject) -> Path:
    """Where the data lock of a project is."""
    return loaded.folder / LOCK_FOLDER


def references(loaded: LoadedProject) -> dict[str, DataReference]:
    """What a project refers to, by where it stands in the spec: `data.train`, `model`.

    A model of the working tree is among them once it is there, unless a command of the project makes it.
    """
    project = loaded.project
    found = {f"data.{name}": reference for name, reference in project.data.items()}
    model = project.model
    if model and model.reference:
        found["model"] = model.reference
    elif model and model.path and not project.makes_its_model and (loaded.folder / model.path).exists():
        found["model"] = DataReference(model.path)
    return found


def is_promised(reference: DataReference, folder: Path) -> bool:
    """Whether the spec alone says which bytes are meant: the SHA-256 of a single file, which is no pointer."""
    local = local_path(reference.url, folder)
    return not (
        reference.sha256 is None
        or is_glob(reference.url)
        or is_pointer(reference.url)
        or reference.url.endswith("/")
        or (local is not None and local.is_dir())
    )


def promised_entry(reference: DataReference) -> DataEntry:
    """The entry that the spec itself is."""
    return DataEntry(reference.url, "file", Digest(reference.sha256 or ""), reference.size)


def entries(loaded: LoadedProject, read: DataLock | None = None) -> DataLock:
    """What data and model of a project are, by its spec and its lock, which may have been `read` before.

    Raises: StaleLockError, if the lock does not belong to the spec; EnvbuildError, if there is none and one is needed.
    """
    wanted = references(loaded)
    locked = {name for name, reference in wanted.items() if not is_promised(reference, loaded.folder)}
    if wanted.get("model") and loaded.project.model and loaded.project.model.path:
        locked.discard("model")  # what is packed is read anyway; see `check_model`
    lock = read_data_lock(lock_folder(loaded)) if read is None else read
    if not lock and locked:
        names = ", ".join(f"`{name}`" for name in sorted(locked))
        raise EnvbuildError(
            f"there is no data lock in `{shown(lock_folder(loaded))}`",
            f"the spec gives no hash for {names}",
            f"Make one with {command_text('lock', shown(loaded.folder))}",
        )
    lock = lock or DataLock()
    reasons = [reason for name in sorted(locked) for reason in _spec_differences(name, wanted[name], lock, loaded)]
    if reasons:
        raise _stale(loaded, reasons)
    return DataLock.of(
        {
            name: entry
            for name, reference in wanted.items()
            if (entry := promised_entry(reference) if is_promised(reference, loaded.folder) else lock.get(name))
        }
    )


def check_data(loaded: LoadedProject, hasher: Hasher) -> Checked:
    """Compare the data lock with the spec and with what of the data is on this machine.

    Raises: StaleLockError, with every reason; EnvbuildError, TamperedLockError, as `read_data_lock`.
    """
    written = read_data_lock(lock_folder(loaded)) or DataLock()
    lock = entries(loaded, written)
    wanted = references(loaded)
    reasons = list(_leftovers(loaded, wanted, written))
    notes = []
    for name, reference in wanted.items():
        locked = lock.get(name)
        path = place_of(locked, loaded.folder) if locked else local_path(reference.url, loaded.folder)
        if locked is None:
            reasons.append(f"`{name}` is not locked")
        elif path is not None and not path.exists():
            notes.append(f"`{shown(path)}` is not here, so `{name}` was not compared")
        elif path is not None:
            found = read_local(locked.pointer.path if locked.pointer else locked.url, path, loaded.folder, hasher)
            reasons += [f"`{name}` in `{shown(path)}`: {change}" for change in differences(locked, found)]
    if reasons:
        raise _stale(loaded, reasons)
    return Checked(written, tuple(notes))


def check_model(loaded: LoadedProject, hasher: Hasher) -> None:
    """Refuse a model of the working tree that is locked and has other bytes. Raises: StaleLockError."""
    lock = read_data_lock(lock_folder(loaded))
    reference = references(loaded).get("model")
    locked = lock.model if lock else None
    if not locked or not reference or locked.url != reference.url:
        return
    path = local_path(locked.url, loaded.folder)
    if path is not None and path.exists():
        found = read_local(locked.url, path, loaded.folder, hasher)
        reasons = [f"`model` in `{shown(path)}`: {change}" for change in differences(locked, found)]
        if reasons:
            raise _stale(loaded, reasons)


def make_data_lock(loaded: LoadedProject, tools: DataTools, *, upgrade: bool = False) -> DataLock:
    """What the data lock of a project is to hold; what is locked and still right is kept, unless `upgrade`.

    Raises: EnvbuildError, if something cannot be read; DigestMismatchError, if bytes are not those that the spec
    promises.
    """
    before = read_data_lock(lock_folder(loaded)) or DataLock()
    reader = _Reader(loaded, tools, upgrade)
    made = {}
    for name, reference in references(loaded).items():
        if is_promised(reference, loaded.folder):
            reader.check_promise(name, reference)
        else:
            made[name] = reader.entry(name, reference, before.get(name))
    if before.model and "model" not in made and _is_absent_model(loaded, before.model):
        made["model"] = before.model
    return DataLock.of(made)


class _Reader:
    """Makes entries of references."""

    def __init__(self, loaded: LoadedProject, tools: DataTools, upgrade: bool) -> None:
        self._folder = loaded.folder
        self._tools = tools
        self._upgrade = upgrade

    def entry(self, name: str, reference: DataReference, before: DataEntry | None) -> DataEntry:
        """The entry of a reference, kept from `before` where that is still right."""
        url = reference.url
        before = before if before is not None and before.url == url else None
        if is_pointer(url):
            entry = self._pointed(url, before)
        elif (path := local_path(url, self._folder)) is not None:
            entry = self._local(name, url, path, before)
        else:
            keep = before is not None and not self._upgrade and not _broken_promises(name, reference, before)
            entry = before if before is not None and keep else self._downloader().read(url)
        _check(name, reference, entry)
        return entry

    def check_promise(self, name: str, reference: DataReference) -> None:
        """Compare what the spec promises with what is on this machine."""
        path = local_path(reference.url, self._folder)
        if path is not None and path.exists():
            _check(name, reference, read_local(reference.url, path, self._folder, self._tools.hasher))

    def _local(self, name: str, url: str, path: Path, before: DataEntry | None) -> DataEntry:
        if path.exists() or path.is_symlink():
            return read_local(url, path, self._folder, self._tools.hasher)
        if before is None:
            raise EnvbuildError(
                f"`{shown(path)}`, which is `{name}`, is not there",
                hint="Get the data first, then lock it; or name in the spec where it is",
            )
        return before

    def _pointed(self, url: str, before: DataEntry | None) -> DataEntry:
        file = read_pointer(url, self._folder)
        if before is not None and before.pointer == file.pointer and not self._upgrade:
            if not file.path.exists():
                return before
            found = read_local(file.pointer.path, file.path, self._folder, self._tools.hasher)
            if found.digest == before.digest:
                return before
        from builder.lock.data.pointed import PointerReader

        return PointerReader(self._folder, self._tools.hasher, self._downloader()).read(url, file)

    def _downloader(self) -> Downloader:
        from builder.lock.data.download import Downloader

        return Downloader(self._tools.fetcher(), self._tools.progress)


def _check(name: str, reference: DataReference, entry: DataEntry) -> None:
    broken = list(_broken_promises(name, reference, entry))
    if broken:
        raise DigestMismatchError(
            f"`{name}` is not what the spec promises", broken, "Get the right data, or correct the spec"
        )


def _broken_promises(name: str, reference: DataReference, entry: DataEntry) -> list[str]:
    """Where the spec says something else than what is locked or found."""
    reasons = []
    if reference.sha256 is not None and reference.sha256 != entry.digest.hex:
        reasons.append(f"`{name}.sha256` is {reference.sha256}, and the data has {entry.digest.hex}")
    if reference.size is not None and entry.size is not None and reference.size != entry.size:
        reasons.append(f"`{name}.size` is {reference.size}, and the data has {entry.size} bytes")
    return reasons


def _spec_differences(name: str, reference: DataReference, lock: DataLock, loaded: LoadedProject) -> Iterator[str]:
    """Where the lock does not belong to the spec and the pointers that it names."""
    locked = lock.get(name)
    if locked is None:
        yield f"`{name}` was added to the spec"
    elif locked.url != reference.url:
        yield f"`{name}.url` was changed from `{locked.url}` to `{reference.url}`"
    else:
        yield from _broken_promises(name, reference, locked)
        if locked.pointer and (loaded.folder / reference.url).exists():
            now = read_pointer(reference.url, loaded.folder).pointer
            if now != locked.pointer:
                yield f"`{reference.url}` stands for {now.path} of MD5 {now.md5}, where {locked.pointer.md5} is locked"


def _leftovers(loaded: LoadedProject, wanted: Mapping[str, DataReference], lock: DataLock) -> Iterator[str]:
    """What is locked and not asked for any more, or asked for by another hash."""
    for name, entry in lock.places():
        reference = wanted.get(name)
        if reference is None:
            if not (name == "model" and _is_absent_model(loaded, entry)):
                yield f"`{name}` was removed from the spec"
        elif is_promised(reference, loaded.folder) and reference.url == entry.url:
            yield from _broken_promises(name, reference, entry)


def _is_absent_model(loaded: LoadedProject, entry: DataEntry) -> bool:
    """Whether the locked model is the project's, although it is not on this machine."""
    model = loaded.project.model
    is_same = model is not None and model.path == entry.url and not loaded.project.makes_its_model
    return is_same and not (loaded.folder / entry.url).exists()


def place_of(entry: DataEntry, folder: Path) -> Path | None:
    """Where an entry is on this machine, of a glob its folder; None for what is elsewhere."""
    return folder / entry.pointer.path if entry.pointer else local_path(entry.url, folder)


def _stale(loaded: LoadedProject, reasons: list[str]) -> StaleLockError:
    return StaleLockError(
        f"the data of `{shown(loaded.file)}` is not as it was locked",
        shortened(reasons),
        f"To take it as it is now, run {command_text('lock', shown(loaded.folder))}",
    )
