"""Which files a PEP 751 document, a resolver's answer or a team's own lock, gives for a target. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from builder.errors import EnvbuildError
from builder.lock.interface import Target
from builder.lock.pypi.choose import choose
from builder.lock.pypi.found import Found
from builder.lock.pypi.tags import marker_environment, supported_tags
from builder.oci.digest import Digest

if TYPE_CHECKING:
    from packaging.pylock import Package, PackageArchive, PackageSdist, PackageVcs, PackageWheel, Pylock

_FILE = re.compile(r".+-(?P<version>\d[^-]*?)(?:-.+\.whl|\.tar\.gz|\.zip|\.tar\.bz2|\.tar\.xz|\.tgz)")


@dataclass(frozen=True, slots=True)
class Commit:
    """A package that is a commit of a repository."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    """`0` where only a build tells it."""
    url: str
    """`git+https://…@<commit>`."""
    subdirectory: str = ""


@dataclass(frozen=True, slots=True)
class Selection:
    """What is to be taken of a document."""

    target: Target
    sdists: bool
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    directs: Mapping[str, str] = field(default_factory=dict)
    """The URLs of direct references by normalised name, as they were asked for."""


def select_files(document: Mapping[str, Any], wanted: Selection, what: str) -> tuple[Found | Commit, ...]:
    """One file or commit for each package that the document has for a target; `what` is its name in messages.

    Raises: EnvbuildError, if it is not of this form, is not for the target, or has a package without a file for it.
    """
    from packaging.pylock import PylockSelectError

    pylock = _validated(document, what)
    target = wanted.target
    try:
        selected = pylock.select(
            environment=marker_environment(target.python, target.machine),  # type: ignore[arg-type]
            tags=supported_tags(target.python, target.machine, target.glibc),
            extras=wanted.extras,
            dependency_groups=wanted.groups or None,
        )
        return tuple(_chosen(package, wanted) for package, _ in selected)
    except PylockSelectError as error:
        _explain_wheels(pylock, str(error), wanted)
        raise EnvbuildError(f"{what} has no Python packages for {target.platform}", str(error)) from error


def _validated(document: Mapping[str, Any], what: str) -> Pylock:
    from packaging.pylock import Pylock, PylockValidationError

    try:
        return Pylock.from_dict(document)
    except (PylockValidationError, ValueError, TypeError, KeyError) as error:
        raise EnvbuildError(f"{what} is not as PEP 751 says", str(error)) from error


def _explain_wheels(pylock: Pylock, text: str, wanted: Selection) -> None:
    """Raises: EnvbuildError, naming the wheels that there are, if a package has none for the target."""
    match = re.search(r"No wheel found .*packages\[(\d+)\]", text, re.DOTALL)
    if match:
        package = pylock.packages[int(match[1])]
        choose(_files(package), wanted.target, sdists=wanted.sdists)


def _chosen(package: Package, wanted: Selection) -> Found | Commit:
    if package.vcs is not None:
        return _commit(package, package.vcs, wanted)
    if package.directory is not None:
        raise EnvbuildError(
            f"`{package.name}` is a folder, which other machines do not have",
            hint="Build a wheel of it and name that, or pack its code with `code:` in envbuild.yaml",
        )
    return choose(_files(package, wanted.directs.get(package.name)), wanted.target, sdists=wanted.sdists)


def _commit(package: Package, vcs: PackageVcs, wanted: Selection) -> Commit:
    direct = wanted.directs.get(package.name)
    if vcs.type != "git" or vcs.url is None:
        raise EnvbuildError(
            f"`{package.name}` is of `{vcs.type}`", hint="Of version control, a URL of git alone is taken"
        )
    url = direct.partition("#")[0] if direct else f"git+{vcs.url}@{vcs.commit_id}"
    if not wanted.sdists:
        raise refused_commit(package.name, url)
    return Commit(package.name, str(package.version or 0), url, vcs.subdirectory or "")


def refused_commit(name: str, url: str, place: str = "") -> EnvbuildError:
    """Says that a package is to be built of a commit, where nothing may be built."""
    where = f"{place}: " if place else ""
    return EnvbuildError(
        f"{where}`{name}` is a commit, of which a wheel must be built",
        f"it is `{url}`, and building from source is refused here",
        "Leave out `--no-sdist`, or name a wheel",
    )


def _files(package: Package, direct: str | None = None) -> Iterator[Found]:
    if package.archive is not None:
        yield _found(package, package.archive, package.archive.subdirectory or "", direct, is_direct=True)
    for file in (*(package.wheels or ()), *([package.sdist] if package.sdist else ())):
        yield _found(package, file, "", None, is_direct=False)


def _found(
    package: Package,
    file: PackageArchive | PackageWheel | PackageSdist,
    subdirectory: str,
    direct: str | None,
    *,
    is_direct: bool,
) -> Found:
    url = direct.partition("#")[0] if direct else file.url
    if url is None:
        raise EnvbuildError(
            f"`{package.name}` is the file `{file.path}`, which other machines do not have",
            hint="Name a URL that all of them can reach",
        )
    sha256 = file.hashes.get("sha256")
    if sha256 is None:
        raise EnvbuildError(
            f"`{package.name}` has no sha256 on its index", hint="Use an index that gives sha256 (PEP 503, 691)"
        )
    name = getattr(file, "name", None) or unquote(urlsplit(url).path.rpartition("/")[2])
    version = str(package.version) if package.version else _version(name)
    digest = _digest(package.name, sha256)
    return Found(package.name, version, name, digest, file.size, url.partition("#")[0], subdirectory, is_direct)


def _digest(name: str, sha256: object) -> Digest:
    try:
        return Digest(str(sha256))
    except (EnvbuildError, ValueError) as error:
        raise EnvbuildError(f"`{name}` has a sha256 that is none", str(error)) from error


def _version(file_name: str) -> str:
    match = _FILE.fullmatch(file_name)
    return match["version"] if match else "0"
