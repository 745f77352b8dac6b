"""Locking one environment on disk: what it asks for is read, its lock is made where it is not current, and written."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import EnvbuildError
from builder.lock.document import Lock
from builder.lock.folder import parse_lock, read_current_lock, read_lock, write_lock
from builder.lock.interface import CondaSources, Line, Sources
from builder.lock.make import make_lock
from builder.lock.upgrade import Upgrade
from builder.lock.wish import Tools, Wish
from builder.spec import LoadedEnvironment
from builder.spec.environment import ENVIRONMENT_FILE
from builder.spec.load import LOCK_FOLDER, PROJECT_FILE

_DEPTH = 4
"""Levels of folders below a repository of environments."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How to lock."""

    layer_format: int
    upgrade: Upgrade = field(default_factory=Upgrade)
    sdists: bool = True
    """Whether wheels may be built of source."""


@dataclass(frozen=True, slots=True)
class Locked:
    """What became of one environment."""

    lock: Lock
    changed: bool
    """Whether any file of the lock was written."""
    reasons: tuple[str, ...]
    """Why the lock before was not current."""


def lock_environment(loaded: LoadedEnvironment, policy: Policy, tools: Callable[[], Tools]) -> Locked:
    """The current lock of an environment, made and written where there is none; `tools` are asked for only then.

    Raises: EnvbuildError, if something cannot be resolved; then no file is changed.
    """
    reasons: tuple[str, ...] = ()
    try:
        lock = read_current_lock(loaded, policy.layer_format)
        builds = any(wheel.built for wheels in lock.wheels.values() for wheel in wheels)
        if not policy.upgrade and (policy.sdists or not builds):
            return Locked(lock, False, ())
    except EnvbuildError as error:
        reasons = (error.what, *error.why)
    wish = Wish(
        loaded.environment,
        read_sources_of(loaded),
        read_conda_sources_of(loaded),
        policy.upgrade,
        policy.sdists,
        _previous(loaded),
        _debian_lines(loaded),
    )
    files = make_lock(wish, policy.layer_format, tools())
    before = {name: (loaded.lock_folder / name) for name in files}
    changed = any(not path.is_file() or path.read_bytes() != files[name] for name, path in before.items())
    try:
        write_lock(loaded.lock_folder, files)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise EnvbuildError(
            f"the lock cannot be written to `{loaded.lock_folder}`",
            error.strerror or str(error),
            "Lock where the folder can be written to; `envbuild lock --check` needs to read only",
        ) from error
    return Locked(parse_lock(files, str(loaded.lock_folder)), changed, reasons)


def read_sources_of(loaded: LoadedEnvironment) -> Sources:
    """What the environment and the files that it names ask for.

    Raises: EnvbuildError, with file and line of what cannot be taken.
    """
    pypi = loaded.environment.pypi
    if pypi is None:
        return Sources()
    from builder.lock.sources import read_sources

    return read_sources(pypi, loaded.file.parent, str(loaded.file))


def read_conda_sources_of(loaded: LoadedEnvironment) -> CondaSources | None:
    """What the environment and the files that it names ask of conda channels; None if it has no `conda`.

    Raises: EnvbuildError, with file and line of what cannot be taken.
    """
    conda = loaded.environment.conda
    if conda is None:
        return None
    from builder.lock.conda.sources import read_conda_sources

    return read_conda_sources(conda, loaded.environment.targets, loaded.file.parent, str(loaded.file))


def _debian_lines(loaded: LoadedEnvironment) -> tuple[Line, ...]:
    """Every Debian package that the spec names, and where."""
    from builder.lock.sources.repository import Repository

    repository, environment = Repository(loaded.file.parent, str(loaded.file)), loaded.environment
    named = {"debian": environment.debian, "build-debian": environment.build_debian}
    return tuple(
        Line(name, f"{repository.spec}:{repository.spec_line(f'{key}[{number}]')}")
        for key, names in named.items()
        for number, name in enumerate(names)
    )


def find_environments(folder: Path) -> tuple[Path, ...]:
    """The documents of all environments and projects below a folder, sorted; hidden folders and locks are left out.

    Raises: EnvbuildError, if there is none.
    """
    if not folder.is_dir():
        raise EnvbuildError(
            f"`{folder}` is not {'a folder' if folder.exists() else 'there'}", hint="Name a folder with environments"
        )
    found: list[Path] = []
    level = [folder]
    for _ in range(_DEPTH):
        found += [path / name for path in level for name in (ENVIRONMENT_FILE, PROJECT_FILE) if (path / name).is_file()]
        level = [child for path in level for child in path.iterdir() if child.is_dir() and _is_visible(child)]
    if not found:
        raise EnvbuildError(
            f"there is no environment in `{folder}`", hint=f"Each has a folder of its own with `{ENVIRONMENT_FILE}`"
        )
    return tuple(sorted(found))


def _is_visible(folder: Path) -> bool:
    return not folder.name.startswith(".") and folder.name != LOCK_FOLDER and not folder.is_symlink()


def _previous(loaded: LoadedEnvironment) -> Lock | None:
    try:
        return read_lock(loaded.lock_folder)
    except EnvbuildError:
        return None
