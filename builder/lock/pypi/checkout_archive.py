"""Commits of git repositories as archives in the store: the same bytes on every machine, of the tree alone.

The archive is made here of the objects of the commit's tree. `git archive` would write other bytes with other versions
and settings of git, and its attributes (export-subst) tell of branches and tags, which move.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator
from contextlib import closing
from typing import IO, cast

from builder.errors import EnvbuildError
from builder.lock.pypi.checkout import Checkout
from builder.lock.pypi.git import LINK, PROGRAM, SUBMODULE, Content, Git
from builder.oci.digest import Digest
from builder.oci.layout import BlobWriter
from builder.oci.store import CHECKOUTS, Store

LARGEST_ARCHIVE = 4 << 30
"""Bytes of a commit's files together."""
_LONGEST_LINK = 4096
_FORMAT = 1
"""The revision of the rules that decide an archive's bytes."""
_TIME = 315619200  # 1980-01-02, which a zip archive can hold


def checkout_archive(url: str, store: Store) -> tuple[Digest, int]:
    """The archive (a tar, not compressed) of a commit, in the store: its digest and its size in bytes.

    `url` is `git+https://…@<commit>`, the commit in full; a subdirectory is not looked at. Fetched with git where the
    store does not have it. Everything is below one folder, as in an sdist. Submodules are empty folders.

    Raises: EnvbuildError, if the URL is of another form or holds a password, or git cannot fetch it.
    """
    checkout = Checkout.parse(url)
    key = Digest.of(f"{_FORMAT} {checkout.url}".encode()).hex
    known = _known(store, key)
    if known is None:
        with store.locked(f"checkout-{key}"):
            known = _known(store, key)
            if known is None:
                known = _make(checkout, store)
                store.keep_record(CHECKOUTS, key, {"url": checkout.url, "digest": str(known[0]), "size": known[1]})
    return known


def _known(store: Store, key: str) -> tuple[Digest, int] | None:
    record = store.record(CHECKOUTS, key)
    if record is None:
        return None
    digest, size = Digest.parse(record["digest"]), int(record["size"])
    return (digest, size) if store.has(digest, size) else None


def _make(checkout: Checkout, store: Store) -> tuple[Digest, int]:
    with store.scratch() as folder:
        git = Git(folder / "repository.git", folder, checkout)
        git.fetch()
        with store.new_blob() as blob:
            with tarfile.open(
                fileobj=cast("IO[bytes]", _Bounded(blob)), mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8"
            ) as archive:
                for info, content in _members(git, checkout):
                    archive.addfile(info, cast("IO[bytes] | None", content))
            return blob.commit(), blob.size


class _Bounded:
    """A blob that is written up to a limit."""

    def __init__(self, blob: BlobWriter) -> None:
        self._blob = blob

    def write(self, data: bytes) -> int:
        if self._blob.size > LARGEST_ARCHIVE:
            raise EnvbuildError("the commit is too large", f"its files take more than {LARGEST_ARCHIVE} bytes")
        self._blob.write(data)
        return len(data)


def _members(git: Git, checkout: Checkout) -> Iterator[tuple[tarfile.TarInfo, Content | None]]:
    """The files of the commit's tree, each with its content, sorted by path; folders where they are empty."""
    yield _info(checkout.name, tarfile.DIRTYPE), None
    entries = sorted(git.tree())
    with closing(git.contents(entry.blob for entry in entries if entry.mode != SUBMODULE)) as contents:
        for entry in entries:
            path = f"{checkout.name}/{entry.path}"
            if entry.mode == SUBMODULE:
                yield _info(path, tarfile.DIRTYPE), None
                continue
            content = next(contents)
            if entry.mode == LINK:
                if content.size > _LONGEST_LINK:
                    raise git.failed("a link in it is too long")
                link = _info(path, tarfile.SYMTYPE)
                link.linkname = os.fsdecode(content.read(content.size))
                yield link, None
            else:
                file = _info(path, tarfile.REGTYPE, 0o755 if entry.mode == PROGRAM else 0o644)
                file.size = content.size
                yield file, content


def _info(path: str, kind: bytes, mode: int = 0o755) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime = kind, mode, _TIME
    return info
