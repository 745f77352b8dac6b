"""Results in a folder that machines share: files by digest as in the store, and a document a key.

Nothing is locked: each file is written under a name of its own and renamed, so that many machines may read and write
at once, over NFS too.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.kept import Result
from builder.history.kept.place import Kept
from builder.lock.data.hashing import shown
from builder.oci.digest import Digest
from builder.oci.layout import open_regular, write_atomically
from builder.pipeline.shared.document import DOCUMENT_LIMIT, Document
from builder.progress import Progress, Silent

_OLD = 24 * 3600
"""Seconds after which a file that was not finished is of a process that ended."""


@dataclass(frozen=True, slots=True)
class SharedFolder:
    """A folder of this machine, or one that is mounted."""

    root: Path
    progress: Progress = Silent()

    @property
    def name(self) -> str:
        """Its path."""
        return shown(self.root)

    def pull(self, kept: Kept, key: str, targets: Collection[str]) -> Result | None:
        """Copy what came of a stage into the store; each file is checked on the way."""
        try:
            with open_regular(self._document(key)) as file:
                data = file.read(DOCUMENT_LIMIT + 1)
        except FileNotFoundError:
            return None
        if len(data) > DOCUMENT_LIMIT:
            raise EnvbuildError("a shared result is larger than one may be", f"{DOCUMENT_LIMIT} bytes are the most")
        document = Document.from_bytes(data, key, targets)
        lacking = {digest: size for digest, size in document.files.items() if not kept.has(digest, size)}
        check_room(kept, lacking)
        self._copy(Kept(self.root), kept, lacking, f"taking {key[:12]}")
        document.note(kept)
        return document.result

    def push(self, kept: Kept, key: str, result: Result, *, replace: bool = False) -> None:
        """Copy what came of a stage into the folder; its document comes last."""
        if self._document(key).exists() and not replace:
            return
        document = Document.of(kept, key, result)
        shared = self._made()
        lacking = {digest: size for digest, size in document.files.items() if not shared.has(digest, size)}
        self._copy(kept, shared, lacking, f"sharing {key[:12]}")
        write_atomically(self._document(key), document.to_bytes())

    def _document(self, key: str) -> Path:
        return self.root / "results" / f"{Digest(key).hex}.json"

    def _copy(self, source: Kept, target: Kept, files: Mapping[Digest, int], label: str) -> None:
        self.progress.start(label, sum(files.values()))
        try:
            for digest, size in files.items():
                with source.open(digest) as file:
                    target.take(file, digest, size, lambda count: self.progress.advance(label, count))
        finally:
            self.progress.finish(label)

    def _made(self) -> Kept:
        """The folder, made where it is not there; what is below it may be written to by whoever may write to it."""
        self.root.mkdir(exist_ok=True)
        shared = Kept(self.root)
        shared.create()
        (self.root / "results").mkdir(exist_ok=True)
        mode = self.root.stat().st_mode & 0o7777
        for folder in (self.root / "blobs", self.root / "blobs/sha256", self.root / "results", shared.temporary):
            if folder.stat().st_mode & 0o7777 != mode:
                with suppress(PermissionError):
                    folder.chmod(mode)
        self._drop_leftovers(shared)
        return shared

    def _drop_leftovers(self, shared: Kept) -> None:
        for entry in shared.temporary.iterdir():
            with suppress(OSError):
                if time.time() - entry.stat().st_mtime > _OLD:
                    os.unlink(entry)


def check_room(kept: Kept, lacking: Mapping[Digest, int]) -> None:
    """Raises: EnvbuildError, if the disk has no room for files of these sizes."""
    wanted, free = sum(lacking.values()), shutil.disk_usage(kept.root).free
    if wanted > free:
        raise EnvbuildError("a shared result has no room here", f"it takes {wanted} bytes, of which {free} are free")
