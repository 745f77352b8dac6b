"""Whether a built wheel is what was resolved: its name, version, tags, and what it asks for. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.artifact import Sdist
from builder.lock.interface import BuildRoot, Target
from builder.lock.pypi.edges import parsed
from builder.lock.pypi.metadata import Metadata
from builder.lock.pypi.tags import best_wheel, marker_environment


def is_pure(file_name: str) -> bool:
    """Whether a wheel is the same on every platform, as its name says."""
    return file_name.endswith("-none-any.whl")


def check_file_name(file_name: str, sdist: Sdist, target: Target) -> None:
    """Refuse a wheel of another package or version, or for another target.

    Raises: EnvbuildError.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename
    from packaging.version import InvalidVersion, Version

    what = f"{sdist.name} {sdist.version} gives another wheel than was expected"
    try:
        name, version, _, _ = parse_wheel_filename(file_name)
        same = version == Version(sdist.version)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise EnvbuildError(what, str(error)) from error
    if name != sdist.name or not same:
        raise EnvbuildError(what, f"it is called `{file_name}`")
    if best_wheel([file_name], target) is None:
        raise EnvbuildError(what, f"`{file_name}` does not run on {target.platform} with Python {target.python}")


def check_metadata(metadata: Metadata, sdist: Sdist, root: BuildRoot) -> tuple[str, ...]:
    """Refuse a wheel that asks for what is not locked; the names of the locked packages that it asks for, sorted.

    Raises: EnvbuildError.
    """
    problems, names = [], set(sdist.dependencies)
    for name, problem in _needs(metadata, root):
        names.add(name)
        if problem:
            problems.append(problem)
    if problems:
        raise EnvbuildError(
            f"{sdist.name} {sdist.version}, once built, asks for other packages than were locked",
            problems,
            "Name what it asks for in the requirements of the environment",
        )
    return tuple(sorted(names & root.locked.keys() if root.locked is not None else names))


def _needs(metadata: Metadata, root: BuildRoot) -> Iterator[tuple[str, str | None]]:
    """The packages that it asks for without extras, each with what is wrong about it."""
    from packaging.markers import UndefinedComparison, UndefinedEnvironmentName

    environment = {**marker_environment(root.target.python, root.target.machine), "extra": ""}
    for text in metadata.requires:
        requirement = parsed(text)
        try:
            if requirement is None or (requirement.marker and not requirement.marker.evaluate(environment)):
                continue
        except (UndefinedComparison, UndefinedEnvironmentName):
            continue
        name = normalised(requirement.name)
        if name == metadata.name or root.locked is None:
            continue
        if name not in root.locked:
            yield name, f"it asks for `{requirement}`, which is not among the locked packages"
            continue
        version = root.locked[name]
        if version and requirement.specifier and not requirement.specifier.contains(version, prereleases=True):
            yield name, f"it asks for `{requirement}`, and {version} is locked"
        else:
            yield name, None
