"""A `pylock.toml` (PEP 751), taken as it is: valid, every file with its SHA-256 and where it can be had."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from builder.fetch.project_name import normalised
from builder.lock.interface import Sources
from builder.lock.sources.options import LOCAL_HINT
from builder.lock.sources.references import SHA256, ReferenceRefusedError, reference
from builder.lock.sources.repository import Repository, shown_text
from builder.lock.sources.toml_file import TomlFile
from builder.spec.environment import PyPI
from builder.spec.reader import nearest

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageArchive, PackageSdist, PackageVcs, PackageWheel, Pylock


def pylock_sources(repository: Repository, file: TomlFile, pypi: PyPI) -> Sources:
    """What a file locks; what cannot be taken is reported."""
    pylock = parsed_pylock(repository, file, file.document)
    if pylock is None:
        return Sources()
    extras = chosen_names(repository, pypi.extras, pylock.extras or (), "extra")
    groups = chosen_names(repository, pypi.groups, pylock.dependency_groups or (), "dependency group")
    groups = tuple(dict.fromkeys((*(pylock.default_groups or ()), *groups)))
    check_packages(repository, file, pylock)
    return Sources(pylock=file.document, extras=extras, groups=groups)


def parsed_pylock(repository: Repository, file: TomlFile, document: Mapping[str, Any]) -> Pylock | None:
    """A document, checked against the standard; what is wrong is reported."""
    from packaging.pylock import Pylock, PylockUnsupportedVersionError, PylockValidationError

    try:
        return Pylock.from_dict(document)
    except PylockUnsupportedVersionError as error:
        hint = "use a newer envbuild, or lock again with the tool that made it"
        repository.report(file.path, file.line("lock-version"), shown_text(str(error)), hint)
    except PylockValidationError as error:
        repository.report(
            file.path, _line_of(file, error.context), f"this is not a lock (PEP 751): {shown_text(str(error))}"
        )
    return None


def check_packages(repository: Repository, file: TomlFile, pylock: Pylock) -> None:
    """Report the packages that other machines cannot have, or not with certainty."""
    for package in pylock.packages:
        for message, hint in _problems(package):
            repository.report(file.path, line_of_package(file, package.name), f"`{package.name}`: {message}", hint)


def line_of_package(file: TomlFile, name: str) -> int:
    """The line that a package's entry begins with."""
    found = re.search(rf"^\s*name\s*=\s*[\"']{re.escape(name)}[\"']", file.text, re.MULTILINE)
    return file.text.count("\n", 0, found.end()) + 1 if found else 1


def chosen_names(repository: Repository, asked: tuple[str, ...], known: Iterable[str], what: str) -> tuple[str, ...]:
    """The names of extras or groups as the lock has them; those that it does not know are reported.

    `what` is `extra` or `dependency group`.
    """
    names = {normalised(name): name for name in known}
    key = "pypi.extras" if what == "extra" else "pypi.groups"
    for number, name in enumerate(asked):
        if normalised(name) not in names:
            hint = nearest(name, names.values()) if names else f"it has no {what} at all"
            repository.report_spec(f"{key}[{number}]", f"the lock has no {what} `{name}`", hint)
    return tuple(names[normalised(name)] for name in asked if normalised(name) in names)


def _problems(package: Package) -> Iterator[tuple[str, str]]:
    """Why a package cannot be taken."""
    if package.directory is not None:
        yield f"it is a folder, `{shown_text(package.directory.path)}`, and no file with a hash", LOCAL_HINT
    if package.vcs is not None:
        try:
            reference(package.name, _commit(package.vcs))
        except ReferenceRefusedError as error:
            yield str(error), error.hint
    for file in _files(package):
        if file.url is None or not file.url.startswith(("https://", "http://", "file://")):
            place = shown_text(file.url or file.path or "")
            yield f"`{place}` is a path", "name the URL that every machine can have the file at"
            continue
        try:
            hashes = tuple(f"{algorithm}:{digest}" for algorithm, digest in file.hashes.items())
            reference(package.name, file.url.partition("#")[0], hashes)
        except ReferenceRefusedError as error:
            known = SHA256.fullmatch(str(file.hashes.get("sha256", "")).lower())
            place = shown_text(re.split(r"[?#]", file.url)[0].rpartition("/")[2])
            yield (
                (f"`{place}`: {error}", error.hint)
                if known
                else (f"`{place}` has no sha256", "lock again with a tool and an index that give it")
            )


def _files(package: Package) -> tuple[PackageWheel | PackageSdist | PackageArchive, ...]:
    single = tuple(file for file in (package.sdist, package.archive) if file is not None)
    return (*(package.wheels or ()), *single)


def _commit(package: PackageVcs) -> str:
    where = f"#subdirectory={package.subdirectory}" if package.subdirectory else ""
    scheme = "" if str(package.url).startswith(f"{package.type}+") else f"{package.type}+"
    return f"{scheme}{package.url}@{package.commit_id}{where}"


def _line_of(file: TomlFile, context: str | None) -> int:
    """The line of `packages[3].wheels[0]`: where the package begins."""
    if not context or not context.startswith("packages["):
        return file.line(context) if context else 1
    number = context.removeprefix("packages[").partition("]")[0]
    place = -1
    for _ in range(int(number) + 1):
        place = file.text.find("[[packages]]", place + 1)
    return file.text.count("\n", 0, max(place, 0)) + 1
