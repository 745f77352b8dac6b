"""The git repository that a project is in, as its provenance tells it. Where git is not there, nothing is told."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Collection
from pathlib import Path

from builder.fetch.redaction import without_credentials_in
from builder.records.provenance import Checkout

_SECONDS = 30
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_ADDRESS = re.compile(r"(?:https|ssh|git)://[^\s?#]+")
"""Of another machine; anything else is a place on this one, or git's short form."""


def checkout_of(folder: Path, packed: Collection[str]) -> Checkout | None:
    """The commit of a project's folder; None where it is in no repository.

    It is clean if no file that git knows was changed, and git knows all that is `packed`: paths below the folder.
    """
    commit = (_git(folder, "rev-parse", "HEAD") or "").strip()
    if not _COMMIT.fullmatch(commit):
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    known = (_git(folder, "ls-files", "-z") or "").split("\0")
    origin = (_git(folder, "config", "--get", "remote.origin.url") or "").strip()
    url = without_credentials_in(origin)
    return Checkout(commit, changed == "" and {*packed} <= {*known}, url if _ADDRESS.fullmatch(url) else "")


def _git(folder: Path, *arguments: str) -> str | None:
    """What git says, changing nothing; None where it fails."""
    variables = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0"}
    line = ["git", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(
            line, capture_output=True, env=variables, stdin=subprocess.DEVNULL, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None
