"""A lock out of a git revision, read by `git cat-file`; nothing is checked out and nothing is fetched."""

from __future__ import annotations

import os
import posixpath
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.lock.document import LOCK_FILE, LockDocument
from builder.lock.folder import siblings

FILE_LIMIT = 64 << 20
"""Bytes of one file of a lock at most."""
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Revision:
    """A folder in a revision of a repository."""

    name: str
    """As it was written: `HEAD~1`, `v1:environments/train`."""
    top: Path
    """The work tree."""
    commit: str
    """In full."""
    folder: str
    """Of an environment or its lock, from the top of the repository; empty for the top itself."""


def find_revision(text: str, place: Path, folder: Callable[[], Path] | None) -> Revision:
    """The revision that `text` means in the repository around `place`: `REVISION` or `REVISION:PATH`.

    A PATH is from the top of the repository, or from `place` if it begins with `./` or `../`; without one what
    `folder` gives is meant, somewhere in the work tree. It is asked for once the revision is known to be there.

    Raises: EnvbuildError, if there is no git, no repository, no such revision, or the path is outside.
    """
    name, colon, path = text.partition(":")
    top = Path(_git(place, "rev-parse", "--show-toplevel").rstrip("\n"))
    commit = _commit(place, name, text)
    if colon:
        wanted = posixpath.normpath(posixpath.join(_inside(place, top), path) if path.startswith(".") else path or ".")
    elif folder is not None:
        wanted = _inside(folder(), top)
    else:
        raise EnvbuildError(f"`{text}` does not say which environment is meant", hint=f"Write `{name}:PATH`")
    if wanted.startswith(("..", "/")):
        raise EnvbuildError(f"`{text}` leads out of the repository `{top}`")
    return Revision(text, top, commit, "" if wanted == "." else wanted)


def read_revision(revision: Revision) -> dict[str, bytes]:
    """The files of the lock in this revision, by name; their content is not checked.

    Raises: EnvbuildError, if there is no lock, a part of it is missing, or is too large.
    """
    for folder in (posixpath.join(revision.folder, "lock"), revision.folder):
        data = _file(revision, folder, LOCK_FILE)
        if data is not None:
            break
    else:
        raise EnvbuildError(
            f"there is no lock of `{revision.folder or '.'}` in `{revision.name}`",
            f"commit {revision.commit[:12]} has neither `{posixpath.join(revision.folder, 'lock', LOCK_FILE)}` "
            f"nor `{posixpath.join(revision.folder, LOCK_FILE)}`",
            "Write `REVISION:PATH` if the environment had another path then",
        )
    files = {LOCK_FILE: data}
    for name in siblings(LockDocument.from_bytes(data, f"the lock in `{revision.name}`", verify=False)):
        content = _file(revision, folder, name) if "/" not in name else None
        if content is None:
            raise EnvbuildError(f"the lock in `{revision.name}` is not complete", f"`{name[:100]}` is missing")
        files[name] = content
    return files


def _file(revision: Revision, folder: str, name: str) -> bytes | None:
    """The content of a file, or None if there is none of this name."""
    path = posixpath.join(folder, name)
    if re.search(r"[\x00-\x1f\x7f]", path):
        return None
    process = _start(revision.top, ["cat-file", "--batch"])
    with process:
        if process.stdin is None or process.stdout is None:
            raise AssertionError
        process.stdin.write(os.fsencode(f"{revision.commit}:{path}\n"))
        process.stdin.close()
        answer = process.stdout.readline(1 << 12)
        found = re.fullmatch(rb"[0-9a-f]+ (\w+) (\d+)\n", answer)
        if found is None or found[1] != b"blob":
            return None
        size = int(found[2])
        if size > FILE_LIMIT:
            process.kill()
            raise EnvbuildError(
                f"`{path}` in `{revision.name}` is too large for a lock", f"{size} bytes; {FILE_LIMIT} are read at most"
            )
        data = process.stdout.read(size)
        process.stdout.read()
    if len(data) != size:
        raise EnvbuildError(f"`{path}` in `{revision.name}` cannot be read", "git broke off")
    return data


def _commit(place: Path, name: str, text: str) -> str:
    """The commit that a revision is, in full."""
    if not name or name.startswith("-") or re.search(r"[\x00-\x20\x7f]", name):
        raise EnvbuildError(f"`{text[:80]}` is neither a path nor a git revision")
    try:
        return _git(place, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").split("\n")[0]
    except EnvbuildError as error:
        raise EnvbuildError(
            f"`{text}` is neither a path nor a git revision",
            error.why,
            "Name a folder, a bundle, or a revision like `HEAD~1`, `main` or `v1:environments/train`",
        ) from error


def _inside(folder: Path, top: Path) -> str:
    """The path of a folder from the top of its repository."""
    relative = os.path.relpath(os.path.realpath(folder), os.path.realpath(top))
    return relative.replace(os.sep, "/")


def _git(place: Path, *arguments: str) -> str:
    """What git prints."""
    process = _start(place, list(arguments))
    try:
        out, error = process.communicate(timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise EnvbuildError("git does not answer", f"`git {arguments[0]}` ran for {_SECONDS} s") from None
    if process.returncode:
        lines = error.decode("utf-8", "replace").strip().splitlines()
        raise EnvbuildError(f"git cannot read the repository around `{place}`", lines[:3])
    return out.decode("utf-8", "surrogateescape")


def _start(place: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            ["git", "-C", str(place), "--no-replace-objects", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name not in _ELSEWHERE} | _QUIET,
        )
    except FileNotFoundError as error:
        raise EnvbuildError(
            "a git revision was asked for, and git is not here", hint="Install git, or compare folders or bundles"
        ) from error


_ELSEWHERE = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_OBJECT_DIRECTORY"})
"""Set for hooks, by paths that hold for another folder; the repository that is meant is the one around the path."""
_QUIET = {
    "LC_ALL": "C",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_NO_LAZY_FETCH": "1",
}
"""No translations, no locks, no questions, and nothing fetched from a remote of a partial clone."""
