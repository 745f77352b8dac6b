"""The files of a project's model: of its working tree, or the weights that its spec names by URL."""

from __future__ import annotations

import io
import posixpath
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from builder.bundle.parts.code import model_files
from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Source
from builder.layers.files import FileEntry
from builder.lock.data.download import base_url, fetch_files
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Found, Hasher
from builder.lock.data.local import check_inside, file_url
from builder.lock.data.locking import check_model, place_of
from builder.oci.sourced import identity_of
from builder.records.model_formats import ModelFile, recognise
from builder.spec import LoadedProject
from builder.spec.data_url import is_artifact, is_path, is_verbatim


def packed_model(
    loaded: LoadedProject, entry: DataEntry | None, fetcher: Fetcher, place: Path | None = None
) -> tuple[FileEntry, ...]:
    """The model's files, relative to the folder that they are packed into; none where it has not been trained yet.

    `entry` is what is locked of it, `place` where its files are if not at its path.

    Raises: EnvbuildError, DigestMismatchError, if its bytes are others.
    """
    model = loaded.project.model
    if model is not None and model.path is not None:
        hasher = Hasher(fetcher.store, time.time_ns)
        if place is not None:
            return _hashed(place, model_files(place.parent, place.name), hasher)
        check_model(loaded, hasher)
        return _hashed(loaded.folder / model.path, model_files(loaded.folder, model.path), hasher)
    if model is None or entry is None:
        return ()
    urls = _urls(entry, loaded)
    if entry.kind == "file":
        path = fetcher.blob(Source(entry.digest, entry.size, urls, "the model"))
        return (replace(FileEntry.on_disk(_file_name(entry), path), digest=entry.digest),)
    fetch_files(fetcher, entry.files, tuple(map(base_url, urls)), "the model")
    return tuple(
        replace(FileEntry.on_disk(file.path, fetcher.store.path(file.digest)), digest=file.digest)
        for file in entry.files
    )


def recognised(files: Iterable[FileEntry]) -> tuple[ModelFile, ...]:
    """What the files of a model are. Raises: EnvbuildError, if one cannot be read."""
    return tuple(map(_recognised, files))


def _recognised(entry: FileEntry) -> ModelFile:
    try:
        with entry.source.open("rb") if entry.source else io.BytesIO(entry.data) as file:
            return recognise(file, entry.path, entry.size if entry.source else len(entry.data))
    except OSError as error:
        raise EnvbuildError(f"`{entry.source}` cannot be read", error.strerror or str(error)) from error


def _hashed(path: Path, files: Sequence[FileEntry], hasher: Hasher) -> tuple[FileEntry, ...]:
    """Files of the working tree with their digests; those that did not change are not read again."""
    alone = path.is_file()
    identities = {entry.path: identity_of(entry.source.stat()) for entry in files if entry.source}
    found = [Found("" if alone else name, identity) for name, identity in identities.items()]
    digests = {file.path: file.digest for file in hasher.hash(path, found, "hashing the model")[0]}
    return tuple(
        replace(entry, digest=digests["" if alone else entry.path], identity=identities[entry.path]) for entry in files
    )


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
    place = entry.pointer.path if entry.pointer else entry.source if is_artifact(entry.url) else entry.url
    if is_artifact(place) and "/" not in place.rpartition("@")[2]:
        return "model"  # nothing says what it is called
    if not (entry.pointer or is_path(place) or is_verbatim(place)):
        place = unquote(urlsplit(place).path)
    return posixpath.basename(place.rstrip("/")) or "model"
