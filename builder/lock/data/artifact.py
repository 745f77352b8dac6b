"""Artifacts of registries as entries of a data lock, and their files in the store.

What a layer is by itself is locked by the layer's digest and fetched like any other file. The files of an archive are
known once it was read: they go into the store while it is.
"""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import cast

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.fetch.artifact import Artifact, ArtifactFile
from builder.lock.data.entry import DataEntry, LockedFile, check_manifest, check_path, folder_entry
from builder.oci.compression import LARGEST_LAYER, damage_errors, decompressed
from builder.oci.layout import CHUNK
from builder.oci.tar_entries import Entry, TarReader

_MOST_FILES = 1_000_000
_FILE, _DIRECTORY = b"0", b"5"


def artifact_entry(url: str, fetcher: Fetcher) -> DataEntry:
    """The entry of an artifact: a file, if it has one layer that is one; else a folder of all that its layers hold.

    Raises: EnvbuildError, if it cannot be had, or no folder can have its files; DigestMismatchError.
    """
    artifact = fetcher.artifacts.read(url)
    only = artifact.only_file
    if only is not None:
        pinned = f"{artifact.url}/{_checked(only.path, url)}" if only.path else artifact.url
        return DataEntry(url, "file", only.blob.digest, only.blob.size, pinned=pinned)
    found = [row for file in artifact.files for row in _rows(artifact, file, fetcher, url)]
    found.sort()
    try:
        check_manifest(found)
    except ValueError as error:
        raise EnvbuildError(f"`{url}` cannot be locked as a folder", str(error)) from error
    return replace(folder_entry(url, "folder", found), pinned=artifact.url)


def unpack_artifact(url: str, files: Iterable[LockedFile], fetcher: Fetcher) -> None:
    """Have in the store those of `files` that are in archives of an artifact; each archive is read once.

    Raises: EnvbuildError, if it cannot be had; DigestMismatchError.
    """
    missing = {file.path for file in files if not fetcher.store.has(file.digest, file.size)}
    if not missing:
        return
    artifact = fetcher.artifacts.read(url)
    missing -= {file.path for file in artifact.files if not file.packed}
    for file in artifact.files:
        if file.packed and missing:
            missing -= {row.path for row in _unpacked(artifact, file, fetcher, url, missing)}


def _rows(artifact: Artifact, file: ArtifactFile, fetcher: Fetcher, url: str) -> Iterator[LockedFile]:
    if file.packed:
        yield from _unpacked(artifact, file, fetcher, url)
    elif file.path:
        yield LockedFile(_checked(file.path, url), file.blob.digest, file.blob.size)
    else:
        raise EnvbuildError(f"`{url}` cannot be locked", f"nothing says what its layer {file.blob.digest} is called")


def _unpacked(
    artifact: Artifact, file: ArtifactFile, fetcher: Fetcher, url: str, wanted: Collection[str] | None = None
) -> list[LockedFile]:
    """The files of an archive that are `wanted`, or all, now in the store."""
    found = []
    try:
        with fetcher.artifacts.opened(artifact, file) as stream:
            archive = decompressed(stream)
            tar = TarReader(io.BufferedReader(cast("io.RawIOBase", archive), CHUNK))
            for number, entry in enumerate(tar):
                path = _path(entry, url) if entry.kind != _DIRECTORY else None
                if number > _MOST_FILES or tar.position + entry.size > LARGEST_LAYER:
                    raise EnvbuildError(f"layer {file.blob.digest} of `{url}` holds too much to be data")
                if path is not None and (wanted is None or path in wanted):
                    found.append(_kept(path, tar, fetcher))
    except damage_errors() as error:
        raise EnvbuildError(f"layer {file.blob.digest} of `{url}` cannot be read", str(error)) from error
    return found


def _kept(path: str, tar: TarReader, fetcher: Fetcher) -> LockedFile:
    with fetcher.store.new_blob() as blob:
        for data in tar.content(CHUNK):
            blob.write(data)
        return LockedFile(path, blob.commit(), blob.size)


def _path(entry: Entry, url: str) -> str:
    path = entry.path.removeprefix(b"./").decode("utf-8", "surrogateescape")
    if entry.kind != _FILE:
        raise EnvbuildError(f"`{url}` cannot be locked", f"`{path[:200]!a}` in it is neither a file nor a folder")
    return _checked(path, url)


def _checked(path: str, url: str) -> str:
    try:
        return check_path(path)
    except ValueError as error:
        raise EnvbuildError(f"`{url}` cannot be locked", str(error)) from error
