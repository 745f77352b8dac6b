"""The lock that an argument means: of an environment, a project, a lock folder, a bundle, or a git revision."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.output import Output
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.lock.document import Lock


@dataclass(frozen=True, slots=True)
class OpenedLock:
    """A lock and what it was called."""

    label: str
    lock: Lock


def open_lock(text: str, path: Path | None, output: Output) -> OpenedLock:
    """What is there under this name, else a git revision; `path` says whose lock a bare revision means.

    Raises: EnvbuildError, if there is no lock.
    """
    from builder.lock.document import LOCK_FILE
    from builder.spec.environment import ENVIRONMENT_FILE
    from builder.spec.load import PROJECT_FILE

    place = Path(text)
    if place.is_dir():
        if (place / LOCK_FILE).is_file():
            return _from_folder(text, place, output)
        is_layout = (place / "index.json").is_file()
        return _from_bundle(text, place, output) if is_layout else _from_environment(text, place, output)
    if place.is_file():
        if place.name == LOCK_FILE:
            return _from_folder(text, place.parent, output)
        is_spec = place.name in (PROJECT_FILE, ENVIRONMENT_FILE)
        return _from_environment(text, place, output) if is_spec else _from_bundle(text, place, output)
    return _from_revision(text, path, output)


def open_present(before: str, path: Path | None, output: Output) -> OpenedLock:
    """The lock as it is now of what `before` means, or of the path that is said."""
    if path is None and not Path(before).exists() and ":" in before:
        from builder.lock.revision import find_revision

        revision = find_revision(before, Path(), None)
        path = Path(os.path.relpath(revision.top / revision.folder))
    return open_lock(str(path or Path()), None, output)


def _from_environment(label: str, path: Path, output: Output) -> OpenedLock:
    from builder.spec import load_environment

    return _from_folder(label, load_environment(path).lock_folder, output)


def _from_folder(label: str, folder: Path, output: Output) -> OpenedLock:
    from builder.lock.folder import read_lock

    return OpenedLock(label, _read(lambda verify: read_lock(folder, verify=verify), output))


def _from_bundle(label: str, path: Path, output: Output) -> OpenedLock:
    from builder.bundle.reading.reader import open_bundle, read_lock_files
    from builder.lock.folder import parse_lock

    files = read_lock_files(open_bundle(path))
    return OpenedLock(label, _read(lambda verify: parse_lock(files, label, verify=verify), output))


def _from_revision(text: str, path: Path | None, output: Output) -> OpenedLock:
    from builder.lock.folder import parse_lock
    from builder.lock.revision import find_revision, read_revision
    from builder.spec import load_environment

    def own() -> Path:
        return load_environment(path or Path()).file.parent

    revision = find_revision(text, path if path and path.is_dir() else Path(), own if ":" not in text else None)
    files = read_revision(revision)
    return OpenedLock(text, _read(lambda verify: parse_lock(files, text, verify=verify), output))


def _read(read: Callable[[bool], Lock], output: Output) -> Lock:
    """A lock, older or tampered with though it may be: to see that is what looking at it is for."""
    try:
        return read(True)
    except EnvbuildError as error:
        lock = read(False)
        output.say(f"note: {error.what}" + (f" ({error.why[0]})" if error.why else ""))
        return lock
