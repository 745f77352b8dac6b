"""Proving a digest: building once more into an empty store. Where two results differ is `difference`'s to say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from builder.fetch import Fetcher, Mirrors, Source
from builder.image.workshop import Workshop
from builder.oci.store import Store


@contextmanager
def empty_workshop(workshop: Workshop) -> Iterator[Workshop]:
    """A workshop with an empty store of its own, which is removed afterwards.

    Locked files are taken from the old store where it has them; their digests are checked again.
    """
    with workshop.store.scratch() as folder:
        store = Store(folder)
        store.create()
        yield replace(workshop, store=store, fetcher=_Nearby(store, workshop.store, workshop.fetcher))


class _Nearby(Fetcher):
    """Takes from another store what it has."""

    def __init__(self, store: Store, other: Store, fetcher: Fetcher) -> None:
        super().__init__(store, Mirrors())
        self._other = other
        self._remote = fetcher

    def with_indexes(self, indexes: Mapping[str, str]) -> Fetcher:
        return _Nearby(self.store, self._other, self._remote.with_indexes(indexes))

    def blob(self, source: Source) -> Path:
        if not (self._present(source) or self._other.path(source.digest).exists()):
            self._remote.blob(source)
        return super().blob(replace(source, urls=(self._other.path(source.digest).as_uri(),)))
