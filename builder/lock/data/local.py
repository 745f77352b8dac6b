"""What is on this machine: a path in the project, or a `file:` URL, as an entry."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

from builder.errors import EnvbuildError
from builder.lock.data.entry import DataEntry, LockedFile, folder_entry
from builder.lock.data.glob import Glob
from builder.lock.data.hashing import Found, Hasher, shown, walk
from builder.oci.sourced import identity_of
from builder.spec.data_url import is_glob, is_path, split_glob


def local_path(url: str, folder: Path) -> Path | None:
    """Where `url` is on this machine, of a glob its folder; None for what is elsewhere. `folder` is the project's."""
    fixed = split_glob(url)[0] if is_glob(url) else url
    if is_path(url):
        return folder / fixed
    return Path(unquote(urlsplit(fixed).path)) if url.startswith("file:") else None


def file_url(path: Path) -> str:
    """The `file:` URL of a path of this machine; of a folder with a slash at its end."""
    return f"file://{quote(os.path.abspath(path))}" + ("/" if path.is_dir() else "")


def read_local(url: str, path: Path, folder: Path, hasher: Hasher) -> DataEntry:
    """The entry of what is at `path`.

    Raises: EnvbuildError, if it cannot be read, changes meanwhile, or a link leads out of the project.
    """
    if is_path(url):
        check_inside(path, folder)
    if is_glob(url):
        files = _hash_folder(path, pattern_of(url), hasher)
        if not files:
            raise EnvbuildError(f"`{url}` matches no file in `{shown(path)}`")
        return folder_entry(url, "glob", files)
    if path.is_dir():
        return folder_entry(url, "folder", _hash_folder(path, None, hasher))
    try:
        found = Found("", identity_of(os.stat(path)))
    except OSError as error:
        raise EnvbuildError(f"`{shown(path)}` cannot be read", error.strerror or str(error)) from error
    if not path.is_file():
        raise EnvbuildError(f"`{shown(path)}` is no regular file", hint="Only files and folders are data")
    ((file,), _) = hasher.hash(path, [found], shown(path))
    return DataEntry(url, "file", file.digest, file.size)


def check_inside(path: Path, folder: Path) -> None:
    """Refuse a path of the project that a link leads out of it. Raises: EnvbuildError."""
    try:
        inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError) as error:
        raise EnvbuildError(f"`{shown(path)}` cannot be read", "links lead in a circle") from error
    if not inside:
        raise EnvbuildError(
            f"`{shown(path)}` is a link that leads out of the project",
            hint="Copy the data into the project, or name the place as `file://…`",
        )


def differences(before: DataEntry, after: DataEntry) -> list[str]:
    """What changed on disk since an entry was locked, a clause each."""
    if before.kind == after.kind == "file":
        if before.size is not None and before.size != after.size:
            return [f"its size is {after.size} bytes, where {before.size} are locked"]
        if before.digest == after.digest:
            return []
        return [f"its SHA-256 is {after.digest.hex}, where {before.digest.hex} is locked"]
    if before.kind != after.kind:
        return [f"it is a {after.kind} now, and was a {before.kind}"]
    old, new = ({file.path: file for file in entry.files} for entry in (before, after))
    return [
        f"`{path}` was " + ("removed" if path not in new else "added" if path not in old else "changed")
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]


def _hash_folder(root: Path, pattern: Glob | None, hasher: Hasher) -> tuple[LockedFile, ...]:
    def files() -> list[Found]:
        return [file for file in walk(root) if pattern is None or pattern.matches(file.path)]

    before = files()
    hashed, read = hasher.hash(root, before, shown(root))
    if read and files() != before:
        raise EnvbuildError(
            f"`{shown(root)}` changed while it was read", hint="Run the command again when nothing writes to it"
        )
    return hashed


def pattern_of(url: str) -> Glob | None:
    """What the paths below the folder of a glob must match; None for others."""
    return Glob(split_glob(url)[1]) if is_glob(url) else None
