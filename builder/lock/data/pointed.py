"""What a pointer of DVC stands for, as an entry: taken from the working tree, else from DVC's cache or remote."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.data.download import Downloader
from builder.lock.data.dvc import DvcFile, listing, md5_of, object_places, remote_url, verify
from builder.lock.data.entry import DataEntry, LockedFile, folder_entry
from builder.lock.data.hashing import Hasher
from builder.lock.data.local import read_local


@dataclass(frozen=True, slots=True)
class PointerReader:
    """Reads what pointers stand for."""

    folder: Path
    """The project's."""
    hasher: Hasher
    downloader: Downloader

    def read(self, url: str, file: DvcFile) -> DataEntry:
        """The entry of a pointer at `url`, verified by its MD5.

        Raises: EnvbuildError, if it is nowhere; DigestMismatchError.
        """
        if file.path.exists():
            entry = read_local(file.pointer.path, file.path, self.folder, self.hasher)
            verify(file, entry.files if entry.kind == "folder" else None)
        elif file.is_folder:
            entry = folder_entry(url, "folder", self._folder(url, file))
        else:
            found = self._object(url, file, file.pointer.md5)
            entry = DataEntry(url, "file", found.digest, found.size)
        return replace(entry, url=url, pointer=file.pointer, pinned=pinned_object(file))

    def _folder(self, url: str, file: DvcFile) -> Iterator[LockedFile]:
        found = self._object(url, file, file.pointer.md5)
        data = self.downloader.fetcher.store.path(found.digest).read_bytes()
        for path, md5 in listing(data, file.pointer.md5).items():
            yield replace(self._object(f"{url}: {path}", file, md5), path=path)

    def _object(self, label: str, file: DvcFile, md5: str) -> LockedFile:
        failures = []
        for place in object_places(file, md5):
            if os.path.isabs(place) and not os.path.isfile(place):
                continue
            try:
                source = f"file://{quote(place)}" if os.path.isabs(place) else place
                found = self.downloader.file(source, label)
            except EnvbuildError as error:
                failures += [error.what, *error.why]
                continue
            blob = self.downloader.fetcher.store.path(found.digest)
            if md5.removesuffix(".dir") not in md5_of(blob, legacy=file.legacy):
                raise DigestMismatchError(f"`{place}` is not the object of DVC that it is named after")
            return found
        raise EnvbuildError(
            f"`{label}` stands for something that is neither here nor in a remote",
            failures or "it is not in the working tree and not in DVC's cache, and no remote that has it is known",
            "Run `dvc pull`, or set the remote in `.dvc/config`",
        )


def pinned_object(file: DvcFile) -> str | None:
    """The URL of the file in the remote; None for a folder, or where the remote is a path of this machine."""
    remote = remote_url(file)
    if file.is_folder or remote is None or os.path.isabs(remote):
        return None
    return list(object_places(file, file.pointer.md5))[2]
