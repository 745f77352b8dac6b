"""A `pyproject.toml`: its dependencies, extras and dependency groups as requirements to resolve."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.fetch.redaction import without_secrets_in
from builder.lock.interface import Line, Sources
from builder.lock.sources.references import Reference, ReferenceRefusedError
from builder.lock.sources.repository import Repository, shown_text
from builder.lock.sources.requirement_files import Written, read_statements
from builder.lock.sources.toml_file import TomlFile, read_toml, strings, table
from builder.lock.sources.uv_settings import INDEX_SETTINGS, UvSettings
from builder.lock.sources.wanted import Entry, Fault, Wanted
from builder.spec.environment import PyPI
from builder.spec.reader import SpecError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_POETRY = "`poetry export -f requirements.txt -o requirements.txt`, and write `lockfile: requirements.txt`"
_FROM_ELSEWHERE = ("path", "git", "url", "source", "develop", "file")


@dataclass(frozen=True, slots=True)
class Project:
    """What is wanted of one file, as texts."""

    file: TomlFile
    entries: tuple[Entry, ...]
    written: tuple[Written, ...]
    """Of the requirements files that setuptools is told to read."""
    settings: UvSettings

    @property
    def requires_python(self) -> str | None:
        """The specifier, as it is written."""
        value = table(self.file.document.get("project")).get("requires-python")
        return None if value is None else str(value)


def read_project(repository: Repository, path: Path, pypi: PyPI) -> Project:
    """What the extras and groups of a spec choose of a file; what is wrong with it is reported.

    Raises: EnvbuildError, if it cannot be read at all.
    """
    file = read_toml(repository, path)
    settings = UvSettings(repository, file, pypi)
    wanted = Wanted(file.document)
    _check_kind(repository, file, pypi)
    dynamic = tuple(_dynamic(repository, file, pypi, wanted))
    extras = tuple(name for name in pypi.extras if normalised(name) not in {extra for extra, _ in dynamic})
    entries = wanted.entries(extras, pypi.groups)
    for fault in wanted.faults:
        _report_fault(repository, file, fault)
    return Project(file, entries, tuple(each for _, written in dynamic for each in written), settings)


def project_inputs(project: Project) -> list[str]:
    """What the lock keeps of a file, to notice a change."""
    texts = [" ; ".join([" ".join(entry.text.split()), *entry.markers]) for entry in project.entries]
    for entry in project.entries:
        _, source = project.settings.source(_name(entry.text))
        if source is not None:
            texts.append(f"--source {_name(entry.text)} {source}")
    if project.requires_python is not None:
        texts.append(f"--requires-python {project.requires_python}")
    texts += [f"--{name} {' '.join(text.split())}" for name, text in project.settings.entries()]
    for key in INDEX_SETTINGS:
        if project.settings.table.get(key):
            texts.append(f"--{key} {project.settings.table[key]}")
    return [without_secrets_in(text) for text in dict.fromkeys(texts)]


def project_sources(repository: Repository, project: Project) -> Sources:
    """The requirements to resolve; what cannot be taken is reported."""
    requirements, vcs = list[Line](), list[Line]()
    for entry in project.entries:
        line = _line(repository, project, entry)
        if line is not None:
            (vcs if " @ git+" in line.text.partition(";")[0] else requirements).append(line)
    project.settings.check()
    _check_poetry(repository, project)
    return Sources(
        tuple(requirements),
        tuple(project.settings.lines("constraint")),
        tuple(project.settings.lines("override")),
        _requires_python(repository, project),
        vcs=tuple(vcs),
        indexes=tuple(project.settings.indexes()),
    )


def _line(repository: Repository, project: Project, entry: Entry) -> Line | None:
    from packaging.markers import InvalidMarker

    try:
        found = read_requirement_of(entry)
        if not isinstance(found, Reference):
            extras = f"[{','.join(sorted(found.extras))}]" if found.extras else ""
            found = project.settings.reference(found.name, extras, str(found.marker or "")) or found
    except ReferenceRefusedError as error:
        _report_fault(repository, project.file, Fault(f"`{entry.text}`: {error}", error.hint, entry.keys, entry.text))
        return None
    except InvalidMarker as error:
        _report_fault(repository, project.file, Fault(f"`{entry.text}`: {error}", None, entry.keys, entry.text))
        return None
    text = str(found) if isinstance(found, Reference) or entry.markers else " ".join(entry.text.split())
    return Line(text, project.file.at(repository, *entry.keys, value=entry.text))


def read_requirement_of(entry: Entry) -> Requirement | Reference:
    """The requirement of an entry, with the markers of the way to it. Raises: ReferenceRefusedError, InvalidMarker."""
    from packaging.markers import Marker

    from builder.lock.sources.requirement import read_requirement

    found = read_requirement(entry.text)
    if not entry.markers:
        return found
    parts = [str(found.marker)] if found.marker else []
    joined = str(Marker(" and ".join(f"({part})" for part in [*parts, *entry.markers])))
    if isinstance(found, Reference):
        return replace(found, marker=joined)
    found.marker = Marker(joined)
    return found


def _requires_python(repository: Repository, project: Project) -> str | None:
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = project.requires_python
    try:
        return None if text is None else str(SpecifierSet(text))
    except InvalidSpecifier:
        fault = Fault(f"`{text}` is no version specifier (PEP 440)", "as in `>=3.11`", ("project", "requires-python"))
        _report_fault(repository, project.file, fault)
        return None


def _check_kind(repository: Repository, file: TomlFile, pypi: PyPI) -> None:
    """Report a file that says nothing in a form that is read."""
    if "project" in file.document or (pypi.groups and "dependency-groups" in file.document):
        return
    if "poetry" in table(file.document.get("tool")):
        repository.report(
            file.path,
            file.line("tool", "poetry"),
            "there is no `[project]`: this is Poetry's own form",
            f"run {_POETRY}",
        )
    else:
        repository.report(file.path, 1, "there is no `[project]`", "write `[project]` with `dependencies` (PEP 621)")


def _check_poetry(repository: Repository, project: Project) -> None:
    """Report packages that Poetry takes from elsewhere."""
    tool = table(table(project.file.document.get("tool")).get("poetry"))
    poetry = {normalised(name): (name, value) for name, value in table(tool.get("dependencies")).items()}
    for name in dict.fromkeys(normalised(_name(entry.text)) for entry in project.entries):
        written, value = poetry.get(name, ("", None))
        if isinstance(value, list) or any(key in table(value) for key in _FROM_ELSEWHERE):
            line = project.file.line("tool", "poetry", "dependencies", written)
            repository.report(
                project.file.path, line, f"where `{name}` comes from is in Poetry's form", f"run {_POETRY}"
            )


def _dynamic(
    repository: Repository, file: TomlFile, pypi: PyPI, wanted: Wanted
) -> Iterator[tuple[str, tuple[Written, ...]]]:
    """The requirements files that stand for the dependencies, under no name, and for extras that are wanted."""
    project = table(file.document.get("project"))
    dynamic = strings(project.get("dynamic")) or ()
    told = table(table(table(file.document.get("tool")).get("setuptools")).get("dynamic"))
    if "dependencies" in dynamic:
        yield "", tuple(_told_files(repository, file, told.get("dependencies"), "dependencies"))
    if "optional-dependencies" in dynamic:
        extras = table(told.get("optional-dependencies"))
        known = {normalised(name): value for name, value in extras.items()}
        for name in pypi.extras:
            if normalised(name) in known or not wanted.extras():
                value = known.get(normalised(name))
                yield normalised(name), tuple(_told_files(repository, file, value, "optional-dependencies"))


def _told_files(repository: Repository, file: TomlFile, told: Any, key: str) -> Iterator[Written]:
    names = table(told).get("file") if isinstance(told, Mapping) else None
    listed = (names,) if isinstance(names, str) else strings(names) or ()
    line = file.line("project", "dynamic", value=key)
    if not listed:
        repository.report(
            file.path,
            line,
            f"`{key}` are dynamic: only the project's build tells them",
            'write them into the file, or `[tool.setuptools.dynamic]` with `file = ["requirements.in"]`; '
            "or take a lock: `uv export --format pylock.toml -o pylock.toml`",
        )
    for name in listed:
        try:
            yield from read_statements(repository, Path(os.path.normpath(file.path.parent / name)))
        except SpecError:
            raise
        except EnvbuildError as error:
            line = file.line("tool", "setuptools", "dynamic", value=name)
            repository.report(file.path, line, ": ".join([error.what, *error.why]), error.hint)


def _name(text: str) -> str:
    """The name that a requirement begins with."""
    stripped = text.lstrip()
    end = next((place for place, letter in enumerate(stripped) if not (letter.isalnum() or letter in "._-")), None)
    return stripped[:end]


def _report_fault(repository: Repository, file: TomlFile, fault: Fault) -> None:
    message, hint = shown_text(fault.message, 500), fault.hint and shown_text(fault.hint, 500)
    if fault.spec_key:
        repository.report_spec(fault.spec_key, message, hint)
    else:
        repository.report(file.path, file.line(*fault.keys, value=fault.value), message, hint)
