"""The git repository that a project is in, as its provenance tells it. Where git is not there, nothing is told."""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from builder.fetch.redaction import without_credentials_in
from builder.history.repository import Git, GitError
from builder.records.provenance import Checkout

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ADDRESS = re.compile(r"(?:https|ssh|git)://[^\s?#]+")
"""Of another machine; anything else is a place on this one, or git's short form."""


def checkout_of(folder: Path, packed: Collection[str]) -> Checkout | None:
    """The commit of a project's folder; None where it is in no repository.

    It is clean if no file that git knows was changed, and git knows all that is `packed`: paths below the folder.
    """
    git = Git(folder)
    commit = _told(git, "rev-parse", "HEAD") or ""
    if not _COMMIT.fullmatch(commit):
        return None
    changed = _told(git, "status", "--porcelain", "--untracked-files=no")
    known = (_told(git, "ls-files", "-z") or "").split("\0")
    url = without_credentials_in((_told(git, "config", "--get", "remote.origin.url") or "").strip())
    is_address = _ADDRESS.fullmatch(url) and url.isprintable()
    return Checkout(commit, changed == "" and {*packed} <= {*known}, url if is_address else "")


def _told(git: Git, *arguments: str) -> str | None:
    """What git says; None where it fails."""
    try:
        return git.text(*arguments)
    except GitError:
        return None
