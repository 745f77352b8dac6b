"""Where in git's history a project is, what differs from there, and who works in it.

A repository may be anybody's: nothing that its configuration names is executed.
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import EnvbuildError
from builder.history.folder import PATCH_FILE
from builder.history.layout import RUNS
from builder.history.record import Commit
from builder.oci.layout import open_regular

if TYPE_CHECKING:
    from builder.records.scan.finding import Finding

PATCH_LIMIT = 10 << 20
"""Bytes of a patch that is kept."""
_SECONDS = 30
_HEAD = 1 << 16
"""Bytes of a file that tell what it is."""
_NOT_RECORDED = "what differs from the commit is not recorded"
_SAFE = (
    "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null", "-c", "safe.bareRepository=explicit",
    "-c", "core.quotePath=false", "-c", "diff.noprefix=false", "-c", "diff.mnemonicPrefix=false",
    "-c", "diff.relative=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
)  # fmt: skip
_DIFF = ("--no-ext-diff", "--no-textconv", "--no-color", "--binary", "--full-index", "--ignore-submodules=all")


@dataclass(frozen=True, slots=True)
class State:
    """What git tells of a project."""

    commit: Commit | None = None
    """None outside of git, and before the first commit."""
    patch: bytes | None = None
    """What makes the commit what there is, for `git apply --binary`; None where nothing differs, or it is withheld."""
    notes: tuple[str, ...] = ()


def read_repository(folder: Path, outputs: Iterable[str] = ()) -> State:
    """The state of the project in `folder`; what is in `runs`, `out` and its `outputs` is no part of it."""
    git = Git(folder)
    try:
        commit = Commit(git.text("rev-parse", "--verify", "--quiet", "HEAD^{commit}"))
    except GitError:
        return State()
    paths = ("--", ".", *(f":(exclude,literal){path}" for path in (RUNS, "out", *outputs)))
    try:
        git = git.disarmed()
        status = git.run("status", "--porcelain", "-z", "--untracked-files=all", "--no-renames", *paths)
        if not status:
            return State(commit)
        commit = replace(commit, dirty=True)
        patch = _patch(git, status, paths)
        top = git.text("rev-parse", "--show-toplevel")
    except GitError as error:
        return State(replace(commit, dirty=True), notes=(f"{_NOT_RECORDED}: {error}",))
    if patch is None:
        return State(commit, notes=(f"{_NOT_RECORDED}: it has more than {PATCH_LIMIT} bytes",))
    found = sorted({finding.message for finding in _secrets(top, patch, status)})
    if found:
        return State(commit, notes=(f"{_NOT_RECORDED}: it may hold secrets ({', '.join(found[:3])})",))
    return State(replace(commit, patch=PATCH_FILE), patch)


def who(environment: Mapping[str, str], folder: Path | None = None) -> dict[str, str]:
    """Who works here: as git knows them, else by the name of the login."""
    known = {}
    with suppress(GitError):
        for line in Git(folder or Path()).text("config", "--get-regexp", r"^user\.(name|email)$").splitlines():
            key, _, value = line.partition(" ")
            known[key] = value.strip()
    name = environment.get("GIT_AUTHOR_NAME") or known.get("user.name") or _login()
    email = environment.get("GIT_AUTHOR_EMAIL") or known.get("user.email") or ""
    return {"name": name, "email": email}


class GitError(Exception):
    """Git is not there, or does not do it."""


@dataclass(frozen=True, slots=True)
class Git:
    """Git in a folder, without what a repository's configuration has it execute."""

    folder: Path
    options: tuple[str, ...] = _SAFE

    def disarmed(self) -> Git:
        """The same without the filters that the repository names, which are programs."""
        try:
            listed = self.text("config", "--show-scope", "--name-only", "--get-regexp", r"^filter\..*")
        except GitError:  # there are none
            return self
        own = [line.partition("\t")[2] for line in listed.splitlines() if line.startswith(("local", "worktree"))]
        off = {name.rpartition(".")[0] for name in own if "=" not in name}
        if any("=" in name for name in own):
            raise GitError("a filter of the repository has an odd name")
        keys = [f"{name}.{key}" for name in sorted(off) for key in ("clean", "smudge", "process", "required=false")]
        options = [option for key in keys for option in ("-c", key if "=" in key else f"{key}=")]
        return replace(self, options=(*self.options, *options))

    def text(self, *arguments: str) -> str:
        """What it prints, without the end of the line. Raises: GitError."""
        return os.fsdecode(self.run(*arguments)).rstrip("\n")

    def run(self, *arguments: str, given: bytes = b"", variables: Mapping[str, str] | None = None) -> bytes:
        """What it prints. Raises: GitError."""
        try:
            done = subprocess.run(
                ["git", *self.options, *arguments], cwd=self.folder, env=_environment(variables or {}), input=given,
                capture_output=True, timeout=_SECONDS, check=False,
            )  # fmt: skip
        except (OSError, subprocess.TimeoutExpired) as error:
            raise GitError(f"`git` cannot be used: {type(error).__name__}") from error
        if done.returncode != 0:
            raise GitError(f"`git {arguments[0]}` failed")
        return done.stdout

    def bounded(self, *arguments: str, variables: Mapping[str, str]) -> bytes | None:
        """What it prints; None where that is more than a patch may be. Raises: GitError."""
        with subprocess.Popen(
            ["git", *self.options, *arguments], cwd=self.folder, env=_environment(variables),
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        ) as process:  # fmt: skip
            data = process.stdout.read(PATCH_LIMIT + 1) if process.stdout else b""
            if len(data) > PATCH_LIMIT:
                process.kill()
                return None
        if process.returncode != 0:
            raise GitError(f"`git {arguments[0]}` failed")
        return data


