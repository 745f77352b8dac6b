"""The cards of a project's data, and their Croissant document, without a bundle."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO

from builder.bundle.inside.documents import data_place
from builder.bundle.inside.promised import card_facts, dataset_facts, profile_of, promises_by_data
from builder.bundle.inside.promises import Checking, Keeper, read_promises
from builder.bundle.parts.data import data_files
from builder.bundle.parts.tables import named_files
from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher
from builder.layers.files import FileEntry
from builder.lock.data.entry import DataEntry
from builder.lock.data.locking import entries
from builder.records.croissant import croissant
from builder.records.subject import Dataset, Subject
from builder.spec import LoadedProject


@dataclass(frozen=True, slots=True)
class Cards:
    """What is told of a project's data."""

    cards: dict[str, bytes]
    """By the name of the data; sorted."""
    croissant: bytes
    """The document of all of them."""


def make_cards(loaded: LoadedProject, fetcher: Fetcher, folder: Path, *, no_check: bool = False) -> Cards:
    """The cards of all data; they are held to their contracts and looked into, unless `no_check` says otherwise.

    `folder` is where the Croissant document will be: places of files are relative to it.

    Raises: EnvbuildError, if there are no data, they are not locked, or cannot be read; DigestMismatchError.
    """
    from builder.data.card import data_card

    if not loaded.project.data:
        raise EnvbuildError(f"`{loaded.file}` declares no data", hint="Name them as `data`")
    lock = entries(loaded)
    keeper = Keeper(loaded, lock, fetcher, Checking(no_check, frozenset()))
    promises = read_promises(loaded, lock)
    if not no_check:
        promises = [replace(one, evidence=keeper.evidence(one)) for one in promises]
    by_data = promises_by_data(promises)
    datasets, profiles = [], {}
    for name, entry in sorted(lock.data.items()):
        files = _files(name, entry, loaded, fetcher)
        dataset = _dataset(name, entry, loaded, files, folder)
        promise = by_data.get(name)
        datasets.append(dataset_facts(dataset, promise) if promise else dataset)
        if promise:
            profiles[name] = profile_of(promise, name)
        else:
            profiles[name] = None if no_check else _profile(entry, files, fetcher)
    project = loaded.project
    subject = Subject(
        loaded.name, project.version, project.description, project.license, project.contacts, project.limits,
        tuple(datasets),
    )  # fmt: skip
    cards = {
        each.name: data_card(card_facts(each, subject, by_data.get(each.name), profiles[each.name]))
        for each in datasets
    }
    document = croissant(subject)
    return Cards(cards, document.data if document else b"")


def _files(name: str, entry: DataEntry, loaded: LoadedProject, fetcher: Fetcher) -> tuple[FileEntry, ...]:
    """The files, where they can be had."""
    try:
        return data_files(name, entry, loaded.folder, fetcher)
    except DigestMismatchError:
        raise
    except EnvbuildError:
        return ()


def _profile(entry: DataEntry, files: tuple[FileEntry, ...], fetcher: Fetcher) -> str | None:
    """The profile of data without a contract; None of what is no table."""
    from builder.data.profile import profile_files

    try:
        with fetcher.store.scratch() as links:
            return profile_files(None, named_files(entry, files, links)).to_bytes().decode()
    except EnvbuildError:
        return None


def _dataset(name: str, entry: DataEntry, loaded: LoadedProject, files: tuple[FileEntry, ...], folder: Path) -> Dataset:
    reference = loaded.project.data[name]
    source = files[0].source if files and entry.kind == "file" else None
    place = data_place(entry)
    if not place and reference.is_path:
        local = loaded.folder / (entry.pointer.path if entry.pointer else entry.url)
        place = os.path.relpath(local, folder)
    opened = partial(_open, source) if source else None
    return Dataset(name, entry, place, reference.description, reference.license, opened)


def _open(path: Path) -> IO[bytes]:
    return path.open("rb")
