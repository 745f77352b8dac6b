"""A `pylock.toml` (PEP 751), taken as it is: valid, every file with its SHA-256 and where it can be had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from builder.lock.interface import Line, Sources
from builder.lock.sources.options import LOCAL_HINT
from builder.lock.sources.references import SHA256, ReferenceRefusedError, reference
from builder.lock.sources.repository import Repository, shown_text
from builder.lock.sources.toml_file import TomlFile
from builder.lock.upgrade import normalised
from builder.spec.environment import PyPI
from builder.spec.reader import nearest

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageArchive, PackageSdist, PackageWheel, Pylock

_SELECTED = ("extras", "dependency_groups")
"""What only markers of lockfiles speak of."""


def pylock_sources(repository: Repository, file: TomlFile, pypi: PyPI) -> Sources:
    """What a file locks; what cannot be taken is reported."""
    pylock = parsed_pylock(repository, file, file.document)
    if pylock is None:
        return Sources()
    extras = _chosen(repository, pypi.extras, pylock.extras or (), "extra")
    groups = _chosen(repository, pypi.groups, pylock.dependency_groups or (), "dependency group")
    groups = tuple(dict.fromkeys((*(pylock.default_groups or ()), *groups)))
    return taken(repository, file, file.document, pylock, extras, groups)


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


def taken(
    repository: Repository,
    file: TomlFile,
    document: Mapping[str, Any],
    pylock: Pylock,
    extras: tuple[str, ...] = (),
    groups: tuple[str, ...] = (),
) -> Sources:
    """What a valid document locks: commits apart from the rest, which are built; what cannot be taken is reported."""
    vcs, kept = list[Line](), list[Any]()
    for package, written in zip(pylock.packages, document["packages"], strict=True):
        for message, hint in _problems(package):
            repository.report(file.path, line_of_package(file, package.name), f"`{package.name}`: {message}", hint)
        if package.vcs is None:
            kept.append(written)
            continue
        line = _commit(repository, file, package)
        if line is not None:
            vcs.append(line)
    left = {**document, "packages": kept}
    return Sources(pylock=left, extras=extras, groups=groups, vcs=tuple(vcs))


def line_of_package(file: TomlFile, name: str) -> int:
    """The line that a package's entry begins with."""
    place = max(file.text.find(f'name = "{name}"'), 0)
    return file.text.count("\n", 0, place) + 1


def _chosen(repository: Repository, asked: tuple[str, ...], known: Any, what: str) -> tuple[str, ...]:
    """The names of extras or groups as the lock has them."""
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
            place = shown_text(file.url.rpartition("/")[2])
            yield (
                (f"`{place}`: {error}", error.hint)
                if known
                else (f"`{place}` has no sha256", "lock again with a tool and an index that give it")
            )


def _files(package: Package) -> tuple[PackageWheel | PackageSdist | PackageArchive, ...]:
    single = tuple(file for file in (package.sdist, package.archive) if file is not None)
    return (*(package.wheels or ()), *single)


def _commit(repository: Repository, file: TomlFile, package: Package) -> Line | None:
    """The requirement for a package that is locked to a commit."""
    vcs, marker = package.vcs, str(package.marker or "")
    line = line_of_package(file, package.name)
    if vcs is None:
        return None
    try:
        if not vcs.url:
            raise ReferenceRefusedError("a path is not taken", LOCAL_HINT)
        if any(word in marker for word in _SELECTED):
            raise ReferenceRefusedError(
                "a commit that only an extra or a group asks for is not taken", "lock with this extra or group alone"
            )
        where = f"#subdirectory={vcs.subdirectory}" if vcs.subdirectory else ""
        scheme = "" if vcs.url.startswith(f"{vcs.type}+") else f"{vcs.type}+"
        found = reference(package.name, f"{scheme}{vcs.url}@{vcs.commit_id}{where}", (), "", marker)
    except ReferenceRefusedError as error:
        repository.report(file.path, line, f"`{package.name}`: {error}", error.hint)
        return None
    return Line(str(found), f"{repository.shown(file.path)}:{line}")


def _line_of(file: TomlFile, context: str | None) -> int:
    """The line of `packages[3].wheels[0]`: where the package begins."""
    if not context or not context.startswith("packages["):
        return file.line(context) if context else 1
    number = context.removeprefix("packages[").partition("]")[0]
    place = -1
    for _ in range(int(number) + 1):
        place = file.text.find("[[packages]]", place + 1)
    return file.text.count("\n", 0, max(place, 0)) + 1