def _patch(git: Git, status: bytes, paths: tuple[str, ...]) -> bytes | None:
    """What differs, with what is untracked; None where it is too large. The repository's own index stays as it is."""
    untracked = [entry[3:] for entry in status.split(b"\0") if entry.startswith(b"?? ")]
    if not untracked:
        return git.bounded("diff", *_DIFF, "HEAD", *paths, variables={})
    places = git.text("rev-parse", "--show-toplevel", "--git-path", "index", "--git-path", "objects").splitlines()
    if len(places) != 3:
        raise GitError("a folder has an odd name")
    top, index, objects = places[0], *(str(git.folder.absolute() / place) for place in places[1:])
    if sum(_size(os.path.join(os.fsencode(top), path)) for path in untracked) > PATCH_LIMIT:
        return None
    with tempfile.TemporaryDirectory(prefix="envbuild-git-") as scratch:
        own = Path(scratch) / "index"
        with suppress(FileNotFoundError):
            shutil.copyfile(index, own)
        variables = {
            "GIT_INDEX_FILE": str(own), "GIT_OBJECT_DIRECTORY": scratch, "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects,
        }  # fmt: skip
        add = ("--literal-pathspecs", "add", "--intent-to-add", "--pathspec-from-file=-", "--pathspec-file-nul")
        replace(git, folder=Path(top)).run(*add, given=b"\0".join(untracked), variables=variables)
        return git.bounded("diff", *_DIFF, "HEAD", *paths, variables=variables)


def _size(path: bytes) -> int:
    with suppress(OSError):
        return os.lstat(path).st_size
    return 0


def _head(path: str) -> bytes:
    """How a file begins; something, where it is none that can be read."""
    with suppress(OSError, EnvbuildError), open_regular(Path(path)) as file:
        return file.read(_HEAD)
    return b"x"


def _secrets(top: str, patch: bytes, status: bytes) -> Iterator[Finding]:
    from builder.records.scan.file_names import found_by_name
    from builder.records.scan.finding import STOPS
    from builder.records.scan.secrets import find_secrets

    names = [os.fsdecode(entry[3:]) for entry in status.split(b"\0") if entry]
    found = [one for name in names for one in found_by_name(name, _head(os.path.join(top, name)))]
    found += find_secrets(io.BytesIO(patch), "patch", is_text=True)
    yield from (one for one in found if one.level in STOPS)


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Without what leads git to another repository, or has it ask or start something."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    settings = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
    passed = {name: os.environ[name] for name in settings if name in os.environ}
    own = {"GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_NO_LAZY_FETCH": "1", "LC_ALL": "C"}
    return {**kept, **passed, **own, **variables}


def _login() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return "unknown"
