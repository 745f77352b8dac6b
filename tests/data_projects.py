"""Projects with data for tests, and what locks them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from builder.fetch import Fetcher, Mirrors
from builder.lock.data.document import DataLock, read_data_lock, write_data_lock
from builder.lock.data.hashing import Hasher
from builder.lock.data.locking import Checked, DataTools, check_data, lock_folder, make_data_lock
from builder.oci.store import Store
from builder.progress import Silent
from builder.spec import LoadedProject, load_project

LATER = 1 << 62
"""A time at which every file of a test is at rest."""


class DataProject:
    """A folder with a project, and a store."""

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder = folder
        self.store = Store(store)
        self.store.create()
        self.reads: list[tuple[str, int]] = []
        folder.mkdir(parents=True, exist_ok=True)
        self.spec()

    def spec(self, data: Mapping[str, Any] | None = None, **fields: Any) -> LoadedProject:
        document = {"environment": {"python": "3.11"}, "data": data or {}, **fields}
        (self.folder / "envbuild.yaml").write_text(yaml.safe_dump(document, allow_unicode=True))
        return self.loaded

    def file(self, path: str, content: bytes = b"1") -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        return file

    @property
    def loaded(self) -> LoadedProject:
        return load_project(self.folder)

    @property
    def lock_file(self) -> Path:
        return self.folder / "lock/data.lock.json"

    @property
    def fetcher(self) -> Fetcher:
        return Fetcher(self.store, Mirrors())

    def hasher(self, *, rehash: bool = False, now: int = LATER) -> Hasher:
        return Hasher(self.store, lambda: now, _Recorder(self.reads), rehash)

    def make(self, *, upgrade: bool = False, hasher: Hasher | None = None) -> DataLock:
        tools = DataTools(hasher or self.hasher(), lambda: self.fetcher, Silent())
        return make_data_lock(self.loaded, tools, upgrade=upgrade)

    def lock(self, *, upgrade: bool = False) -> DataLock:
        made = self.make(upgrade=upgrade)
        write_data_lock(lock_folder(self.loaded), made)
        assert (read_data_lock(lock_folder(self.loaded)) or DataLock()) == made
        return made

    def check(self, *, rehash: bool = False) -> Checked:
        return check_data(self.loaded, self.hasher(rehash=rehash))


class _Recorder(Silent):
    """Notes what is read, and how many bytes."""

    def __init__(self, reads: list[tuple[str, int]]) -> None:
        self._reads = reads

    def start(self, label: str, total: int | None = None) -> None:
        self._reads.append((label, total or 0))
