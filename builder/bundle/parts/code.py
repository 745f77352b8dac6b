"""Which files of a project are its code and its model, and the digest of a set of files.

Owns globs, ignore files and the normalised modes; the bytes are read when a layer is written.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder.bundle.parts.ignore import Pattern, parse_patterns, verdict
from builder.errors import EnvbuildError
from builder.layers.files import FileEntry, Kind, check_path
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.layout import CHUNK
from builder.records.audit.folder import is_trail

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

IGNORE_FILES = (".gitignore", ".envbuildignore")
_NEVER = b"__pycache__/\n*.py[cod]\n.venv/\n.DS_Store\n"


def code_files(folder: Path, globs: Sequence[str], always: Collection[str] = ()) -> tuple[FileEntry, ...]:
    """The files below `folder` that a glob matches and no ignore file excludes, sorted, relative to `folder`.

    The files `always` are among them, matched or not.

    An audit trail and runs are no code: else each event would make another bundle.

    A pattern has the form of `.gitignore`'s and starts at the project's folder: `src/**`, `*.py`, `params.yaml`.

    Raises: EnvbuildError, if a glob matches nothing, or a link leads out of the folder.
    """
    wanted = [(glob, _glob(glob)) for glob in globs]
    used = set()
    found = set(map(posixpath.normpath, always))
    for path in _files(folder):
        matching = [glob for glob, spec in wanted if spec and spec.match_file(path)]
        if matching:
            used.update(matching)
            found.add(path)
    unused = [glob for glob in globs if glob not in used]
    if unused:
        raise EnvbuildError(
            "a glob of `code` matches no file",
            [f"`{glob}` in `{folder}`" for glob in unused],
            "Mind that files in `.gitignore` and `.envbuildignore` are left out",
        )
    return tuple(_entry(folder, path) for path in sorted(found, key=os.fsencode))


def files_below(folder: Path, start: str = "") -> Iterator[str]:
    """The files at or below `start` in a folder that no ignore file on the way to them excludes, relative to it."""
    ignores, way = tuple(_ignores_above(folder)), ""
    for part in start.split("/") if start else ():
        ignores += tuple(_Ignore(patterns, stripped=way) for patterns in _patterns_in(folder / way))
        place = folder / way / part
        is_folder = place.is_dir() and not place.is_symlink()
        if part == ".git" or _ignored(way + part, is_folder, ignores) or not (is_folder or f"{way}{part}" == start):
            return
        way += f"{part}/"
    if not start or (folder / start).is_dir():
        yield from _files(folder, way, ignores)
    elif (folder / start).is_file():
        yield start


def glob_filter(glob: str) -> Callable[[str], bool]:
    """Says of a path whether a glob of `code` matches it."""
    spec = _glob(glob)
    return lambda path: spec is not None and bool(spec.match_file(path))


def model_files(folder: Path, path: str) -> tuple[FileEntry, ...]:
    """The model's files, relative to what `path` names; none where it has not been trained yet."""
    root = folder / path
    if root.is_file():
        return (_entry(root.parent, root.name),)
    if not root.is_dir():
        return ()
    return tuple(sorted((_entry(root, name) for name in _walk(root, "")), key=lambda entry: entry.path.encode()))


def below(prefix: str, entries: Iterable[FileEntry]) -> tuple[FileEntry, ...]:
    """The same files, in the image's folder `prefix`."""
    return tuple(replace(entry, path=f"{prefix}/{entry.path}") for entry in entries)


def content_digest(entries: Iterable[FileEntry]) -> Digest:
    """The digest of a set of files: of their paths, modes and bytes, whatever their order."""
    return listing_digest(
        (entry.path, entry.mode, entry.kind.value, entry.target, _sha256(entry) if entry.kind is Kind.FILE else "")
        for entry in entries
    )


def file_digest(entry: FileEntry) -> Digest:
    """The digest of a file's bytes. Raises: OSError."""
    return Digest(_sha256(entry))


def listing_digest(rows: Iterable[tuple[str, int, str, str, str]]) -> Digest:
    """The digest of a set of files, each with its path, mode, kind, target and hexadecimal SHA-256."""
    return Digest.of(canonical_json(sorted(map(list, rows))))


