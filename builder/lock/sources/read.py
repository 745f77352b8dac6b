"""Which reader is for which file, and what the lock keeps of each, so that a change is noticed."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.interface import Line, Sources
from builder.lock.sources.repository import Repository, shown_text
from builder.lock.sources.requirement_files import Written, is_hashed, read_statements
from builder.spec.environment import PyPI

_PYLOCK = re.compile(r"pylock(?:\.[^.]+)?\.toml")
_HASHES = (
    "make hashes with `pip-compile --generate-hashes`, or write `file:` in place of `lockfile:` to have it resolved"
)


def read_sources(pypi: PyPI, folder: Path, shown: str) -> Sources:
    """What a spec and the files that it names ask of package indexes; `folder` is that of its document, `shown`.

    Raises: SpecError, with file and line of everything that cannot be taken; EnvbuildError.
    """
    repository = Repository(folder, shown)
    own = _own_requirements(repository, pypi)
    name = pypi.lockfile or pypi.file
    if name is None:
        repository.check(folder / Path(shown).name)
        return own
    path = _path(folder, name)
    sources = _of_lock(repository, path, pypi) if pypi.lockfile else _of_file(repository, path, pypi)
    if pypi.requirements and sources.pins:
        repository.report_spec(
            "pypi.requirements", f"`{name}` has hashes, so it is taken as it is; nothing can be added", "leave them out"
        )
    repository.check(path)
    return replace(
        sources,
        requirements=(*own.requirements, *sources.requirements),
        vcs=(*own.vcs, *sources.vcs),
    )


def read_inputs(pypi: PyPI, folder: Path, shown: str) -> Mapping[str, Any]:
    """What `read_sources` gives as `inputs`, and no more: no requirement is looked at.

    Raises: SpecError, EnvbuildError, if a file cannot be read.
    """
    name = pypi.lockfile or pypi.file
    if name is None:
        return {}
    repository, path = Repository(folder, shown), _path(folder, name)
    if pypi.lockfile and not _is_requirements(path):
        return _whole(repository, [path])
    if path.name == "pyproject.toml" or path.suffix == ".toml":
        from builder.lock.sources.pyproject import project_inputs, read_project

        project = read_project(repository, path, pypi)
        inputs = {repository.name(path): project_inputs(project), **_listed(repository, project.written)}
    else:
        written = read_statements(repository, path)
        inputs = _requirements_inputs(repository, path, written, is_lock=bool(pypi.lockfile) or is_hashed(written))
    repository.check(path)
    return inputs


def _own_requirements(repository: Repository, pypi: PyPI) -> Sources:
    """The requirements that stand in the spec itself."""
    from builder.lock.sources.references import Reference, ReferenceRefusedError
    from builder.lock.sources.requirement import read_requirement

    requirements, vcs = list[Line](), list[Line]()
    for number, text in enumerate(pypi.requirements):
        key = f"pypi.requirements[{number}]"
        try:
            found = read_requirement(text)
        except ReferenceRefusedError as error:
            repository.report_spec(key, f"`{shown_text(text)}`: {error}", error.hint)
            continue
        is_vcs = isinstance(found, Reference) and found.is_vcs
        written = str(found) if isinstance(found, Reference) else text
        (vcs if is_vcs else requirements).append(Line(written, f"{repository.spec}:{repository.spec_line(key)}"))
    return Sources(tuple(requirements), vcs=tuple(vcs))


def _of_file(repository: Repository, path: Path, pypi: PyPI) -> Sources:
    """A file that is resolved, or a requirements file with hashes, which need not be."""
    from builder.lock.sources.requirements import as_lock, to_resolve

    if path.suffix == ".toml":
        return _of_project(repository, path, pypi)
    if path.suffix == ".lock":
        raise EnvbuildError(f"`{repository.shown(path)}` is a lock", hint="Write `lockfile:` in place of `file:`")
    _check_no_choice(repository, pypi)
    written = read_statements(repository, path)
    hashed = is_hashed(written)
    sources = as_lock(repository, written) if hashed else to_resolve(repository, written)
    return replace(sources, inputs=_requirements_inputs(repository, path, written, hashed))


def _of_project(repository: Repository, path: Path, pypi: PyPI) -> Sources:
    from builder.lock.sources.pyproject import project_inputs, project_sources, read_project
    from builder.lock.sources.requirements import to_resolve

    if _PYLOCK.fullmatch(path.name):
        raise EnvbuildError(f"`{repository.shown(path)}` is a lock", hint="Write `lockfile:` in place of `file:`")
    project = read_project(repository, path, pypi)
    sources, more = project_sources(repository, project), to_resolve(repository, project.written)
    return replace(
        sources,
        requirements=(*sources.requirements, *more.requirements),
        constraints=(*sources.constraints, *more.constraints),
        vcs=(*sources.vcs, *more.vcs),
        indexes=(*sources.indexes, *more.indexes),
        inputs={repository.name(path): project_inputs(project), **_listed(repository, project.written)},
    )


def _of_lock(repository: Repository, path: Path, pypi: PyPI) -> Sources:
    """A lock that is taken as it is."""
    from builder.lock.sources.pylock_toml import pylock_sources
    from builder.lock.sources.toml_file import read_toml
    from builder.lock.sources.uv_lock import uv_lock_sources

    if _is_requirements(path):
        return _of_hashed_requirements(repository, path, pypi)
    data = repository.read(path)
    file = read_toml(repository, path, data)
    read = uv_lock_sources if path.name == "uv.lock" else pylock_sources
    inputs = {repository.name(path): hashlib.sha256(data).hexdigest()}
    return replace(read(repository, file, pypi), inputs=inputs)


def _of_hashed_requirements(repository: Repository, path: Path, pypi: PyPI) -> Sources:
    from builder.lock.sources.requirements import as_lock

    _check_no_choice(repository, pypi)
    written = read_statements(repository, path)
    packages = [each for each in written if each.statement.text]
    if packages and not any(each.statement.hashes for each in packages):
        repository.report(path, packages[0].statement.line, "it has no hashes, so it is not a lock", _HASHES)
        return Sources()
    inputs = _requirements_inputs(repository, path, written, is_lock=True)
    return replace(as_lock(repository, written), inputs=inputs)


def _is_requirements(path: Path) -> bool:
    """Whether a lock is a requirements file; whatever is not TOML is read as one.

    Raises: EnvbuildError, for a file of another tool.
    """
    if path.name == "uv.lock" or _PYLOCK.fullmatch(path.name):
        return False
    if path.suffix in (".toml", ".lock", ".json", ".yml", ".yaml"):
        tools = {
            "poetry.lock": "`poetry export -f requirements.txt -o requirements.txt`",
            "pdm.lock": "`pdm export -f pylock -o pylock.toml`",
            "Pipfile.lock": "`pipenv requirements --hash > requirements.txt`",
        }
        made = f"Run {tools[path.name]} and name that" if path.name in tools else "Name one of those"
        what = "a lockfile is a `uv.lock`, `pylock.toml`, `pylock.<name>.toml` or a `requirements.txt` with hashes"
        raise EnvbuildError(f"`{path.name}` is not a lock that is read", what, made)
    return True


def _check_no_choice(repository: Repository, pypi: PyPI) -> None:
    """Refuse extras and groups of a file that has none."""
    for key in ("extras", "groups"):
        if getattr(pypi, key):
            hint = "write `name[extra]` with the requirement" if key == "extras" else "name the file that has them"
            repository.report_spec(f"pypi.{key}", f"a requirements file has no {key}", hint)


def _requirements_inputs(
    repository: Repository, path: Path, written: tuple[Written, ...], is_lock: bool
) -> dict[str, Any]:
    if is_lock:
        return _whole(repository, [path, *(each.file for each in written)])
    return {repository.name(path): [], **_listed(repository, written)}


def _listed(repository: Repository, written: tuple[Written, ...]) -> dict[str, list[str]]:
    """The statements of each file, each once."""
    inputs: dict[str, list[str]] = {}
    for file, entry in dict.fromkeys((each.file, each.entry) for each in written):
        inputs.setdefault(repository.name(file), []).append(entry)
    return inputs


def _whole(repository: Repository, paths: list[Path]) -> dict[str, str]:
    """The SHA-256 of each file."""
    return {repository.name(path): hashlib.sha256(repository.read(path)).hexdigest() for path in dict.fromkeys(paths)}


def _path(folder: Path, name: str) -> Path:
    return Path(os.path.normpath(folder / name))
