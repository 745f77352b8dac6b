"""Finding and loading documents: the files around a spec, and what can only be told by looking at them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.spec.environment import ENVIRONMENT_FILE, Environment
from builder.spec.project import Project
from builder.spec.reader import Reader, SpecError

PROJECT_FILE = "envbuild.yaml"
LOCK_FOLDER = "lock"
_OFTEN_MEANT = ("envbuild.yml", "environment.yml")


@dataclass(frozen=True, slots=True)
class LoadedEnvironment:
    """An environment and where it came from."""

    environment: Environment
    name: str
    """The folder's name."""
    file: Path
    """The document that holds it."""

    @property
    def lock_folder(self) -> Path:
        """Where its lock is."""
        return self.file.parent / LOCK_FOLDER


@dataclass(frozen=True, slots=True)
class LoadedProject:
    """A project, its folder and its environment."""

    project: Project
    file: Path
    environment: LoadedEnvironment

    @property
    def folder(self) -> Path:
        """What paths in the project are relative to."""
        return self.file.parent

    @property
    def name(self) -> str:
        """The declared name, or one made from the folder's."""
        return self.project.name or _name_from(self.folder)


def find_spec(path: Path) -> Path:
    """The spec that `path` means: the file itself, or the one in the folder.

    Raises: EnvbuildError, if there is none.
    """
    if path.is_file():
        return path
    for name in (PROJECT_FILE, ENVIRONMENT_FILE):
        if (path / name).is_file():
            return path / name
    other = next((name for name in _OFTEN_MEANT if (path / name).is_file()), None)
    if other:
        raise EnvbuildError(f"`{path / other}` is not read", hint=f"Rename it to `{other.replace('.yml', '.yaml')}`")
    raise EnvbuildError(
        f"`{path}` has neither `{PROJECT_FILE}` nor `{ENVIRONMENT_FILE}`"
        if path.is_dir()
        else f"`{path}` is not there",
        hint=_hint_below(path) or "Name the folder of a project or an environment, or run `envbuild init` to make one",
    )


def _hint_below(folder: Path) -> str | None:
    """What to do where there are specs in the folders of a folder."""
    below = (file for name in (PROJECT_FILE, ENVIRONMENT_FILE) for file in folder.glob(f"[!.]*/{name}"))
    found = min((file.parent for file in below), default=None)
    return (
        f"Name one of those below it, such as `{found}`; `build` and `lock` take all of them with `--all`"
        if found
        else None
    )


def load_environment(path: Path) -> LoadedEnvironment:
    """The environment of `path`: of an `environment.yaml`, or the one that a project uses.

    Raises: SpecError, EnvbuildError.
    """
    file = find_spec(path)
    if file.name == PROJECT_FILE:
        return load_project(file).environment
    reader = Reader(_shown(file), file.parent)
    environment = reader.read(_content(file), Environment)
    if environment is None:
        raise SpecError(_shown(file), reader.problems)
    return LoadedEnvironment(environment, _name_from(file.parent), file)


def load_project(path: Path) -> LoadedProject:
    """The project of `path`, with its environment.

    Raises: SpecError, with every problem of a document; EnvbuildError.
    """
    file = find_spec(path)
    if file.name != PROJECT_FILE:
        raise EnvbuildError(
            f"`{_shown(file)}` is an environment, not a project", hint=f"Name a folder that has `{PROJECT_FILE}`"
        )
    reader = Reader(_shown(file), file.parent)
    project = reader.read(_content(file), Project)
    if project is None:
        raise SpecError(_shown(file), reader.problems)
    return LoadedProject(project, file, _environment_of(project, file))


def project_error(loaded: LoadedProject, problems: Iterable[tuple[str, str, str | None]]) -> SpecError:
    """Problems that were found after a project was read, each a key, a message and a hint: with their lines."""
    reader = Reader(_shown(loaded.file), loaded.folder)
    reader.read(_content(loaded.file), Project)  # for the lines alone
    reader.problems.clear()
    for key, message, hint in problems:
        reader.report(key, message, hint)
    return SpecError(reader.file, reader.problems)


def _environment_of(project: Project, file: Path) -> LoadedEnvironment:
    if isinstance(project.environment, Environment):
        return LoadedEnvironment(project.environment, project.name or _name_from(file.parent), file)
    return load_environment(Path(os.path.normpath(file.parent / project.environment / ENVIRONMENT_FILE)))


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise EnvbuildError(f"`{_shown(file)}` cannot be read", error.strerror or str(error)) from error


def _shown(file: Path) -> str:
    """The path as a user would write it: relative where that is shorter."""
    relative = os.path.relpath(file)
    return str(file) if relative.startswith("..") and len(relative) > len(str(file)) else relative


def _name_from(folder: Path) -> str:
    return re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-") or "project"
