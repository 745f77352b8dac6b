"""The files and folders that a command reads, on this machine and verified: the project's own, or fetched."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Source
from builder.lock.data.download import fetch_files
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Hasher, shown, walk
from builder.lock.data.local import check_inside, file_url, read_local
from builder.oci.digest import Digest
from builder.oci.store import Store


def data_path(
    name: str, reference: Mapping[str, Any], folder: Path, fetcher: Fetcher, locked: Callable[[], DataEntry]
) -> Path:
    """What to mount for the data `name`.

    `reference` is its entry in `bundle.json`, `folder` where paths start, `locked` gives its entry in the data lock.

    Raises: EnvbuildError, if it cannot be had; DigestMismatchError.
    """
    local, kind = _local(reference, folder), reference.get("kind", "file")
    urls = tuple(reference.get("urls", ()))
    if local is not None and kind in ("file", "folder") and local.exists():
        if _is_promised(reference, local, folder, fetcher):
            return local.resolve()
        if not urls:
            raise DigestMismatchError(
                f"the data `{name}` is another: `{shown(local)}` has not the bytes that are locked",
                f"the SHA-256 {reference['sha256']} was promised",
                hint=f"Restore it, lock it as it is now, or use another with `--data {name}=PATH`",
            )
    if kind == "file":
        if not urls:
            raise EnvbuildError(
                f"the data `{name}` is not in the bundle, and no URL is known for it",
                hint=f"Get the file whose SHA-256 is {reference['sha256']} and add `--data {name}=FILE`",
            )
        return fetcher.blob(Source(Digest(reference["sha256"]), reference.get("size"), urls, f"data {name}"))
    if local is not None and local.is_dir():
        urls = (file_url(local), *urls)
    return _folder(locked(), urls, f"data {name}", fetcher)


def _local(reference: Mapping[str, Any], folder: Path) -> Path | None:
    if not reference.get("local"):
        return None
    local = folder / str(reference["local"])
    if local.exists():
        check_inside(local, folder)
    return local


def _is_promised(reference: Mapping[str, Any], local: Path, folder: Path, fetcher: Fetcher) -> bool:
    """Whether what is here has the promised bytes: a bundle that came from anywhere may name any path."""
    is_folder = reference.get("kind", "file") == "folder"
    if local.is_dir() != is_folder:
        return False
    try:
        size = sum(file.size for file in walk(local)) if is_folder else local.stat().st_size
        if reference.get("size") not in (None, size):
            return False
        found = read_local(str(reference["local"]), local, folder, Hasher(fetcher.store, time.time_ns))
    except (EnvbuildError, OSError):  # whatever it is, it is not what was locked
        return False
    return bool(found.digest.hex == reference["sha256"])


def _folder(entry: DataEntry, bases: tuple[str, ...], name: str, fetcher: Fetcher) -> Path:
    """A folder in the store with just these files: links to the blobs, which are mounted for reading."""
    path = fetcher.store.unpacked_path(f"data-{entry.digest.hex}")
    if not path.is_dir():
        fetch_files(fetcher, entry.files, bases, name)
        _make_folder(entry, path, fetcher.store)
    return path


def _make_folder(entry: DataEntry, path: Path, store: Store) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with store.scratch() as draft:
        draft.chmod(0o755)
        for file in entry.files:
            target = draft / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(store.path(file.digest), target)
            except OSError:  # too many links, or a file system that has none
                shutil.copyfile(store.path(file.digest), target)
        try:
            os.rename(draft, path)
        except OSError:
            if not path.is_dir():  # another process was faster
                raise
