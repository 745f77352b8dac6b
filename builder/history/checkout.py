"""A commit laid out in a folder of its own, with the patch that a run recorded: what was run then.

The repository's working tree and index stay as they are, and nothing that its configuration names is executed.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.folder import PATCH_FILE, KeptRun
from builder.history.record import Commit
from builder.history.repository import PATCH_LIMIT, Git, GitError


@dataclass(frozen=True, slots=True)
class CheckedOut:
    """A project as a run had it."""

    project: Path
    """Its folder, below the top of what was laid out."""


def check_out(root: Path, run: KeptRun, commit: Commit, target: Path) -> CheckedOut:
    """Lay out the commit of a run of the project in `root`, with what differed from it, in the empty folder `target`.

    Raises: EnvbuildError, if the commit or what differed from it cannot be had.
    """
    what = f"commit {commit.id[:12]}"
    if commit.id.strip("0123456789abcdef") or len(commit.id) not in (40, 64):
        raise EnvbuildError("the record names no commit", f"`{commit.id[:80]}` is none")
    if commit.dirty and commit.patch is None:
        raise EnvbuildError(f"what differed from {what} is not recorded", "it was too large, or may have held secrets")
    tree = target / "tree"
    tree.mkdir()
    git = Git(root)
    try:
        git = git.disarmed()
        inside = git.text("rev-parse", "--show-prefix")
        git.run("cat-file", "-e", f"{commit.id}^{{commit}}")
    except GitError as error:
        raise EnvbuildError(f"{what} cannot be had", f"the repository has it no longer: {error}") from error
    try:
        index = {"GIT_INDEX_FILE": str(target / "index")}
        git.run("read-tree", commit.id, variables=index)
        top = Git(Path(git.text("rev-parse", "--show-toplevel")), git.options)
        top.run("checkout-index", "--all", "--force", f"--prefix={tree}{os.sep}", variables=index)
        if commit.patch is not None:
            _apply(run.folder / PATCH_FILE, tree, git)
    except GitError as error:
        raise EnvbuildError(f"{what} cannot be laid out", str(error)) from error
    return CheckedOut(tree / inside if inside else tree)


def _apply(patch: Path, tree: Path, git: Git) -> None:
    """Raises: EnvbuildError, GitError."""
    try:
        with open(os.open(patch, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            data = file.read(PATCH_LIMIT + 1)
    except OSError as error:
        raise EnvbuildError(f"`{patch}` cannot be read", error.strerror or str(error)) from error
    if len(data) > PATCH_LIMIT:
        raise EnvbuildError(f"`{patch}` is larger than a patch that is recorded")
    outside = {"GIT_CEILING_DIRECTORIES": str(tree.parent)}  # no repository above is taken for the tree's own
    try:
        Git(tree, git.options).run("apply", "--binary", "--whitespace=nowarn", "-", given=data, variables=outside)
    except GitError as error:
        raise EnvbuildError("what differed from the commit cannot be applied to it", f"`{patch}`: {error}") from error
