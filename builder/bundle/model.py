"""The files of a project's model: of its working tree, or the weights that its spec names by URL."""

from __future__ import annotations

import posixpath
import time
from urllib.parse import unquote, urlsplit

from builder.bundle.code import model_files
from builder.fetch import Fetcher, Source
from builder.layers.files import FileEntry
from builder.lock.data.download import base_url, fetch_files
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Hasher
from builder.lock.data.local import check_inside, file_url
from builder.lock.data.locking import check_model, place_of
from builder.spec import LoadedProject
from builder.spec.data_url import is_object, is_path


def packed_model(loaded: LoadedProject, entry: DataEntry | None, fetcher: Fetcher) -> tuple[FileEntry, ...]:
    """The model's files, relative to the folder that they are packed into; none where it has not been trained yet.

    `entry` is what is locked of it. Raises: EnvbuildError, DigestMismatchError, if its bytes are others.
    """
    model = loaded.project.model
    if model is not None and model.path is not None:
        check_model(loaded, Hasher(fetcher.store, time.time_ns))
        return model_files(loaded.folder, model.path)
    if model is None or entry is None:
        return ()
    urls = _urls(entry, loaded)
    if entry.kind == "file":
        path = fetcher.blob(Source(entry.digest, entry.size, urls, "the model"))
        return (FileEntry.on_disk(_file_name(entry), path),)
    fetch_files(fetcher, entry.files, tuple(map(base_url, urls)), "the model")
    return tuple(FileEntry.on_disk(file.path, fetcher.store.path(file.digest)) for file in entry.files)


def _urls(entry: DataEntry, loaded: LoadedProject) -> tuple[str, ...]:
    """Where it may be had: on this machine, then elsewhere."""
    path = place_of(entry, loaded.folder)
    if path is not None and path.exists():
        if entry.pointer or is_path(entry.url):
            check_inside(path, loaded.folder)
        return (file_url(path),)
    return () if is_path(entry.source) else (entry.source,)


def _file_name(entry: DataEntry) -> str:
    """The last part of where it is."""
    place = entry.pointer.path if entry.pointer else entry.url
    if not (entry.pointer or is_path(place) or is_object(place)):
        place = unquote(urlsplit(place).path)
    return posixpath.basename(place.rstrip("/")) or "model"
