"""Data that are packed into a bundle's image: which, from where, and their layers.

An entry is a file or a folder at `/data/NAME` with just the bytes that are locked, wherever they were had.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Source
from builder.image.skeleton import DATA
from builder.layers.files import FileEntry
from builder.lock.data.download import base_url, fetch_files
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Hasher, shown
from builder.lock.data.local import read_local
from builder.lock.data.locking import place_of
from builder.spec import LoadedProject
from builder.spec.data_url import is_path

Packing = Literal["default", "full", "thin"]
"""`full` packs all data, `thin` none; by default all are packed where they are small."""
SMALL = 64 << 20
"""Bytes of all data together up to which they are packed by default."""
MOST_LAYERS = 9
"""Layers of data at most: an image cannot have any number of layers."""


@dataclass(frozen=True, slots=True)
class PackedData:
    """A data entry that is in the image."""

    name: str
    entry: DataEntry
    files: tuple[FileEntry, ...]
    """Below the image's root, each with its digest."""

    @property
    def path(self) -> str:
        """Where it is in the image, relative to the root."""
        return f"{DATA}/{self.name}"


def packed_names(data: Mapping[str, DataEntry], packing: Packing) -> tuple[str, ...]:
    """Which entries are packed, sorted: by what is locked alone, so that it is the same on every machine."""
    sizes = [entry.size for entry in data.values()]
    is_small = None not in sizes and sum(size or 0 for size in sizes) <= SMALL
    return tuple(sorted(data)) if packing == "full" or (packing == "default" and is_small) else ()


def packing_of(document: Mapping[str, Any]) -> Packing:
    """How a bundle with this `bundle.json` was packed, so that it can be made again."""
    packed = [bool(entry.get("packed")) for entry in document.get("data", {}).values()]
    return "default" if not packed else "full" if all(packed) else "thin"


def packed_data(
    loaded: LoadedProject, data: Mapping[str, DataEntry], packing: Packing, fetcher: Fetcher
) -> tuple[PackedData, ...]:
    """The entries that are packed, with their files on this machine: the project's own, or in the store.

    Raises: EnvbuildError, if they cannot be had; DigestMismatchError, if they are not those that are locked.
    """
    return tuple(
        PackedData(name, data[name], data_files(name, data[name], loaded.folder, fetcher))
        for name in packed_names(data, packing)
    )


def layer_groups(packed: Sequence[PackedData], most: int = MOST_LAYERS) -> list[tuple[str, list[PackedData]]]:
    """Which entries share a layer, and what it is called: the largest are alone, so that their layers never change.

    There are at most `most` layers, or `MOST_LAYERS`.
    """
    by_size = sorted(packed, key=lambda one: (-sum(file.size for file in one.files), one.name))
    alone = by_size[: min(MOST_LAYERS, most) - 1]
    rest = [one for one in packed if one not in alone]
    groups = [[one] for one in packed if one in alone] + ([rest] if rest else [])
    return [("data " + ", ".join(one.name for one in group), group) for group in groups]


def data_files(name: str, entry: DataEntry, folder: Path, fetcher: Fetcher) -> tuple[FileEntry, ...]:
    """The files of an entry as they are in an image, on this machine: those of the project in `folder`, or fetched.

    Raises: EnvbuildError, if they cannot be had; DigestMismatchError, if they are not those that are locked.
    """
    target = f"{DATA}/{name}"
    local = _local(name, entry, folder, fetcher)
    if entry.kind == "file":
        source = local or _fetched(name, entry, fetcher)
        return (replace(FileEntry.on_disk(target, source), digest=entry.digest),)
    if local is None:
        fetch_files(fetcher, entry.files, _places(entry), f"data {name}")
    found = tuple(
        FileEntry(
            f"{target}/{file.path}",
            source=local / file.path if local else fetcher.store.path(file.digest),
            size=file.size,
            digest=file.digest,
        )
        for file in entry.files
    )
    return found or (FileEntry.directory(target),)


def _local(name: str, entry: DataEntry, folder: Path, fetcher: Fetcher) -> Path | None:
    """Where the locked bytes are on this machine, besides the store; of a glob, the folder that they are below."""
    path = place_of(entry, folder)
    if path is None or not path.exists():
        return None
    url = entry.pointer.path if entry.pointer else entry.url
    found = read_local(url, path, folder, Hasher(fetcher.store, time.time_ns))
    if found.digest == entry.digest:
        return path
    if _places(entry):
        return None
    raise DigestMismatchError(
        f"the data `{name}` is another: `{shown(path)}` has not the bytes that are locked",
        f"its digest is {found.digest.hex}, where {entry.digest.hex} is locked",
        "Restore it, or lock it as it is now with `envbuild lock`",
    )


def _fetched(name: str, entry: DataEntry, fetcher: Fetcher) -> Path:
    places = _places(entry)
    if not places and not fetcher.store.path(entry.digest).exists():
        raise EnvbuildError(
            f"the data `{name}` is to be packed, and is neither here nor known to be anywhere else",
            f"the file with the SHA-256 {entry.digest.hex} is wanted at `{entry.url}`",
            "Get it first, or leave data out of the image with `--thin`",
        )
    return fetcher.blob(Source(entry.digest, entry.size, places, f"data {name}"))


def _places(entry: DataEntry) -> tuple[str, ...]:
    """Where it is had, if not on this machine."""
    if is_path(entry.source) or entry.source.startswith("file:"):
        return ()
    return (entry.source if entry.kind == "file" else base_url(entry.source),)