def _glob(glob: str) -> GitIgnoreSpec | None:
    """What a glob of `code` matches; None for one that can match nothing."""
    from pathspec import GitIgnoreSpec

    try:
        return GitIgnoreSpec.from_lines([f"/{glob.removeprefix('./')}"])
    except ValueError:
        return None


def _entry(folder: Path, path: str) -> FileEntry:
    source = folder / check_path(path)
    if source.is_symlink() and source.is_dir():
        raise EnvbuildError(f"`{source}` is a link to a folder", hint="Ignore it, or copy the folder into the project")
    if source.is_symlink() and not source.resolve().is_relative_to(folder.resolve()):
        raise EnvbuildError(f"`{source}` is a link that leads out of `{folder}`", hint="Copy the file into the project")
    entry = FileEntry.on_disk(path, source)
    return replace(entry, mode=0o755) if source.stat().st_mode & stat.S_IXUSR else entry


def _walk(folder: Path, prefix: str) -> Iterator[str]:
    """Every file and link below a folder, without entering linked folders."""
    for entry in sorted(os.scandir(folder / prefix), key=lambda entry: entry.name):
        path = f"{prefix}{entry.name}"
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(folder, f"{path}/")
        else:
            yield path


@dataclass(frozen=True, slots=True)
class _Ignore:
    """An ignore file, and how it sees a path of the project."""

    patterns: tuple[Pattern, ...]
    prepended: str = ""
    """The way from the ignore file's folder down to the project, where it stands above it."""
    stripped: str = ""
    """The way from the project down to the ignore file's folder."""

    def verdict(self, path: str, is_folder: bool) -> bool | None:
        """Whether the path is ignored, None where this file says nothing."""
        return verdict(self.patterns, self.prepended + path.removeprefix(self.stripped), is_folder)


def _files(folder: Path, prefix: str = "", ignores: tuple[_Ignore, ...] = ()) -> Iterator[str]:
    """Every file below a folder that no ignore file on the way to it excludes."""
    if not prefix:
        ignores = tuple(_ignores_above(folder))
    ignores += tuple(_Ignore(patterns, stripped=prefix) for patterns in _patterns_in(folder / prefix))
    for entry in sorted(os.scandir(folder / prefix), key=lambda entry: entry.name):
        path = f"{prefix}{entry.name}"
        is_folder = entry.is_dir(follow_symlinks=False)
        if entry.name == ".git" or _ignored(path, is_folder, ignores):
            continue
        if is_folder and (is_trail(folder / path) or _is_run(folder / path)):
            continue
        if is_folder:
            yield from _files(folder, f"{path}/", ignores)
        elif entry.is_file() or entry.is_symlink():
            yield path


def _is_run(folder: Path) -> bool:
    if folder.parent.name != "runs":
        return False
    from builder.history.folder import is_run

    return is_run(folder)


def _ignored(path: str, is_folder: bool, ignores: Sequence[_Ignore]) -> bool:
    """The innermost ignore file that says something decides, as in git; then those above the project."""
    verdicts = (ignore.verdict(path, is_folder) for ignore in reversed(ignores))
    return next((ignored for ignored in verdicts if ignored is not None), False)


def _patterns_in(folder: Path) -> Iterator[tuple[Pattern, ...]]:
    for name in IGNORE_FILES:
        if (folder / name).is_file():
            yield parse_patterns((folder / name).read_bytes())


def _ignores_above(folder: Path) -> Iterator[_Ignore]:
    """What is never code, then the ignore files of the repository that the project is a part of, outermost first."""
    yield _Ignore(parse_patterns(_NEVER))
    folder = folder.resolve()
    root = next((parent for parent in (folder, *folder.parents) if (parent / ".git").exists()), folder)
    for parent in reversed([parent for parent in folder.parents if parent.is_relative_to(root)]):
        for patterns in _patterns_in(parent):
            yield _Ignore(patterns, prepended=f"{folder.relative_to(parent).as_posix()}/")


def _sha256(entry: FileEntry) -> str:
    if entry.digest is not None:
        return entry.digest.hex
    if entry.source is None:
        return hashlib.sha256(entry.data).hexdigest()
    checksum = hashlib.sha256()
    with entry.source.open("rb") as file:
        while chunk := file.read(CHUNK):
            checksum.update(chunk)
    return checksum.hexdigest()
