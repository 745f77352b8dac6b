"""The lock that a run had, found again by its digest: in the work tree as it is, or in the commit of the run."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.record import RunRecord
from builder.history.repository import Git, GitError
from builder.lock.document import LOCK_FILE, Lock
from builder.lock.folder import parse_lock, read_lock
from builder.lock.revision import Revision, find_revision, read_revision

_MOST = 200
"""Locks of one commit that are looked at."""


def find_lock(record: RunRecord, root: Path) -> Lock | None:
    """The lock of a run of the project in `root`, with the digest that its record tells; None where it is not found."""
    if record.lock is None:
        return None
    for lock in _candidates(record, root):
        if str(lock.digest) == record.lock:
            return lock
    return None


def _candidates(record: RunRecord, root: Path) -> Iterator[Lock]:
    with suppress(EnvbuildError, OSError):
        yield read_lock(root / "lock", verify=False)
    commits = [record.commit.id] if record.commit else []
    for commit in [*commits, "HEAD"]:
        try:
            revision = find_revision(f"{commit}:.", root, None)
        except EnvbuildError:
            continue
        for folder in _lock_folders(revision)[:_MOST]:
            if commit == "HEAD":
                with suppress(EnvbuildError, OSError):
                    yield read_lock(revision.top / folder, verify=False)
            with suppress(EnvbuildError, OSError):
                files = read_revision(Revision(revision.name, revision.top, revision.commit, folder))
                yield parse_lock(files, f"the lock of `{record.id}`", verify=False)


def _lock_folders(revision: Revision) -> list[str]:
    """The folders of a commit that hold locks."""
    try:
        listed = Git(revision.top).run("ls-tree", "-r", "-z", "--name-only", "--full-tree", revision.commit)
    except GitError:
        return []
    names = listed.decode("utf-8", "surrogateescape").split("\0")
    return [posixpath.dirname(name) for name in names if posixpath.basename(name) == LOCK_FILE]
